"""The running jobs of one worker: started, followed to the engine's answer, drained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

import structlog

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.definition import Definition
from camunda_workers.worker.executor import Executor, Report
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.outcome import NOTHING, Bpmn, Completed, Denied, Failed
from camunda_workers.worker.reporter import Reporter, Sent
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats

_log = structlog.get_logger("camunda_workers.worker")

STOPPING = "the worker is stopping"


@dataclass(slots=True)
class _Running:
    context: JobContext
    reporting: bool = False
    abandoned: bool = False


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
        self, definition: Definition, *, executor: Executor, reporter: Reporter, gateway: JobGateway, slots: Slots, stats: WorkerStats
    ) -> None:
        self._definition = definition
        self._executor = executor
        self._reporter = reporter
        self._gateway = gateway
        self._slots = slots
        self._stats = stats
        self._running: dict[asyncio.Task[None], _Running] = {}

    def start(self, job: pb.ActivatedJob) -> None:
        """Starts a job for which a place was taken; the place is given back when the job has ended."""
        context = JobContext(job, gateway=self._gateway, timeout=self._definition.timeout)
        running = _Running(context)
        task = asyncio.get_running_loop().create_task(self._run(running))
        self._running[task] = running
        self._stats.activated += 1
        self._stats.running = len(self._running)
        self._stats.most_running = max(self._stats.most_running, self._stats.running)
        task.add_done_callback(self._ended)

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
        for task, running in list(self._running.items()):
            if not running.reporting:
                running.context.cancel(STOPPING)
                task.cancel(STOPPING)
        if self._running:
            await asyncio.wait(self._running, timeout=grace.total_seconds())
        self._reporter.close()
        for task, running in list(self._running.items()):
            task.cancel(STOPPING)
            if running.reporting:
                continue
            # The function swallowed its cancellation. Its job goes back; whatever it still does is its own affair.
            running.abandoned = True
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
        started = time.monotonic()
        try:
            report = await self._executor.run(context)
            if running.abandoned:
                return
            running.reporting = True
            if await self._reporter.send(context, report) is Sent.TAKEN:
                self._count(report, context, time.monotonic() - started)
        except Exception:
            # A defect of ours; the job times out and is handed out again.
            _log.exception("job.crashed", **context.log_keys())

    def _count(self, report: Report, context: JobContext, seconds: float) -> None:
        outcome = report.outcome
        match outcome:
            case Completed():
                self._stats.completed += 1
                # The one line that every job writes: only made up where somebody listens.
                if _log.is_enabled_for(_DEBUG):
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
                    exc_info=outcome.cause,
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
        del self._running[task]
        self._stats.running = len(self._running)
        self._slots.give_back()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job.crashed", job_type=self._definition.job_type, exc_info=error)


_DEBUG = 10
