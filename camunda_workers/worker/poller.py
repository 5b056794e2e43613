"""Fetches jobs of one type by long polling, as many as there is room for."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.retry import BackOff
from camunda_workers.errors import BackPressure, EngineUnavailable
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.jobs import Jobs
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats

_log = structlog.get_logger("camunda_workers.worker")

_ANSWERED_AT_ONCE = 0.1
"""An empty answer faster than this part of the request's timeout comes from a gateway that does not wait for jobs."""


_BACK_OFF = BackOff(first=0.1, longest=5.0)
_IDLE = BackOff(first=0.02, longest=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How jobs are fetched.

    Attributes:
        request_timeout: how long the engine may wait for a job before it answers a request with none.
        back_off: waits after failed requests; starts anew after the first that succeeds.
        idle: waits after empty answers of an engine that does not wait for jobs.
        start_jitter: the longest wait before the first request; spreads workers that are started together.
    """

    request_timeout: timedelta = timedelta(seconds=20)
    back_off: BackOff = _BACK_OFF
    idle: BackOff = _IDLE
    start_jitter: timedelta = timedelta(0)


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
    """

    def __init__(
        self, definition: Definition, *, gateway: JobGateway, jobs: Jobs, slots: Slots, stats: WorkerStats, name: str, polling: Polling
    ) -> None:
        self._definition = definition
        self._gateway = gateway
        self._jobs = jobs
        self._slots = slots
        self._stats = stats
        self._name = name
        self._polling = polling
        self._failures = 0
        self._empty = 0

    async def run(self) -> None:
        """Fetches and starts jobs, for ever."""
        await asyncio.sleep(self._polling.start_jitter.total_seconds() * _chance())
        while True:
            places = await self._slots.take_batch()
            try:
                started = time.monotonic()
                jobs = await self._fetch(places)
            except asyncio.CancelledError:
                self._slots.give_back(places)
                raise
            except Exception as error:
                self._slots.give_back(places)
                await self._failed(error)
                continue
            self._answered()
            for job in jobs[:places]:
                self._jobs.start(job)
            self._slots.give_back(max(0, places - len(jobs)))
            if len(jobs) > places:
                # More than was asked for; the cap holds all the same.
                await self._jobs.give_back(jobs[places:])
            await self._rest_if_idle(jobs, time.monotonic() - started)

    async def _fetch(self, places: int) -> Sequence[pb.ActivatedJob]:
        request = asyncio.ensure_future(
            self._gateway.activate_jobs(
                self._definition.job_type,
                worker=self._name,
                timeout=self._definition.timeout,
                max_jobs=places,
                fetch_variables=self._definition.fetch_variables,
                request_timeout=self._polling.request_timeout,
            )
        )
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            await self._stop(request)
            raise

    async def _stop(self, request: asyncio.Future[Sequence[pb.ActivatedJob]]) -> None:
        """Ends a request; jobs that came in the very moment are given back, not left to time out."""
        request.cancel()
        await asyncio.wait([request])
        if not request.cancelled() and request.exception() is None and (jobs := request.result()):
            await self._jobs.give_back(jobs)

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._stats.failed_polls += 1
        wait = self._polling.back_off.delay(self._failures, _chance())
        # The first, second, fourth, eighth ... of a row: an engine that is away for an hour fills no disk.
        if self._failures & (self._failures - 1) == 0:
            log = _log.warning if isinstance(error, BackPressure | EngineUnavailable) else _log.error
            log("worker.poll_failed", job_type=self._definition.job_type, failures=self._failures, wait=round(wait, 2), reason=str(error))
        await asyncio.sleep(wait)

    def _answered(self) -> None:
        self._stats.polls += 1
        self._stats.last_poll = time.monotonic()
        if self._failures:
            _log.info("worker.poll_recovered", job_type=self._definition.job_type, failures=self._failures)
            self._failures = 0

    async def _rest_if_idle(self, jobs: Sequence[pb.ActivatedJob], seconds: float) -> None:
        if jobs or seconds > self._polling.request_timeout.total_seconds() * _ANSWERED_AT_ONCE:
            self._empty = 0
            return
        self._empty += 1
        await asyncio.sleep(self._polling.idle.delay(self._empty, _chance()))


def _chance() -> float:
    return random.random()
