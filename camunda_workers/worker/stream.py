"""Has jobs of one type pushed by the engine, beside the poller: a stream brings new jobs at once, and only polls find those that were there.

A pushed job that finds no place free waits in hand, and the stream is not read meanwhile: that holds the engine back, which then leaves
further jobs for polls (Camunda's documentation of job streaming).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import structlog

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import BackPressure, EngineUnavailable, NotSupported
from camunda_workers.worker.arrivals import Arrivals
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.gateway import JobGateway, activation_options
from camunda_workers.worker.jobs import Jobs
from camunda_workers.worker.polling import Polling
from camunda_workers.worker.pulse import Pulse
from camunda_workers.worker.stats import WorkerStats

_log = structlog.get_logger("camunda_workers.worker")

PROVEN: Final = 1.0
"""A stream that has lived for so many seconds, or brought a job, is taken for a good one; gRPC tells nothing before the first message."""

QUIET: Final = 0.05
LONGEST_LEAVE: Final = 1.0
"""A stream that is to end is read until nothing has come for `QUIET` seconds: what is on its way when it is cancelled is lost until its timeout."""


class Stream:
    """Keeps a stream of jobs open until it is cancelled; no error ends it, except that the engine has no streams.

    Args:
        definition: the worker.
        gateway: where from.
        jobs: runs them.
        stats: counts what came.
        name: the worker's name for the engine.
        polling: waits between attempts.
        make_room: called when a job has come and no place is free.
        pulse: knows when this process has not been looking.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        gateway: JobGateway,
        jobs: Jobs,
        stats: WorkerStats,
        name: str,
        polling: Polling,
        make_room: Callable[[], None],
        pulse: Pulse,
    ) -> None:
        self._definition = definition
        self._gateway = gateway
        self._jobs = jobs
        self._stats = stats
        self._options = activation_options(definition, name)
        self._polling = polling
        self._make_room = make_room
        self._pulse = pulse
        self._failures = 0
        self._opened: float | None = 0.0
        self._begun = asyncio.Event()
        self._leaving = asyncio.Event()
        self._came = 0.0
        self._unstarted: list[pb.ActivatedJob] = []

    @property
    def begun(self) -> bool:
        """Whether the stream is wanted yet."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Called when polls have caught up. Until then they are cheaper (a tenth of the work for each job), and they bring the oldest first."""
        self._begun.set()

    @property
    def open(self) -> bool:
        """Whether new jobs can be expected from here; the poller then leaves the places to them."""
        if self._opened is None or not self.begun:
            return False
        return not self._failures or time.monotonic() - self._opened > PROVEN

    async def run(self) -> None:
        """Opens the stream and takes jobs from it, again whenever it breaks."""
        await self._begun.wait()
        while True:
            try:
                await self._follow()
                reason, severe = "the engine ended it", False
            except (NotSupported, NotImplementedError) as error:
                _log.info("worker.stream_unsupported", job_type=self._definition.job_type, reason=str(error))
                return
            except Exception as error:
                reason, severe = str(error), not isinstance(error, BackPressure | EngineUnavailable)
            finally:
                opened, self._opened = self._opened, None
            if opened and time.monotonic() - opened > PROVEN:
                self._failures = 0
            self._failures += 1
            await self._pause(reason, severe=severe)

    async def leave(self) -> None:
        """Starts no more jobs and returns when those that were under way have come; then it is to be cancelled, and `give_back` called."""
        self._leaving.set()
        began = self._came = time.monotonic()
        while self._opened and time.monotonic() - began < LONGEST_LEAVE:
            if (left := self._came + QUIET - time.monotonic()) <= 0:
                return
            await asyncio.sleep(left)

    async def give_back(self) -> None:
        """Returns what came after `leave`."""
        jobs, self._unstarted = self._unstarted, []
        await self._jobs.give_back(jobs)

    async def _follow(self) -> None:
        jobs = self._gateway.stream_jobs(self._definition.job_type, **self._options)
        self._opened = time.monotonic()
        self._stats.streams += 1
        arrivals = Arrivals(self._pulse)
        reading = aiter(jobs)
        try:
            while True:
                asked = time.monotonic()
                try:
                    job = await anext(reading)
                except StopAsyncIteration:
                    return
                self._failures = 0
                self._stats.pushed += 1
                read = time.monotonic()
                await self._take(job, arrivals.of(job, asked, read))
                arrivals.held(read)
        finally:
            await _close(jobs)

    async def _take(self, job: pb.ActivatedJob, arrived: float) -> None:
        if self._leaving.is_set():
            self._came = time.monotonic()
            self._unstarted.append(job)
        elif not self._jobs.start_now(job, arrived):
            self._make_room()
            await self._admit(job, arrived)

    async def _admit(self, job: pb.ActivatedJob, arrived: float) -> None:
        admitting = asyncio.ensure_future(self._jobs.admit(job, arrived))
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait([admitting, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            # It gives the job back when it is cancelled.
            admitting.cancel()
            await asyncio.wait([admitting])
        if not admitting.cancelled():
            admitting.result()

    async def _pause(self, reason: str, *, severe: bool) -> None:
        wait = self._polling.back_off.delay(self._failures, random.random())
        if self._failures & (self._failures - 1) == 0:
            log = _log.error if severe else _log.warning
            log("worker.stream_broke", job_type=self._definition.job_type, failures=self._failures, wait=round(wait, 2), reason=reason)
        await asyncio.sleep(wait)


async def _close(jobs: AsyncIterator[pb.ActivatedJob]) -> None:
    # An async generator; the protocol does not promise one.
    close: Any = getattr(jobs, "aclose", None)
    if close is not None:
        await close()
