"""Extends the timeouts of running jobs before they end, and ends jobs that run for too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from camunda_workers.errors import CamundaWorkersError, InvalidState, NotFound
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.stats import WorkerStats

_log = structlog.get_logger("camunda_workers.worker")

_BEATS: Final = 6
"""How often it looks within one timeout: from the half of it on there are two more tries if the first does not get through."""


class Beating(Protocol):
    """A running job as this module needs it."""

    @property
    def context(self) -> JobContext:
        """The job."""
        ...

    @property
    def started(self) -> float:
        """When its function was started, by the monotonic clock."""
        ...

    extending: asyncio.Task[None] | None
    taken_away: bool

    def end(self, reason: str, *, uses_retry: bool = False) -> None:
        """Ends its function."""
        ...


class Heartbeat:
    """Looks after the running jobs of one worker; sleeps while there are none.

    Args:
        definition: the worker.
        running: its running jobs whose function has not ended.
        stats: counts extensions.
    """

    def __init__(self, definition: Definition, running: Callable[[], Iterable[Beating]], stats: WorkerStats) -> None:
        self._definition = definition
        self._running = running
        self._stats = stats
        seconds = definition.timeout.total_seconds()
        self._half = seconds / 2
        self._longest = None if definition.longest is None else definition.longest.total_seconds()
        self._every = seconds / _BEATS if definition.extend else seconds
        if self._longest is not None:
            self._every = min(self._every, max(self._longest / _BEATS, 0.01))
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Called when a job has been started."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self._beat)

    def _beat(self) -> None:
        self._timer = None
        now = time.monotonic()
        any_running = False
        for job in self._running():
            any_running = True
            if self._longest is not None and now - job.started > self._longest:
                job.end(f"it ran longer than its limit of {self._definition.longest}", uses_retry=True)
            elif self._definition.extend and job.extending is None and not job.taken_away and 0 < job.context.remaining() < self._half:
                job.extending = asyncio.ensure_future(self._extend(job))
        if any_running:
            self.wake()

    async def _extend(self, job: Beating) -> None:
        context = job.context
        try:
            async with asyncio.timeout(max(context.remaining(), 0.01)):
                await context.extend(self._definition.timeout)
            self._stats.extended += 1
        except (NotFound, InvalidState) as error:
            # It is cancelled from now on, so this is said once.
            job.taken_away = True
            _log.warning("job.taken_away", **context.log_keys(), reason=str(error))
        except (CamundaWorkersError, TimeoutError) as error:
            _log.warning("job.not_extended", **context.log_keys(), reason=str(error), remaining=round(context.remaining(), 2))
        finally:
            job.extending = None
