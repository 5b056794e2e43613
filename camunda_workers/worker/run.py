"""Runs workers until the process is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Unpack

import structlog

from camunda_workers.worker.collector import calm_collector
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.router import Router
from camunda_workers.worker.runner import RunnerOptions, WorkerRunner

_log = structlog.get_logger("camunda_workers.worker")


async def run_workers(
    client: JobGateway, routers: Iterable[Router], *, stop: asyncio.Event | None = None, **options: Unpack[RunnerOptions]
) -> None:
    """Runs workers until SIGTERM or SIGINT comes or ``stop`` is set; then stops in order (see `WorkerRunner`).

    A second signal ends the wait for running jobs: they are given back to the engine.

    Args:
        client: the way to the engine; an open `Client`.
        routers: the workers.
        stop: set it to stop.
        options: see `camunda_workers.worker.runner.RunnerOptions`.

    Raises:
        ConfigurationError: two workers serve one job type, there is none, or a resource is provided by nobody.
    """
    await run_until_stopped(WorkerRunner(client, routers, **options), stop)


async def run_until_stopped(runner: WorkerRunner, stop: asyncio.Event | None = None) -> None:
    """Runs a runner until SIGTERM or SIGINT comes or ``stop`` is set."""
    told = stop or asyncio.Event()

    def on_signal(number: int) -> None:
        _log.info("runner.signal", signal=signal.Signals(number).name)
        if told.is_set():
            runner.hurry()
        told.set()

    # The handlers stay until everything is closed, so that the second signal is heard too.
    with _signals(on_signal), calm_collector():
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
