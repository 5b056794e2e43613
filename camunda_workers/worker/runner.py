"""Runs workers: one poller for each, stopped in order."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import structlog

from camunda_workers.errors import ConfigurationError
from camunda_workers.worker.definition import Run
from camunda_workers.worker.executor import MAX_RESULT, Executor
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.jobs import Jobs
from camunda_workers.worker.middleware import Middleware
from camunda_workers.worker.poller import Poller, Polling
from camunda_workers.worker.reporter import Reporter
from camunda_workers.worker.resources import Resources
from camunda_workers.worker.router import AnyWorker, Router, refuse_twins
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats
from camunda_workers.worker.threads import Threads

_log = structlog.get_logger("camunda_workers.worker")

DEFAULT_DRAIN = timedelta(seconds=10)
ABORT_GRACE = timedelta(seconds=2)


class WorkerRunner:
    """Runs the workers of one or more routers while its ``async with`` block runs.

    Leaving the block stops in order: no new jobs are fetched; running ones get ``drain_timeout`` to end; those that have not ended are
    cancelled and given back to the engine without using up a retry; resources are closed.

    Args:
        client: the way to the engine; an open `Client`.
        routers: the workers.
        name: the worker's name as the engine shows it.
        drain_timeout: how long running jobs may take to end when the runner stops.
        polling: how jobs are fetched.
        middleware: around every job, outermost first, outside of the routers' own.
        resources: open resources by type, used instead of what routers provide.
        max_result_bytes: bytes of JSON the engine takes as a job's result.

    Raises:
        ConfigurationError: two workers serve one job type, there is none, or a resource is provided by nobody.
    """

    def __init__(
        self,
        client: JobGateway,
        routers: Iterable[Router],
        *,
        name: str | None = None,
        drain_timeout: timedelta = DEFAULT_DRAIN,
        polling: Polling | None = None,
        middleware: Iterable[Middleware] = (),
        resources: Mapping[Any, object] | None = None,
        max_result_bytes: int = MAX_RESULT,
    ) -> None:
        self._client = client
        self._routers = tuple(dict.fromkeys(routers))
        self._name = name or f"camunda-workers@{socket.gethostname()}:{os.getpid()}"
        self._drain_timeout = drain_timeout
        self._polling = polling or Polling()
        self._middleware = tuple(middleware)
        self._max_result = max_result_bytes
        self._resources = Resources(self._routers, given=resources or {}, client=client)
        self._stats = _stats_of(self._routers)
        self._resources.check()
        self._jobs: list[Jobs] = []
        self._threads: list[Threads] = []
        self._deadline: float | None = None
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

    async def __aenter__(self) -> Self:
        if self._pollers is not None:
            raise ConfigurationError("a WorkerRunner runs once: make a new one")
        await self._resources.open()
        pollers = [self._start(worker, router) for router in self._routers for worker in router]
        self._pollers = asyncio.create_task(_poll(pollers), name="camunda-workers pollers")
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
                self._pollers.cancel()
                await asyncio.wait([self._pollers])
                await self._drain()
        finally:
            for threads in self._threads:
                threads.close()
            await self._resources.close()
        _log.info("runner.stopped", worker=self._name, **_totals(self._stats))

    async def _drain(self) -> None:
        deadline = time.monotonic() + self._drain_timeout.total_seconds()
        draining = asyncio.gather(*(jobs.drain(deadline) for jobs in self._jobs))
        hurried = asyncio.ensure_future(self._hurried.wait())
        try:
            await asyncio.wait([draining, hurried], return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
            draining.cancel()
        await asyncio.gather(*(jobs.abort(ABORT_GRACE) for jobs in self._jobs))

    def _start(self, worker: AnyWorker, router: Router) -> Poller:
        definition = worker.definition
        stats = self._stats[definition.job_type]
        slots = Slots(definition.max_running)
        threads = Threads(definition.job_type, definition.max_running) if definition.run is Run.THREAD else None
        if threads is not None:
            self._threads.append(threads)
        executor = Executor(
            definition,
            resources=self._resources.of(definition, router),
            middleware=(*self._middleware, *router.middleware),
            threads=threads,
            max_result=self._max_result,
        )
        reporter = Reporter(self._client, stats)
        jobs = Jobs(definition, executor=executor, reporter=reporter, gateway=self._client, slots=slots, stats=stats)
        self._jobs.append(jobs)
        return Poller(definition, gateway=self._client, jobs=jobs, slots=slots, stats=stats, name=self._name, polling=self._polling)


async def _poll(pollers: Iterable[Poller]) -> None:
    async with asyncio.TaskGroup() as group:
        for poller in pollers:
            group.create_task(poller.run())


def _stats_of(routers: Iterable[Router]) -> dict[str, WorkerStats]:
    seen: dict[str, AnyWorker] = {}
    for router in routers:
        for worker in router:
            refuse_twins(seen.get(worker.definition.job_type), worker)
            seen[worker.definition.job_type] = worker
    if not seen:
        raise ConfigurationError("there is no worker to run: give the runner a Router with at least one @worker function")
    return {job_type: WorkerStats() for job_type in seen}


def _totals(stats: Mapping[str, WorkerStats]) -> dict[str, int]:
    names = ("completed", "failed", "bpmn_errors", "denied", "returned", "already_resolved", "unreported")
    return {name: sum(getattr(one, name) for one in stats.values()) for name in names}
