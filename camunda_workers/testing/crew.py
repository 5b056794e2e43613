"""The workers of one test: mocks and real ones, started when they are named, gone when the test ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar

from camunda_workers.client import Client
from camunda_workers.errors import ConfigurationError
from camunda_workers.testing.failures import listed
from camunda_workers.testing.mocks import MockJob, poller_of
from camunda_workers.worker.decorate import Worker
from camunda_workers.worker.jobs import Jobs
from camunda_workers.worker.router import Router
from camunda_workers.worker.runner import WorkerRunner
from camunda_workers.worker.stats import WorkerStats

T = TypeVar("T")

STOP_WITHIN = timedelta(seconds=1)
"""How long a worker may go on with its job when the test is over; then it is cancelled."""

_READY_WITHIN = 2.0


class Later(Generic[T]):
    """Something that is done before the next step of the test; awaiting it does it now and gives the result."""

    def __init__(self, do: Callable[[], Awaitable[T]]) -> None:
        self._do = do
        self._done: asyncio.Future[T] | None = None

    async def now(self) -> T:
        """Do it, once."""
        if self._done is None:
            self._done = asyncio.ensure_future(self._do())
        return await asyncio.shield(self._done)

    def __await__(self) -> Generator[Any, None, T]:
        return self.now().__await__()


class Crew:
    """Workers and mocks of one engine."""

    def __init__(self, serves: Callable[[str], bool]) -> None:
        self._serves = serves
        self._mocks: dict[str, MockJob] = {}
        self._pollers: list[tuple[asyncio.Task[None], Jobs]] = []
        self._runners: list[WorkerRunner] = []
        self._types: dict[str, str] = {}
        self._new: set[str] = set()

    def served(self) -> frozenset[str]:
        """Job types that somebody of the crew does."""
        return frozenset(self._types)

    def mock(self, mock: MockJob, client: Client) -> MockJob:
        """Start a mock; a second one for a type changes the answers of the first.

        Raises:
            ConfigurationError: a real worker does that type already.
        """
        if (known := self._mocks.get(mock.type)) is not None:
            known.answers = mock.answers
            known._given = 0  # pyright: ignore[reportPrivateUsage]
            return known
        self._take({mock.type: "a mock"})
        poller, jobs = poller_of(mock, client, f"mock {mock.type}")
        self._pollers.append((asyncio.create_task(poller.run(), name=f"mock of '{mock.type}'"), jobs))
        self._mocks[mock.type] = mock
        return mock

    async def start(self, routers: Iterable[Router], client: Client, resources: Mapping[Any, object]) -> WorkerRunner:
        """Run real workers.

        Raises:
            ConfigurationError: two do one type, or a resource is provided by nobody.
        """
        some = tuple(routers)
        self._take({worker.definition.job_type: worker.definition.name for router in some for worker in router})
        runner = WorkerRunner(client, some, name="test", drain_timeout=STOP_WITHIN, resources=resources)
        await runner.__aenter__()
        self._runners.append(runner)
        return runner

    async def ready(self) -> None:
        """Return when everybody who was started asks the engine for jobs."""
        end = time.monotonic() + _READY_WITHIN
        while missing := [kind for kind in self._new if not self._serves(kind)]:
            if time.monotonic() > end:
                raise ConfigurationError(f"the workers for {listed(missing)} do not reach the engine")
            await asyncio.sleep(0.0005)
        self._new.clear()

    async def stop(self) -> list[str]:
        """Stop everybody; what did not end in order is said, not raised."""
        complaints: list[str] = []
        for task, jobs in self._pollers:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                complaints.append(f"{task.get_name()} ended with {error!r}")
            await jobs.abort(STOP_WITHIN)
        self._pollers.clear()
        for runner in reversed(self._runners):
            before = {kind: _cut_short(stats) for kind, stats in runner.stats.items()}
            await runner.stop()
            if late := [kind for kind, stats in runner.stats.items() if _cut_short(stats) > before[kind] or stats.running]:
                complaints.append(f"the worker for {listed(late)} was still at work when the test ended")
        self._runners.clear()
        return complaints

    def _take(self, types: Mapping[str, str]) -> None:
        for kind, who in types.items():
            if kind in self._types:
                raise ConfigurationError(
                    f"two workers for job type '{kind}' in one test: {self._types[kind]} and {who}; which one gets a job is chance"
                )
        self._types.update(types)
        self._new.update(types)


def _cut_short(stats: WorkerStats) -> int:
    return stats.returned + stats.unreported


def routers_of(workers: Iterable[Worker[..., Any] | Router]) -> tuple[Router, ...]:
    """Workers and routers as routers.

    Raises:
        ConfigurationError: something else is among them.
    """
    found: list[Router] = []
    alone: list[Worker[..., Any]] = []
    for one in workers:
        if isinstance(one, Router):
            found.append(one)
        elif isinstance(one, Worker):  # pyright: ignore[reportUnnecessaryIsInstance]
            alone.append(one)
        else:
            raise ConfigurationError(f"{one!r} is neither a worker nor a router: decorate it with @worker('type-in-the-diagram')")
    return (*found, Router(*alone)) if alone else tuple(found)
