"""Sends outcomes to the engine: once if it works, again until the job's deadline if the way there is broken.

The function has already run. Its effect must not be repeated because a message about it was lost, so nothing here ever turns a finished
job into a failed one for a transport error: "not found" and "wrong state" mean that the job is resolved already, and who is busy or gone is
asked again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, assert_never

import structlog

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.retry import BackOff
from camunda_workers.client.variables import to_json
from camunda_workers.errors import (
    CamundaWorkersError,
    DeadlineExceeded,
    EngineError,
    EngineFailure,
    InvalidState,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.executor import Report, describe
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.outcome import NOTHING, ActivateElement, AdHoc, Bpmn, Completed, Corrected, Denied, Failed
from camunda_workers.worker.stats import WorkerStats

_log = structlog.get_logger("camunda_workers.worker")

REPORT_BACK_OFF = BackOff(first=0.05, longest=2.0)

_FAILURES_OF_THE_ENGINE = 5
"""How often "internal error" is answered before it is taken for this outcome's fault and not the moment's."""


class Sent(Enum):
    """What became of a report."""

    TAKEN = "taken"
    ALREADY_RESOLVED = "already resolved"
    REFUSED = "refused"
    UNREPORTED = "unreported"


class Reporter:
    """Sends the outcomes of one worker.

    Args:
        gateway: where to.
        stats: counts what became of them.
        back_off: how long to wait between attempts.
    """

    def __init__(self, gateway: JobGateway, stats: WorkerStats, *, back_off: BackOff = REPORT_BACK_OFF) -> None:
        self._gateway = gateway
        self._stats = stats
        self._back_off = back_off
        self._closed = False

    def close(self) -> None:
        """From now on a cancellation ends a report; until then it is answered by sending again."""
        self._closed = True

    async def send(self, context: JobContext, report: Report) -> Sent:
        """Sends one outcome; never raises an `Exception`."""
        sent, refusal = await self._until_deadline(context, report)
        if sent is Sent.REFUSED:
            # The engine will never take this outcome. Left alone, the job would time out and run again, for ever; a person has to look.
            self._stats.refused += 1
            _log.error("job.refused", **context.log_keys(), reason=refusal)
            outcome = Failed(f"the engine refused the outcome of this job: {refusal}")
            await self._until_deadline(context, Report(outcome, NOTHING))
        elif sent is Sent.ALREADY_RESOLVED:
            self._stats.already_resolved += 1
            _log.info("job.already_resolved", **context.log_keys(), reason=refusal)
        elif sent is Sent.UNREPORTED:
            self._stats.unreported += 1
            _log.error("job.unreported", **context.log_keys(), reason=refusal)
        return sent

    async def _until_deadline(self, context: JobContext, report: Report) -> tuple[Sent, str]:
        attempt = 0
        failures = 0
        while True:
            attempt += 1
            try:
                # Sent at least once even after the deadline: the engine still takes it if nobody else has the job yet.
                await self._send(context, report)
            except (NotFound, InvalidState) as error:
                return Sent.ALREADY_RESOLVED, str(error)
            except asyncio.CancelledError:
                if self._closed:
                    raise
                _forgive()
                continue
            except EngineError as error:
                failures += isinstance(error, EngineFailure)
                if isinstance(error, DeadlineExceeded) and isinstance(report.outcome, Failed):
                    # It may have been failed and be with another worker by now, whose try a second command would end. If not, it times out.
                    return Sent.UNREPORTED, str(error)
                if not _worth_repeating(error) or failures >= _FAILURES_OF_THE_ENGINE:
                    return Sent.REFUSED, str(error)
                reason = str(error)
            except Exception as error:
                return Sent.REFUSED, describe(error)
            else:
                return Sent.TAKEN, ""
            wait = self._back_off.delay(attempt, random.random())
            if wait > context.remaining():
                return Sent.UNREPORTED, reason
            _log.warning("job.report_delayed", **context.log_keys(), attempt=attempt, wait=round(wait, 3), reason=reason)
            await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if self._closed:
                raise
            _forgive()

    async def _send(self, context: JobContext, report: Report) -> None:
        outcome = report.outcome
        # Asked anew each time: a job that was delivered once more while it ran has a new lease.
        job_key, lease = context.key, context.leased()
        match outcome:
            case Completed():
                match outcome.result:
                    case None:
                        result = None
                    case Corrected():
                        result = corrections(outcome.result)
                    case AdHoc():
                        result = ad_hoc(outcome.result)
                    case _:
                        assert_never(outcome.result)
                await self._gateway.complete_job(job_key, report.variables, result=result, **lease)
            case Failed():
                await self._gateway.fail_job(
                    job_key,
                    retries=outcome.retries,
                    message=outcome.message,
                    back_off=outcome.back_off,
                    variables=report.variables,
                    **lease,
                )
            case Bpmn():
                await self._gateway.throw_error(job_key, outcome.code, outcome.message, report.variables, **lease)
            case Denied():
                result = pb.JobResult(type="userTask", denied=True, deniedReason=outcome.reason)
                await self._gateway.complete_job(job_key, None, result=result, **lease)
            case _:
                assert_never(outcome)


def corrections(corrected: Corrected) -> pb.JobResult:
    """A task listener's corrections as the gateway takes them: only what is set is sent; empty clears."""
    lists: Mapping[str, Any] = {
        "candidateUsers": corrected.candidate_users,
        "candidateGroups": corrected.candidate_groups,
    }
    plain: Mapping[str, Any] = {
        "assignee": corrected.assignee,
        "dueDate": _date(corrected.due_date),
        "followUpDate": _date(corrected.follow_up_date),
        "priority": corrected.priority,
    }
    fields = {name: value for name, value in plain.items() if value is not None}
    fields |= {name: pb.StringList(values=list(value)) for name, value in lists.items() if value is not None}
    return pb.JobResult(type="userTask", denied=False, corrections=pb.JobResultCorrections(**fields))


def ad_hoc(next_steps: AdHoc) -> pb.JobResult:
    """What comes next in an ad-hoc sub-process, as the gateway takes it."""
    elements = [ActivateElement(element) if isinstance(element, str) else element for element in next_steps.activate]
    return pb.JobResult(
        type="adHocSubProcess",
        activateElements=[
            pb.JobResultActivateElement(elementId=element.element_id, variables=to_json(element.variables)) for element in elements
        ],
        isCompletionConditionFulfilled=next_steps.done,
        isCancelRemainingInstances=next_steps.cancel_remaining,
    )


def _date(value: datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _worth_repeating(error: CamundaWorkersError) -> bool:
    # A denied or unknown caller may be known again in a moment: tokens are renewed, identity providers return.
    return isinstance(error, EngineFailure | PermissionDenied | Unauthenticated) or (isinstance(error, EngineError) and error.retryable)


def _forgive() -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
