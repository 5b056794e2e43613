"""Reports: sent until they are taken, never turned into a failure by a broken way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camunda_workers import Completed, Corrected, Denied, Failed, JobContext
from camunda_workers.client.retry import BackOff
from camunda_workers.errors import (
    BackPressure,
    DeadlineExceeded,
    EngineFailure,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    NotFound,
    Unauthenticated,
)
from camunda_workers.worker.executor import Report
from camunda_workers.worker.outcome import Bpmn, Outcome
from camunda_workers.worker.reporter import Reporter, Sent, corrections
from camunda_workers.worker.stats import WorkerStats
from tests.support.job_gateway import JobEngine, Lost

QUICK = BackOff(first=0.001, longest=0.005)


class Setup:
    """One job in the engine's hands, and a reporter for it."""

    def __init__(self, *, timeout: float = 10.0) -> None:
        self.engine = JobEngine()
        self.stats = WorkerStats()
        self.reporter = Reporter(self.engine, self.stats, back_off=QUICK)
        self.timeout = timedelta(seconds=timeout)

    async def context(self) -> JobContext:
        self.engine.add("t")
        (job,) = await self.engine.activate_jobs("t", worker="w", timeout=self.timeout, max_jobs=1, request_timeout=timedelta(seconds=1))
        return JobContext(job, gateway=self.engine, timeout=self.timeout)

    async def send(self, outcome: Outcome) -> Sent:
        variables: Mapping[str, Any] = {} if isinstance(outcome, Denied) else outcome.variables
        return await self.reporter.send(await self.context(), Report(outcome, variables))


async def test_each_outcome_is_its_own_command() -> None:
    setup = Setup()
    for outcome in (
        Completed({"a": 1}),
        Failed("oh", 2, timedelta(seconds=3), {"b": 2}),
        Bpmn("CODE", "text", {"c": 3}),
        Denied("no"),
        Completed(result=Corrected(assignee="ada", candidate_groups=[])),
    ):
        assert await setup.send(outcome) is Sent.TAKEN
    completed, failed, thrown, denied, corrected = setup.engine.ended
    assert (completed.call, completed.variables, completed.result) == ("complete", {"a": 1}, None)
    assert (failed.call, failed.retries, failed.message, failed.back_off, failed.variables) == (
        "fail",
        2,
        "oh",
        timedelta(seconds=3),
        {"b": 2},
    )
    assert (thrown.call, thrown.code, thrown.message, thrown.variables) == ("throw", "CODE", "text", {"c": 3})
    assert denied.result is not None
    assert (denied.result.type, denied.result.denied, denied.result.deniedReason) == ("userTask", True, "no")
    assert corrected.result is not None
    assert corrected.result.corrections.assignee == "ada"


def test_corrections_send_only_what_is_set_and_clear_what_is_empty() -> None:
    sent = corrections(
        Corrected(due_date=datetime(2026, 1, 2, tzinfo=UTC), follow_up_date="", candidate_users=["a"], candidate_groups=[], priority=0)
    )
    fields = {descriptor.name for descriptor, _ in sent.corrections.ListFields()}
    assert fields == {"dueDate", "followUpDate", "candidateUsers", "candidateGroups", "priority"}
    assert sent.corrections.dueDate == "2026-01-02T00:00:00+00:00"
    assert sent.corrections.followUpDate == ""
    assert list(sent.corrections.candidateUsers.values) == ["a"]
    assert not sent.corrections.HasField("assignee")


@pytest.mark.parametrize(
    "error", [BackPressure("busy"), EngineUnavailable("gone"), DeadlineExceeded("slow"), Unauthenticated("token"), EngineFailure("oh")]
)
async def test_what_may_pass_is_sent_again(error: Exception) -> None:
    setup = Setup()
    setup.engine.script("complete_job", *[error] * 4)  # pyright: ignore[reportArgumentType]
    assert await setup.send(Completed()) is Sent.TAKEN
    assert setup.engine.attempts == {"complete_job": 5}


async def test_a_completion_whose_answer_was_lost_is_resolved_and_never_failed() -> None:
    setup = Setup()
    setup.engine.script("complete_job", Lost(EngineUnavailable("reset")))
    assert await setup.send(Completed()) is Sent.ALREADY_RESOLVED
    assert [ended.call for ended in setup.engine.ended] == ["complete"]
    assert setup.engine.attempts == {"complete_job": 2}
    assert setup.stats.already_resolved == 1


@pytest.mark.parametrize("error", [NotFound("no such job"), InvalidState("it is in state FAILED")])
async def test_a_job_that_is_gone_is_counted_and_left_alone(error: NotFound | InvalidState) -> None:
    setup = Setup()
    setup.engine.script("complete_job", error)
    assert await setup.send(Completed()) is Sent.ALREADY_RESOLVED
    assert "fail_job" not in setup.engine.attempts


async def test_an_outcome_the_engine_will_never_take_becomes_an_incident() -> None:
    setup = Setup()
    setup.engine.script("complete_job", InvalidArgument("no such property"))
    assert await setup.send(Completed({"a": 1})) is Sent.REFUSED
    (ended,) = setup.engine.ended
    assert (ended.call, ended.retries, ended.message) == ("fail", 0, "the engine refused the outcome of this job: no such property")
    assert setup.stats.refused == 1


async def test_an_engine_that_always_fails_over_one_outcome_gets_an_incident_instead() -> None:
    setup = Setup()
    setup.engine.script("complete_job", *[EngineFailure("null pointer")] * 5)
    assert await setup.send(Completed()) is Sent.REFUSED
    assert setup.engine.ended[0].call == "fail"


async def test_it_gives_up_at_the_deadline_and_says_so() -> None:
    setup = Setup(timeout=0.05)
    setup.engine.script("complete_job", *[EngineUnavailable("gone")] * 1_000)
    assert await setup.send(Completed()) is Sent.UNREPORTED
    assert setup.stats.unreported == 1
    assert setup.engine.attempts["complete_job"] > 2


async def test_a_late_outcome_is_sent_once_all_the_same() -> None:
    setup = Setup(timeout=0.001)
    context = await setup.context()
    await asyncio.sleep(0.005)
    assert context.is_cancelled()
    assert await setup.reporter.send(context, Report(Completed(), {})) is Sent.TAKEN


async def test_a_failure_whose_answer_was_lost_is_not_repeated() -> None:
    setup = Setup()
    setup.engine.script("fail_job", DeadlineExceeded("slow"))
    assert await setup.send(Failed("oh", 1)) is Sent.UNREPORTED
    assert setup.engine.attempts == {"fail_job": 1}


async def test_cancelling_does_not_stop_a_report_until_the_reporter_is_closed() -> None:
    setup = Setup()
    setup.engine.script("complete_job", *[EngineUnavailable("gone")] * 3)
    sending = asyncio.create_task(setup.send(Completed()))
    for _ in range(4):
        await asyncio.sleep(0.001)
        sending.cancel()
    assert await sending is Sent.TAKEN
    assert [ended.call for ended in setup.engine.ended] == ["complete"]

    setup.engine.script("complete_job", *[EngineUnavailable("gone")] * 1_000)
    sending = asyncio.create_task(setup.send(Completed()))
    await asyncio.sleep(0.01)
    setup.reporter.close()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
