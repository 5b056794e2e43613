"""The running jobs of one worker: started, followed to the engine's answer, drained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, assert_never

import structlog

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.executor import Report
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.heartbeat import Heartbeat
from camunda_workers.worker.outcome import NOTHING, Bpmn, Completed, Denied, Failed
from camunda_workers.worker.reporter import Reporter, Sent
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats
from camunda_workers.worker.trace import trace_of

_log = structlog.get_logger("camunda_workers.worker")

STOPPING = "the worker is stopping"


class Runs(Protocol):
    """Computes the outcome of a job and never raises."""

    async def run(self, context: JobContext) -> Report:
        """Runs one job to its end."""
        ...


@dataclass(eq=False, slots=True)
class _Running:
    context: JobContext
    started: float
    task: asyncio.Task[None] | None = None
    extending: asyncio.Task[None] | None = None
    taken_away: bool = False
    reporting: bool = False
    ended: bool = False
    abandoned: bool = False
    goes_back: bool = False
    """Its try has failed: the engine hands the same job out again, which is no duplicate."""

    def end(self, reason: str, *, uses_retry: bool = False) -> None:
        """Ends its function; one that runs in a thread goes on, but nobody waits for it."""
        if not self.ended and self.task is not None:
            self.ended = True
            self.context.cancel(reason, uses_retry=uses_retry)
            self.task.cancel(reason)


class Jobs:
    """Runs jobs of one worker, each in a task of its own.

    The tasks are kept here and not in a task group, because a group waits for every one of them, and a function that ignores its
    cancellation must not keep the process from ending.

    Args:
        definition: the worker.
        executor: computes outcomes.
        reporter: sends them.
        gateway: where a running job's timeout can be extended.
        slots: the cap.
        stats: counts what happens.
    """

    def __init__(
        self, definition: Definition, *, executor: Runs, reporter: Reporter, gateway: JobGateway, slots: Slots, stats: WorkerStats
    ) -> None:
        self._definition = definition
        self._executor = executor
        self._reporter = reporter
        self._gateway = gateway
        self._slots = slots
        self._stats = stats
        self._running: dict[asyncio.Task[None], _Running] = {}
        self._by_key: dict[int, _Running] = {}
        self._expects_lease = definition.lease
        self._heartbeat = Heartbeat(definition, self._working, stats)
        # Asked once and not for every job.
        self._tells_all: bool = _log.is_enabled_for(_DEBUG)

    def start(self, job: pb.ActivatedJob, received: float | None = None) -> None:
        """Starts a job for which a place was taken; the place is given back when the job has ended.

        Args:
            job: the job.
            received: when it arrived, by the monotonic clock; now when not given.
        """
        self._stats.activated += 1
        if (first := self._by_key.get(job.key)) is not None and not first.goes_back:
            # The engine thinks that the first try is lost. It is not: it goes on, with the time that the engine has just granted.
            self._stats.duplicates += 1
            first.context.renew(self._definition.timeout, job.jobLeaseToken)
            _log.warning("job.duplicate", **first.context.log_keys())
            self._slots.give_back()
            return
        now = time.monotonic()
        context = JobContext(job, gateway=self._gateway, timeout=self._definition.timeout, received=received)
        if self._expects_lease and context.lease_token is None:
            # Said once: the engine, or a part of one that is being upgraded, is older than 8.10. Jobs are done as without.
            self._expects_lease = False
            _log.warning("worker.no_lease", job_type=self._definition.job_type, reason="the engine gave none: leases came with 8.10")
        if received is not None and context.remaining() <= 0:
            self._stats.expired += 1
            _log.warning("job.expired", **context.log_keys(), waited=round(now - received, 2))
            self._slots.give_back()
            return
        running = _Running(context, now)
        task = running.task = asyncio.get_running_loop().create_task(self._run(running))
        self._running[task] = self._by_key[job.key] = running
        self._stats.running = len(self._running)
        self._stats.most_running = max(self._stats.most_running, self._stats.running)
        task.add_done_callback(self._ended)
        self._heartbeat.wake()

    def start_now(self, job: pb.ActivatedJob, received: float | None = None) -> bool:
        """Starts a job if a place is free; whether it was."""
        if not self._slots.take_now():
            return False
        self.start(job, received)
        return True

    async def admit(self, job: pb.ActivatedJob, received: float) -> None:
        """Starts a job as soon as a place is free; it goes back if that is cancelled."""
        try:
            await self._slots.take()
        except asyncio.CancelledError:
            await self.give_back([job])
            raise
        self.start(job, received)

    def _working(self) -> Iterable[_Running]:
        return [running for running in self._running.values() if not running.reporting]

    async def give_back(self, jobs: Iterable[pb.ActivatedJob]) -> None:
        """Returns jobs that will not be started, so that others need not wait for their timeout; uses up no retry."""
        for job in jobs:
            self._stats.activated += 1
            await self._return(JobContext(job, gateway=self._gateway, timeout=self._definition.timeout))

    async def drain(self, deadline: float) -> None:
        """Waits for running jobs.

        Args:
            deadline: when to stop waiting, by the monotonic clock.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, deadline - time.monotonic()))

    async def abort(self, grace: timedelta) -> None:
        """Cancels functions that still run and returns their jobs; what is being sent gets the grace to be sent.

        Args:
            grace: how long cancelled functions and reports under way may take.
        """
        for running in list(self._running.values()):
            if not running.reporting:
                running.end(STOPPING)
        if self._running:
            await asyncio.wait(self._running, timeout=grace.total_seconds())
        self._reporter.close()
        for task, running in list(self._running.items()):
            task.cancel(STOPPING)
            if running.reporting:
                continue
            # The function swallowed its cancellation. Its job goes back; whatever it still does is its own affair.
            running.abandoned = running.goes_back = True
            _log.error("job.abandoned", **running.context.log_keys(), function=self._definition.name)
            try:
                async with asyncio.timeout(grace.total_seconds()):
                    await self._return(running.context)
            except TimeoutError:
                self._stats.unreported += 1

    async def _return(self, context: JobContext) -> None:
        outcome = Failed(STOPPING, retries=context.retries)
        if await self._reporter.send(context, Report(outcome, NOTHING)) is Sent.TAKEN:
            self._stats.returned += 1
            _log.info("job.returned", **context.log_keys())

    async def _run(self, running: _Running) -> None:
        context = running.context
        try:
            report = await self._executor.run(context)
            if running.abandoned:
                return
            running.reporting = True
            if running.extending is not None:
                running.extending.cancel()
            if context.remaining() <= 0:
                # Somebody else has the job by now, and this would end their try.
                self._stats.late += 1
                _log.warning("job.late", **context.log_keys(), seconds=round(time.monotonic() - running.started, 2))
                return
            running.goes_back = isinstance(report.outcome, Failed)
            if await self._reporter.send(context, report) is Sent.TAKEN:
                self._count(report, context, time.monotonic() - running.started)
        except Exception as error:
            # A defect of ours; the job times out and is handed out again.
            _log.error("job.crashed", **context.log_keys(), trace=trace_of(error))

    def _count(self, report: Report, context: JobContext, seconds: float) -> None:
        outcome = report.outcome
        match outcome:
            case Completed():
                self._stats.completed += 1
                if self._tells_all:
                    _log.debug("job.completed", **context.log_keys(), seconds=round(seconds, 4))
            case Failed() if context.cancel_reason == STOPPING:
                self._stats.returned += 1
                _log.info("job.returned", **context.log_keys())
            case Failed():
                self._stats.failed += 1
                log = _log.error if outcome.retries == 0 else _log.warning
                log(
                    "job.failed",
                    **context.log_keys(),
                    reason=outcome.message,
                    retries=outcome.retries,
                    back_off=outcome.back_off.total_seconds(),
                    trace=trace_of(outcome.cause),
                )
            case Bpmn():
                self._stats.bpmn_errors += 1
                _log.info("job.bpmn_error", **context.log_keys(), code=outcome.code, reason=outcome.message)
            case Denied():
                self._stats.denied += 1
                _log.info("job.denied", **context.log_keys(), reason=outcome.reason)
            case _:
                assert_never(outcome)

    def _ended(self, task: asyncio.Task[None]) -> None:
        running = self._running.pop(task)
        if self._by_key.get(running.context.key) is running:
            del self._by_key[running.context.key]
        self._stats.running = len(self._running)
        self._slots.give_back()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job.crashed", job_type=self._definition.job_type, trace=trace_of(error))


_DEBUG = 10
