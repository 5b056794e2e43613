"""Runs workers: one poller for each, stopped in order."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import structlog

from camunda_workers.errors import ConfigurationError
from camunda_workers.logs import hide_locals
from camunda_workers.worker.assembly import Assembled, assemble
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.executor import MAX_RESULT
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.looplag import LoopLag
from camunda_workers.worker.middleware import Middleware, variables_needed
from camunda_workers.worker.overrides import applied, with_variables
from camunda_workers.worker.poller import Poller
from camunda_workers.worker.polling import Polling
from camunda_workers.worker.pulse import Pulse
from camunda_workers.worker.resources import Resources
from camunda_workers.worker.router import AnyWorker, Router, refuse_twins
from camunda_workers.worker.stats import WorkerStats
from camunda_workers.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from camunda_workers.project import WorkerOverride
    from camunda_workers.worker.idempotency import IdempotencyStore

_log = structlog.get_logger("camunda_workers.worker")

DEFAULT_DRAIN = timedelta(seconds=10)
ABORT_GRACE = timedelta(seconds=2)
LOOP_ALARM = timedelta(seconds=0.5)

_SPREAD = timedelta(milliseconds=2)
_LONGEST_SPREAD = timedelta(seconds=1)
"""Workers of one process do not all ask in the same moment when it starts: so much for each, up to this."""


class RunnerOptions(TypedDict, total=False):
    """Options of `WorkerRunner` and `run_workers`.

    Attributes:
        name: the worker's name as the engine shows it.
        drain_timeout: how long running jobs may take to end when the runner stops.
        polling: how jobs are fetched.
        middleware: around every job, outermost first, outside of the routers' own.
        resources: open resources by type, used instead of what routers provide.
        max_result_bytes: bytes of JSON the engine takes as a job's result.
        overrides: by job type, what goes before the options in the code.
        idempotency: where outcomes of idempotent workers are kept; opened and closed by the runner. In memory when not given.
        loop_alarm: how long the event loop may be blocked before that is reported; ``None`` does not watch it.
    """

    name: str | None
    drain_timeout: timedelta
    polling: Polling | None
    middleware: Iterable[Middleware]
    resources: Mapping[Any, object] | None
    max_result_bytes: int
    overrides: Mapping[str, WorkerOverride] | None
    idempotency: IdempotencyStore | None
    loop_alarm: timedelta | None


class WorkerRunner:
    """Runs the workers of one or more routers while its ``async with`` block runs.

    Leaving the block stops in order: no new jobs are fetched; running ones get ``drain_timeout`` to end; those that have not ended are
    cancelled and given back to the engine without using up a retry; resources are closed.

    Args:
        client: the way to the engine; an open `Client`.
        routers: the workers.
        options: see `RunnerOptions`.

    Raises:
        ConfigurationError: two workers serve one job type, there is none, or a resource is provided by nobody.
    """

    def __init__(self, client: JobGateway, routers: Iterable[Router], **options: Unpack[RunnerOptions]) -> None:
        self._client = client
        self._routers = tuple(dict.fromkeys(routers))
        self._name = options.get("name") or f"camunda-workers@{socket.gethostname()}:{os.getpid()}"
        self._drain_timeout = options.get("drain_timeout", DEFAULT_DRAIN)
        self._middleware = tuple(options.get("middleware", ()))
        self._max_result = options.get("max_result_bytes", MAX_RESULT)
        self._resources = Resources(self._routers, given=options.get("resources") or {}, client=client)
        self._definitions = _definitions(self._routers, options.get("overrides") or {}, self._middleware)
        self._stats = {definition.job_type: WorkerStats() for definition, _ in self._definitions}
        self._resources.check()
        self._polling = options.get("polling") or Polling(start_jitter=min(_LONGEST_SPREAD, _SPREAD * len(self._stats)))
        self._store = options.get("idempotency")
        alarm = options.get("loop_alarm", LOOP_ALARM)
        self._loop_lag = None if alarm is None else LoopLag(alarm)
        self._pulse = Pulse()
        self._workers: list[Assembled] = []
        self._watchdog: Watchdog | None = None
        self._stack = AsyncExitStack()
        self._hurried = asyncio.Event()
        self._pollers: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The worker's name as the engine shows it."""
        return self._name

    @property
    def stats(self) -> Mapping[str, WorkerStats]:
        """What each worker has done so far, by job type."""
        return self._stats

    @property
    def loop_lag(self) -> LoopLag | None:
        """What is known of blocks of the event loop."""
        return self._loop_lag

    def problems(self) -> dict[str, str]:
        """Why the runner is not ready: job type to what is wrong with its worker; empty when all is well."""
        if self._watchdog is None or self._stopping is not None:
            return {"": "the workers are not running"}
        return self._watchdog.problems()

    async def __aenter__(self) -> Self:
        if self._pollers is not None:
            raise ConfigurationError("a WorkerRunner runs once: make a new one")
        hide_locals()
        store = await self._open_store()
        try:
            await self._resources.open()
        except BaseException:
            await self._stack.aclose()
            raise
        self._workers = [self._assemble(definition, router, store) for definition, router in self._definitions]
        pollers = [worker.poller for worker in self._workers]
        self._watchdog = Watchdog(pollers, self._polling.silent_after)
        self._pulse.start()
        if self._loop_lag is not None:
            self._loop_lag.start()
        self._pollers = asyncio.create_task(_poll(pollers, self._watchdog), name="camunda-workers pollers")
        _log.info("runner.started", worker=self._name, job_types=sorted(self._stats))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.stop()

    async def wait(self) -> None:
        """Returns when the runner has been told to stop; raises what ended it if it ended by itself."""
        if self._pollers is not None:
            await asyncio.wait([self._pollers])
            if not self._pollers.cancelled():
                self._pollers.result()

    async def stop(self) -> None:
        """Stops in order and returns when everything is closed; called again it waits for the same end."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="camunda-workers stop")
        while not self._stopping.done():
            try:
                await asyncio.shield(self._stopping)
            except asyncio.CancelledError:
                if self._stopping.done():
                    break
                # The caller is in a hurry, but jobs are given back all the same: that has a bound of its own.
                self.hurry()
                await asyncio.wait([self._stopping])
                raise
        self._stopping.result()

    def hurry(self) -> None:
        """Ends the wait for running jobs: those that have not ended are cancelled and given back."""
        self._hurried.set()

    async def _stop(self) -> None:
        _log.info("runner.stopping", worker=self._name, running=sum(stats.running for stats in self._stats.values()))
        try:
            if self._pollers is not None:
                streams = [worker.poller.stream for worker in self._workers if worker.poller.stream is not None]
                await asyncio.gather(*(stream.leave() for stream in streams))
                self._pollers.cancel()
                await asyncio.wait([self._pollers])
                await asyncio.gather(*(stream.give_back() for stream in streams))
                await self._drain()
        finally:
            self._pulse.stop()
            if self._loop_lag is not None:
                self._loop_lag.stop()
            for worker in self._workers:
                for pool in worker.pools:
                    pool.close()
            try:
                await self._resources.close()
            finally:
                await self._stack.aclose()
        _log.info("runner.stopped", worker=self._name, **_totals(self._stats))

    async def _drain(self) -> None:
        deadline = time.monotonic() + self._drain_timeout.total_seconds()
        draining = asyncio.gather(*(worker.jobs.drain(deadline) for worker in self._workers))
        hurried = asyncio.ensure_future(self._hurried.wait())
        try:
            await asyncio.wait([draining, hurried], return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
            draining.cancel()
        await asyncio.gather(*(worker.jobs.abort(ABORT_GRACE) for worker in self._workers))

    async def _open_store(self) -> IdempotencyStore | None:
        job_types = [definition.job_type for definition, _ in self._definitions if definition.idempotent]
        if not job_types:
            return None
        store = self._store
        if store is None:
            from camunda_workers.worker.idempotency_memory import MemoryStore

            store = MemoryStore()
        if store.kept_in_memory:
            _log.warning(
                "idempotency.in_memory",
                job_types=job_types,
                reason="outcomes are forgotten when this process ends, and other processes do not see them: effects may be repeated",
                fix="set CAMUNDA_WORKERS_REDIS_URL, or CAMUNDA_WORKERS_IDEMPOTENCY=sqlite for one machine",
            )
        return await self._stack.enter_async_context(store)

    def _assemble(self, definition: Definition, router: Router, store: IdempotencyStore | None) -> Assembled:
        return assemble(
            definition,
            gateway=self._client,
            resources=self._resources.of(definition, router),
            middleware=(*self._middleware, *router.middleware),
            stats=self._stats[definition.job_type],
            name=self._name,
            polling=self._polling,
            max_result=self._max_result,
            store=store,
            pulse=self._pulse,
        )


async def _poll(pollers: Iterable[Poller], watchdog: Watchdog) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(watchdog.run())
        for poller in pollers:
            group.create_task(poller.run())
            if poller.stream is not None:
                group.create_task(poller.stream.run())


def _definitions(
    routers: Iterable[Router], overrides: Mapping[str, WorkerOverride], middleware: Sequence[Middleware]
) -> list[tuple[Definition, Router]]:
    seen: dict[str, AnyWorker] = {}
    result: list[tuple[Definition, Router]] = []
    for router in routers:
        needed = [name for layer in (*middleware, *router.middleware) for name in variables_needed(layer)]
        for worker in router:
            job_type = worker.definition.job_type
            refuse_twins(seen.get(job_type), worker)
            seen[job_type] = worker
            definition = applied(worker.definition, overrides.get(job_type))
            if definition is None:
                _log.info("worker.switched_off", job_type=job_type)
                continue
            if needed:
                definition = replace(definition, fetch_variables=with_variables(definition, needed))
            result.append((definition, router))
    if not seen:
        raise ConfigurationError("there is no worker to run: give the runner a Router with at least one @worker function")
    return result


def _totals(stats: Mapping[str, WorkerStats]) -> dict[str, int]:
    names = ("completed", "failed", "bpmn_errors", "denied", "returned", "already_resolved", "unreported")
    return {name: sum(getattr(one, name) for one in stats.values()) for name in names}
