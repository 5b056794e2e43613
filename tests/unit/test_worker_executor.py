"""From a job to its outcome: binding, returning, raising, and everything a function can do wrong."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, field_validator

from camunda_workers import (
    BpmnError,
    CallNext,
    Completed,
    Corrected,
    Denied,
    Deny,
    Failed,
    Header,
    JobContext,
    JobFailed,
    JobKind,
    ListenerEvent,
    Outcome,
    RetryPolicy,
    Variable,
    Worker,
    current_job,
    worker,
)
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.worker.executor import Executor, Report
from camunda_workers.worker.outcome import Bpmn
from tests.support.job_gateway import JobEngine

Job = pb.ActivatedJob


class Vehicle(BaseModel):
    year: int


class Claim(BaseModel):
    claim_id: str = Field(alias="claimId")
    amount: float
    incident_date: date | None = None
    vehicle: Vehicle | None = None


class NoCover(BpmnError):
    code = "NO_COVER"


class Undeclared(BpmnError):
    code = "UNDECLARED"


async def run(one: Worker[Any, Any], variables: str = "{}", *, headers: str = "{}", **fields: Any) -> Report:
    fields.setdefault("retries", 3)
    job = Job(key=7, type=one.definition.job_type, elementId="the-element", variables=variables, customHeaders=headers, **fields)
    context = JobContext(job, gateway=JobEngine(), timeout=timedelta(seconds=30))
    return await Executor(one.definition, resources={}).run(context)


def failure(report: Report) -> Failed:
    assert isinstance(report.outcome, Failed), report.outcome
    return report.outcome


async def test_variables_are_validated_and_the_return_becomes_variables() -> None:
    @worker("check")
    async def check(
        claim: Claim, number: Annotated[int, Variable("policyNumber")], limit: Annotated[int, Header("limit")] = 5
    ) -> dict[str, Any]:
        return {"claim": claim, "sum": number + limit}

    text = '{"claim": {"claimId": "C1", "amount": "12.5", "incident_date": "2026-01-02"}, "policyNumber": 3, "other": 1}'
    report = await run(check, text, headers='{"limit": "4"}')
    assert report.outcome == Completed(report.variables) or isinstance(report.outcome, Completed)
    assert report.variables == {"claim": {"claimId": "C1", "amount": 12.5, "incident_date": "2026-01-02", "vehicle": None}, "sum": 7}
    assert (await run(check, text)).variables["sum"] == 8


async def test_defaults_are_the_functions_own_and_the_rest_is_what_no_parameter_takes() -> None:
    @worker("rest")
    async def rest(a: int = 10, b: Annotated[int, Variable("bee")] = 20, **more: Any) -> dict[str, Any]:
        return {"a": a, "b": b, "more": more}

    assert (await run(rest, '{"x": [1], "a": 1}')).variables == {"a": 1, "b": 20, "more": {"x": [1]}}
    assert (await run(rest, '{"bee": 2, "b": 3}')).variables == {"a": 10, "b": 2, "more": {}}
    assert (await run(rest, "")).variables == {"a": 10, "b": 20, "more": {}}


@dataclass
class Found:
    when: datetime
    amount: Decimal


@pytest.mark.parametrize(
    ("value", "variables"),
    [
        (None, {}),
        ({}, {}),
        (Found(datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.5")), {"when": "2026-01-02T00:00:00+00:00", "amount": 1.5}),
        (Vehicle(year=2001), {"year": 2001}),
        (Completed({"a": Vehicle(year=1)}), {"a": {"year": 1}}),
    ],
)
async def test_what_may_be_returned(value: Any, variables: dict[str, Any]) -> None:
    @worker("any")
    async def function() -> Any:
        return value

    report = await run(function)
    assert isinstance(report.outcome, Completed)
    assert report.variables == variables


async def test_a_named_result_nests_and_keeps_null() -> None:
    @worker("named", result="vehicle")
    async def named(year: int | None = None) -> Vehicle | None:
        return None if year is None else Vehicle(year=year)

    assert (await run(named, '{"year": 3}')).variables == {"vehicle": {"year": 3}}
    assert (await run(named)).variables == {"vehicle": None}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ("{}", r"variable 'claim': Field required\. Fix: set the variable before this task, or give parameter 'claim' a default"),
        ('{"claim": {"claimId": "x"}}', r"variable 'claim\.amount': Field required\. Fix: deliver the field"),
        ('{"claim": {"claimId": "x", "amount": "much"}}', r"variable 'claim\.amount': .*valid number.*Fix: correct the value"),
        ('{"claim": {"claimId": "x", "amount": 1, "vehicle": {"year": []}}}', r"variable 'claim\.vehicle\.year'"),
        ('{"claim": {"claimId": "x", "amount": NaN}}', "variables are not valid JSON"),
        ('{"claim": {"claimId": "x", "amount": 1}, "z": -Infinity}', "variables are not valid JSON"),
        ('{"claim": ' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}", "recursion limit"),
        ('{"claim": "\\ud800"}', "not a valid JSON object"),
        ("[]", "not a valid JSON object"),
        ("no json", "not a valid JSON object"),
    ],
)
async def test_wrong_variables_are_an_incident_that_names_the_field_and_the_fix(variables: str, says: str) -> None:
    @worker("check-policy")
    async def check_policy(claim: Claim) -> None:
        raise AssertionError("the function must not run")

    outcome = failure(await run(check_policy, variables))
    assert outcome.retries == 0
    assert "job type 'check-policy' at element 'the-element'" in outcome.message
    assert len(outcome.message) < 1_000
    assert re.search(says, outcome.message), outcome.message


async def test_words_that_look_like_nan_are_only_words() -> None:
    @worker("nan")
    async def nan(name: str) -> dict[str, str]:
        return {"name": name}

    assert (await run(nan, '{"name": "NaN Infinity"}')).variables == {"name": "NaN Infinity"}


async def test_a_validator_that_breaks_is_an_incident() -> None:
    class Broken(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def check(cls, value: int) -> int:
            return 1 // 0

    @worker("broken")
    async def broken(model: Broken) -> None: ...

    assert "ZeroDivisionError" in failure(await run(broken, '{"model": {"a": 1}}')).message


async def test_a_missing_header_names_the_header() -> None:
    @worker("header")
    async def header(channel: Annotated[str, Header("channel")]) -> None: ...

    assert "header 'channel': Field required. Fix: add the header to the task" in failure(await run(header)).message


class Opaque:
    pass


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def deep() -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(10_000):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: {"policy": {"list": [1, Opaque()]}}, "variables.policy.list[1]"),
        (lambda: {"policy": {"score": math.nan}}, "variables.policy.score"),
        (lambda: {"a": math.inf}, "variables.a"),
        (lambda: {"a": b"\xff"}, "variables.a"),
        (lambda: {"a": "\ud800"}, "variables.a"),
        (lambda: {1: "a"}, "names in variables must be text"),
        (circle, "variables.self"),
        (deep, "nested deeper"),
        (lambda: {"a": "x" * 5_000_000}, "the engine takes"),
        (lambda: [1], "the function returned list"),
        (lambda: 1, "the function returned int"),
    ],
)
async def test_a_result_that_cannot_be_sent_is_an_incident_that_names_the_place(make: Callable[[], Any], says: str) -> None:
    @worker("give")
    async def give() -> Any:
        return make()

    outcome = failure(await run(give))
    assert outcome.retries == 0
    assert "job type 'give' at element 'the-element'" in outcome.message
    assert says in outcome.message
    assert len(outcome.message) < 1_000


async def test_exceptions_take_one_retry_and_follow_the_policy() -> None:
    policy = RetryPolicy(back_off=timedelta(seconds=10), spread=0.0, final=(KeyError,))

    @worker("fail", retries=policy)
    async def fail(kind: str) -> None:
        raise {"value": ValueError("bad"), "key": KeyError("gone")}[kind]

    assert failure(await run(fail, '{"kind": "value"}')) == Failed("ValueError: bad", 2, timedelta(seconds=10))
    assert failure(await run(fail, '{"kind": "value"}', retries=2)) == Failed("ValueError: bad", 1, timedelta(seconds=20))
    assert failure(await run(fail, '{"kind": "value"}', retries=1)) == Failed("ValueError: bad", 0, timedelta(0))
    assert failure(await run(fail, '{"kind": "value"}', retries=0)).retries == 0
    assert failure(await run(fail, '{"kind": "key"}')).retries == 0
    assert isinstance(failure(await run(fail, '{"kind": "key"}')).cause, KeyError)


async def test_job_failed_says_what_comes_next() -> None:
    @worker("fail", retries=RetryPolicy(spread=0.0))
    async def fail(retries: int | None = None, seconds: int | None = None) -> None:
        raise JobFailed("no luck", retries=retries, back_off=None if seconds is None else timedelta(seconds=seconds), variables={"seen": 1})

    assert failure(await run(fail)) == Failed("no luck", 2, timedelta(seconds=1), {"seen": 1})
    assert failure(await run(fail, '{"retries": 5, "seconds": 7}')) == Failed("no luck", 5, timedelta(seconds=7), {"seen": 1})
    assert failure(await run(fail, '{"retries": 0, "seconds": 7}')) == Failed("no luck", 0, timedelta(0), {"seen": 1})


async def test_the_variables_of_a_failure_may_be_lost_but_not_the_failure() -> None:
    @worker("fail")
    async def fail() -> None:
        raise JobFailed("no luck", retries=1, variables={"bad": Opaque()})

    report = await run(fail)
    assert failure(report).message.startswith("no luck (and its variables were left out")
    assert report.variables == {}


async def test_declared_bpmn_errors_are_thrown_and_others_are_incidents_that_name_both() -> None:
    @worker("cover", errors=[NoCover])
    async def cover(kind: str) -> Outcome:
        if kind == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(_raise(NoCover("in a group")))
        if kind == "returned":
            return Bpmn("OTHER")
        raise {"declared": NoCover("none", variables={"policy": None}), "not": Undeclared("oh")}[kind]

    assert (await run(cover, '{"kind": "declared"}')).outcome == Bpmn("NO_COVER", "none", {"policy": None})
    assert (await run(cover, '{"kind": "group"}')).outcome == Bpmn("NO_COVER", "in a group")
    for kind, code in (("not", "UNDECLARED"), ("returned", "OTHER")):
        outcome = failure(await run(cover, f'{{"kind": "{kind}"}}'))
        assert outcome.retries == 0
        assert f"BPMN error '{code}'" in outcome.message
        assert "'NO_COVER'" in outcome.message


async def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), ExceptionGroup("g", [OSError("x")])]
)
async def test_no_exception_of_a_function_gets_out(error: BaseException) -> None:
    @worker("base")
    async def loop() -> None:
        raise error

    @worker("base")
    def thread() -> None:
        raise error

    for one in (loop, thread):
        assert failure(await run(one)).retries == 2


async def test_a_function_that_cancels_itself_fails_and_does_no_more() -> None:
    @worker("suicide")
    async def suicide(wait: bool) -> dict[str, int]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if wait:
            await asyncio.sleep(1)
        return {"a": 1}

    assert "cancelled itself" in failure(await run(suicide, '{"wait": true}')).message
    assert (await run(suicide, '{"wait": false}')).variables == {"a": 1}
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0)


async def test_a_text_of_any_kind_becomes_a_message_that_can_be_sent() -> None:
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise ValueError

    @worker("text")
    async def text(kind: str) -> None:
        raise {"long": ValueError("x" * 50_000), "half": ValueError("half \ud800"), "unreadable": Unreadable()}[kind]

    assert len(failure(await run(text, '{"kind": "long"}')).message) < 11_000
    failure(await run(text, '{"kind": "half"}')).message.encode()
    assert "cannot be read" in failure(await run(text, '{"kind": "unreadable"}')).message


async def test_plain_functions_run_in_a_thread_and_know_their_job() -> None:
    @worker("plain")
    def plain(job: JobContext) -> dict[str, Any]:
        return {"same": current_job() is job, "thread": threading.current_thread() is not threading.main_thread()}

    assert (await run(plain)).variables == {"same": True, "thread": True}
    with pytest.raises(CamundaWorkersError, match="where no job is running"):
        current_job()


def listener(event: str, kind: str = "TASK_LISTENER") -> dict[str, Any]:
    return {"kind": Job.JobKind.Value(kind), "listenerEventType": Job.ListenerEventType.Value(event)}


async def test_a_task_listener_denies_and_corrects() -> None:
    @worker("four-eyes")
    async def four_eyes(job: JobContext, how: str) -> Corrected | Denied | None:
        assert job.kind is JobKind.TASK_LISTENER
        assert job.listener_event is ListenerEvent.COMPLETING
        assert job.user_task is not None
        assert job.user_task.assignee == "ada"
        if how == "raise":
            raise Deny("not you")
        return {"return": Denied("nor you"), "correct": Corrected(assignee="", priority=0), "keep": None}[how]

    job: dict[str, Any] = listener("COMPLETING") | {"userTask": pb.UserTaskProperties(assignee="ada", candidateGroups=["a"])}
    assert (await run(four_eyes, '{"how": "raise"}', **job)).outcome == Denied("not you")
    assert (await run(four_eyes, '{"how": "return"}', **job)).outcome == Denied("nor you")
    assert (await run(four_eyes, '{"how": "correct"}', **job)).outcome == Completed(result=Corrected(assignee="", priority=0))
    assert (await run(four_eyes, '{"how": "keep"}', **job)).outcome == Completed()


@pytest.mark.parametrize(
    ("value", "fields", "says"),
    [
        ({"a": 1}, listener("COMPLETING"), "a task listener cannot set variables, but it returned 'a'"),
        (Denied("no"), listener("CREATING"), "only assigning, updating and completing can be denied"),
        (Denied("no"), {}, "only a user task listener can deny"),
        (Denied("no"), listener("START", "EXECUTION_LISTENER"), "only a user task listener can deny"),
        (Corrected(assignee="a"), {}, "only a user task listener can correct"),
        (Bpmn("NO_COVER"), listener("START", "EXECUTION_LISTENER"), "a listener cannot throw a BPMN error"),
    ],
)
async def test_outcomes_the_engine_would_refuse_are_incidents(value: Any, fields: dict[str, Any], says: str) -> None:
    @worker("listen", errors=[NoCover])
    async def listen() -> Any:
        return value

    outcome = failure(await run(listen, **fields))
    assert says in outcome.message
    assert outcome.retries == 0


def test_corrections_are_checked_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="0 to 100"):
        Corrected(priority=101)
    with pytest.raises(ValueError, match="due_date has no time zone"):
        Corrected(due_date=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_middleware_surrounds_the_function_outermost_first() -> None:
    seen: list[str] = []

    async def outer(call_next: CallNext, context: JobContext) -> Outcome:
        seen.append("outer in")
        outcome = await call_next(context)
        seen.append(f"outer out {type(outcome).__name__}")
        return Completed({"replaced": True})

    async def inner(call_next: CallNext, context: JobContext) -> Outcome:
        seen.append("inner")
        return await call_next(context)

    async def broken(call_next: CallNext, context: JobContext) -> Outcome:
        raise OSError("middleware")

    @worker("m")
    async def m() -> None:
        raise ValueError("oh")

    context = JobContext(Job(retries=3), gateway=JobEngine(), timeout=timedelta(seconds=1))
    report = await Executor(m.definition, resources={}, middleware=[outer, inner]).run(context)
    assert report.variables == {"replaced": True}
    assert seen == ["outer in", "inner", "outer out Failed"]
    assert failure(await Executor(m.definition, resources={}, middleware=[broken]).run(context)).message == "OSError: middleware"


async def test_the_context_tells_about_the_job() -> None:
    engine = JobEngine()
    job = Job(
        key=1,
        type="t",
        tags=["x", "businessId:CLM-1"],
        variables='{"a": 1}',
        customHeaders='{"h": "1"}',
        deadline=1_700_000_000_000,
        kind=99,  # pyright: ignore[reportArgumentType]
        bpmnProcessId="p",
        processInstanceKey=2,
    )
    context = JobContext(job, gateway=engine, timeout=timedelta(seconds=30))
    assert (context.business_id, context.tags, context.variables, context.headers) == (
        "CLM-1",
        ("x", "businessId:CLM-1"),
        {"a": 1},
        {"h": "1"},
    )
    assert context.kind is JobKind.UNKNOWN
    assert context.listener_event is None
    assert context.user_task is None
    assert context.deadline == datetime.fromtimestamp(1_700_000_000, UTC)
    assert context.log_keys()["business_id"] == "CLM-1"
    assert not context.is_cancelled()
    assert 29 < context.remaining() <= 30
    await context.extend(timedelta(minutes=5))
    assert engine.extended == [(1, timedelta(minutes=5))]
    assert context.remaining() > 290
    engine.script("update_job_timeout", NotFound("gone"))
    with pytest.raises(NotFound):
        await context.extend(timedelta(minutes=5))
    assert context.is_cancelled()


def test_the_retry_policy_is_a_pure_decision() -> None:
    policy = RetryPolicy(back_off=timedelta(seconds=1), factor=3, longest=timedelta(seconds=20), spread=0.5, retries=5)
    waits = [policy.decide(ValueError(), retries=left, chance=0.0).back_off.total_seconds() for left in (5, 4, 3, 2, 1)]
    assert waits == [1, 3, 9, 20, 0]
    assert policy.wait(1, chance=1.0) == timedelta(seconds=0.5)
    assert policy.wait(10_000, chance=0.0) == timedelta(seconds=20)
    assert RetryPolicy(back_off=lambda attempt: timedelta(minutes=attempt), spread=0).wait(2, chance=0.5) == timedelta(minutes=2)
