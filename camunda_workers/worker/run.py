"""Runs workers until the process is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog

from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.middleware import Middleware
from camunda_workers.worker.poller import Polling
from camunda_workers.worker.router import Router
from camunda_workers.worker.runner import DEFAULT_DRAIN, WorkerRunner

_log = structlog.get_logger("camunda_workers.worker")


async def run_workers(
    client: JobGateway,
    routers: Iterable[Router],
    *,
    stop: asyncio.Event | None = None,
    name: str | None = None,
    drain_timeout: timedelta = DEFAULT_DRAIN,
    polling: Polling | None = None,
    middleware: Iterable[Middleware] = (),
    resources: Mapping[Any, object] | None = None,
) -> None:
    """Runs workers until SIGTERM or SIGINT comes or ``stop`` is set; then stops in order (see `WorkerRunner`).

    A second signal ends the wait for running jobs: they are given back to the engine.

    Args:
        client: the way to the engine; an open `Client`.
        routers: the workers.
        stop: set it to stop.
        name: the worker's name as the engine shows it.
        drain_timeout: how long running jobs may take to end.
        polling: how jobs are fetched.
        middleware: around every job, outermost first.
        resources: open resources by type, used instead of what routers provide.

    Raises:
        ConfigurationError: two workers serve one job type, there is none, or a resource is provided by nobody.
    """
    told = stop or asyncio.Event()
    runner = WorkerRunner(
        client, routers, name=name, drain_timeout=drain_timeout, polling=polling, middleware=middleware, resources=resources
    )

    def on_signal(number: int) -> None:
        _log.info("runner.signal", signal=signal.Signals(number).name)
        if told.is_set():
            runner.hurry()
        told.set()

    # The handlers stay until everything is closed, so that the second signal is heard too.
    with _signals(on_signal):
        async with runner:
            waiting = [asyncio.ensure_future(told.wait()), asyncio.ensure_future(runner.wait())]
            try:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for future in waiting:
                    future.cancel()
            for future in done:
                future.result()
            told.set()


@contextmanager
def _signals(handle: Callable[[int], None]) -> Generator[None]:
    """Calls ``handle`` in the loop for SIGTERM and SIGINT; elsewhere than in the main thread there are no signals to hear."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        try:
            loop.add_signal_handler(number, handle, number)
        except NotImplementedError:
            # Windows' loops have none.
            signal.signal(number, lambda received, _: loop.call_soon_threadsafe(handle, received))
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
