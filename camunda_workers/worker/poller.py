"""Fetches jobs of one type by long polling, as many as there is room for.

It begins alone, and has the stream opened when it has caught up with what was there. From then on it asks for what the stream does not
bring: while there is such a backlog it takes its share of the free places and is answered at once; otherwise one request waits for one job
and holds no place, so that all of them are there for pushed jobs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import timedelta

import structlog

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import BackPressure, EngineUnavailable
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.gateway import JobGateway, activation_options
from camunda_workers.worker.jobs import Jobs
from camunda_workers.worker.polling import NOW, Polling
from camunda_workers.worker.pulse import Pulse
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats
from camunda_workers.worker.stream import Stream

__all__ = ["Poller", "Polling"]

_log = structlog.get_logger("camunda_workers.worker")

_ANSWERED_AT_ONCE = 0.1
"""An empty answer faster than this part of the request's timeout comes from a gateway that does not wait for jobs."""


class Poller:
    """Fetches jobs of one worker until it is cancelled; no error ends it.

    Args:
        definition: the worker.
        gateway: where from.
        jobs: runs them.
        slots: the cap.
        stats: counts requests.
        name: the worker's name for the engine.
        polling: how.
        pulse: knows when this process has not been looking.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        gateway: JobGateway,
        jobs: Jobs,
        slots: Slots,
        stats: WorkerStats,
        name: str,
        polling: Polling,
        pulse: Pulse,
    ) -> None:
        self._definition = definition
        self._gateway = gateway
        self._jobs = jobs
        self._slots = slots
        self._stats = stats
        self._options = activation_options(definition, name)
        self._polling = polling
        self._pulse = pulse
        self._stream = (
            Stream(definition, gateway=gateway, jobs=jobs, stats=stats, name=name, polling=polling, make_room=self.make_room, pulse=pulse)
            if polling.streaming and definition.stream
            else None
        )
        self._failures = 0
        self._empty = 0
        self._reason = ""
        self._heard = time.monotonic()
        self._full_since: float | None = None
        self._asked = 0.0
        self._request: asyncio.Future[Sequence[pb.ActivatedJob]] | None = None
        self._holds_places = False

    @property
    def definition(self) -> Definition:
        """The worker whose jobs are fetched."""
        return self._definition

    @property
    def stream(self) -> Stream | None:
        """The stream beside it."""
        return self._stream

    @property
    def reason(self) -> str:
        """Why requests fail now; empty when they do not."""
        return self._reason

    @property
    def was_heard(self) -> bool:
        """Whether the engine has ever answered."""
        return self._stats.polls > 0

    def silent_for(self) -> float:
        """Seconds since the engine last gave an answer; none while all places are taken and nothing is asked."""
        return time.monotonic() - self._heard if self._full_since is None else 0.0

    def make_room(self) -> None:
        """Gives up places that are held for a request nobody has answered yet: a pushed job needs one."""
        if self._request is not None and self._holds_places:
            self._request.cancel()

    def restart(self, older_than: float) -> None:
        """Gives up a request that has taken more than so many seconds."""
        if self._request is not None and time.monotonic() - self._asked > older_than:
            self._request.cancel()

    async def run(self) -> None:
        """Fetches and starts jobs, for ever."""
        await asyncio.sleep(self._polling.start_jitter.total_seconds() * random.random())
        backlog = True
        while True:
            try:
                if backlog or self._stream is None or not self._stream.open:
                    backlog = await self._fill()
                else:
                    backlog = await self._watch()
            except Exception as error:
                await self._failed(error)

    async def _fill(self) -> bool:
        """Fetches as many jobs as there is room for; whether there were any."""
        self._full_since = time.monotonic()
        places = await self._slots.take_batch()
        try:
            self._room()
            stream = self._stream
            wait = NOW if stream is not None and (stream.open or not stream.begun) else self._polling.request_timeout
            most = min(places, self._definition.max_batch or places)
            # One that is answered at once is never given up: the engine may have handed out its jobs already, and they would be lost.
            jobs, seconds = await self._fetch(most, wait, holds_places=wait is not NOW)
        except BaseException:
            self._slots.give_back(places)
            raise
        arrived = self._pulse.arrived(self._asked) if jobs else 0.0
        for job in jobs[:places]:
            self._jobs.start(job, arrived)
        self._slots.give_back(max(0, places - len(jobs)))
        if len(jobs) > places:
            # More than was asked for; the cap holds all the same.
            await self._jobs.give_back(jobs[places:])
        if stream is not None and len(jobs) < most:
            stream.begin()
        if wait is not NOW:
            await self._rest_if_idle(jobs, seconds)
        return bool(jobs)

    async def _watch(self) -> bool:
        """Waits for a job that the stream does not bring; whether there was one."""
        jobs, seconds = await self._fetch(1, self._polling.request_timeout, holds_places=False)
        arrived = self._pulse.arrived(self._asked) if jobs else 0.0
        for number, job in enumerate(jobs):
            if not self._jobs.start_now(job, arrived):
                self._full_since = time.monotonic()
                try:
                    await self._jobs.admit(job, arrived)
                except asyncio.CancelledError:
                    await self._jobs.give_back(jobs[number + 1 :])
                    raise
                self._room()
        await self._rest_if_idle(jobs, seconds)
        return bool(jobs)

    async def _fetch(self, most: int, wait: timedelta, *, holds_places: bool) -> tuple[Sequence[pb.ActivatedJob], float]:
        started = self._asked = time.monotonic()
        request = self._request = asyncio.ensure_future(
            self._gateway.activate_jobs(self._definition.job_type, max_jobs=most, request_timeout=wait, **self._options)
        )
        self._holds_places = holds_places
        try:
            await asyncio.wait([request])
        except asyncio.CancelledError:
            await self._stop(request)
            raise
        finally:
            self._request = None
        if request.cancelled():
            return (), self._polling.request_timeout.total_seconds()
        jobs = request.result()
        self._answered()
        return jobs, time.monotonic() - started

    async def _stop(self, request: asyncio.Future[Sequence[pb.ActivatedJob]]) -> None:
        """Ends a request; jobs that came in the very moment are given back, not left to time out."""
        request.cancel()
        await asyncio.wait([request])
        if not request.cancelled() and request.exception() is None and (jobs := request.result()):
            await self._jobs.give_back(jobs)

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._stats.failed_polls += 1
        self._reason = str(error) or type(error).__name__
        wait = self._polling.back_off.delay(self._failures, random.random())
        # The first, second, fourth, eighth ... of a row: an engine that is away for an hour fills no disk.
        if self._failures & (self._failures - 1) == 0:
            log = _log.warning if isinstance(error, BackPressure | EngineUnavailable) else _log.error
            log("worker.poll_failed", job_type=self._definition.job_type, failures=self._failures, wait=round(wait, 2), reason=self._reason)
        await asyncio.sleep(wait)

    def _answered(self) -> None:
        self._stats.polls += 1
        self._stats.last_poll = self._heard = time.monotonic()
        if self._failures:
            _log.info("worker.poll_recovered", job_type=self._definition.job_type, failures=self._failures)
            self._failures = 0
            self._reason = ""

    def _room(self) -> None:
        # While there was no room nothing was asked, so that time does not count.
        if self._full_since is not None:
            self._heard += time.monotonic() - self._full_since
        self._full_since = None

    async def _rest_if_idle(self, jobs: Sequence[pb.ActivatedJob], seconds: float) -> None:
        if jobs or seconds > self._polling.request_timeout.total_seconds() * _ANSWERED_AT_ONCE:
            self._empty = 0
            return
        self._empty += 1
        await asyncio.sleep(self._polling.idle.delay(self._empty, random.random()))
