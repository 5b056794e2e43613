"""The rules of [duties] on Camunda's real engine, as listeners: whatever the way to a task, and whatever is lacking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.client import Resource
from camunda_workers.errors import BadResource, DeadlineExceeded, InvalidState
from camunda_workers.events import EventLog
from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.project import load_project
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks import Caller, DutyDenied, TaskStore, duties_router, open_desk, open_tasks
from camunda_workers.tasks.duties.history import LogHistory, LogIsBehind
from camunda_workers.tasks.duties.log_sink import LogFacts
from camunda_workers.tasks.duties.ready import diagram_problems, listener_problems
from camunda_workers.worker import Router, WorkerRunner, worker
from tests.support.diagrams import process, sequence, user_task
from tests.support.tasks_ground import DUTIES, ROOT, Ground, office, person

pytestmark = pytest.mark.engine

LISTENERS = (
    '<zeebe:taskListeners><zeebe:taskListener eventType="assigning" type="duties"/>'
    '<zeebe:taskListener eventType="completing" type="duties"/></zeebe:taskListeners>'
)


def guarded(element_id: str, group: str = "") -> str:
    candidates = f'<zeebe:assignmentDefinition candidateGroups="{group}"/>' if group else ""
    inside = f"<zeebe:userTask/>{candidates}{LISTENERS}"
    return f'<bpmn:userTask id="{element_id}"><bpmn:extensionElements>{inside}</bpmn:extensionElements></bpmn:userTask>'


PARALLEL = (
    '<bpmn:startEvent id="started"/><bpmn:parallelGateway id="fork"/><bpmn:parallelGateway id="join"/><bpmn:endEvent id="ended"/>'
    f"{guarded('left')}{guarded('right')}"
    + "".join(
        f'<bpmn:sequenceFlow id="{a}-{b}" sourceRef="{a}" targetRef="{b}"/>'
        for a, b in (("started", "fork"), ("fork", "left"), ("fork", "right"), ("left", "join"), ("right", "join"), ("join", "ended"))
    )
)
DIAGRAMS = [
    Resource("release.bpmn", process("money", sequence(guarded("release", "approvers")))),
    Resource("parallel.bpmn", process("parallel", PARALLEL)),
]
RULES = DutiesSection.model_validate(
    {
        "approvals": [
            {
                "name": "two release",
                "task": "release",
                "needed": 2,
                "agree_on": ["outcome"],
                "unless": {"outcome": ["reject"], "kind": ["internal"]},
                "up_to": {"amount": 100},
            }
        ],
        "limits": [{"name": "limit", "tasks": ["release"], "amount": "amount", "limits": {"approvers": 1000, "directors": float("inf")}}],
        "conflicts": [{"name": "own case", "tasks": ["release"], "subject": ["customer"]}],
        "separate": [{"name": "left and right", "process": "parallel", "tasks": ["left", "right"]}],
        "people": {
            "ada": {"groups": ["approvers"], "email": "ada@x.example"},
            "bob": {"groups": ["approvers"]},
            "cleo": {"groups": ["directors", "approvers"]},
        },
    }
)
YES: dict[str, Any] = {"outcome": "approve"}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with office(tmp_path, RULES, extra=DIAGRAMS) as running:
        yield running


async def started(ground: Ground, process_id: str = "money", **variables: Any) -> dict[str, int]:
    """Start a process; its open tasks, by element."""
    instance = await ground.client.start(process_id, {"amount": 500, "customer": "robin", **variables})
    await ground.engine.settle()
    found = await ground.client.search_user_tasks({"process_instance_key": instance.process_instance_key, "state": "CREATED"})
    return {task.element_id: task.key for task in found}


async def over_the_bare_api(ground: Ground, key: int, user: str, **variables: Any) -> None:
    """As Tasklist or a script would: assign and complete, without any help of ours."""
    await ground.client.assign_user_task(key, user)
    await ground.client.complete_user_task(key, variables or YES)


async def test_two_people_release_over_the_bare_api(ground: Ground) -> None:
    key = (await started(ground))["release"]
    for _ in range(2):
        with pytest.raises(InvalidState, match="your approval is recorded; 1 of 2 approvals: 1 more person has to approve"):
            await over_the_bare_api(ground, key, "ada")
    with pytest.raises(InvalidState, match="1 of 2 approvals"):
        await over_the_bare_api(ground, key, "bob", outcome="something else")
    await over_the_bare_api(ground, key, "bob")
    assert (await ground.client.get_user_task(key)).state == "COMPLETED"
    other = (await started(ground))["release"]
    await over_the_bare_api(ground, other, "ada", outcome="reject")


async def test_two_people_release_in_the_service(ground: Ground) -> None:
    key = (await started(ground))["release"]
    ada, bob = Caller("ada", frozenset({"approvers"})), Caller("bob", frozenset({"approvers"}))
    await ground.tasks.claim(ada, key)
    first = await ground.tasks.complete(ada, key, YES)
    assert (first.state, first.text.startswith("your approval is recorded; 1 of 2")) == ("approved", True)
    assert (await ground.client.get_user_task(key)).assignee is None
    await ground.tasks.claim(bob, key)
    assert (await ground.tasks.complete(bob, key, YES)).state == "completed"


async def test_limits_look_at_what_is_submitted_too(ground: Ground) -> None:
    key = (await started(ground))["release"]
    await ground.client.assign_user_task(key, "ada")
    with pytest.raises(InvalidState, match="ada may decide on up to 1,000, and this is 5,000"):
        await ground.client.complete_user_task(key, {**YES, "amount": 5000})
    high = (await started(ground, amount=5000))["release"]
    with pytest.raises(InvalidState, match="up to 1,000"):
        await ground.client.assign_user_task(high, "bob")
    with pytest.raises(InvalidState, match="not known in which groups stranger"):
        await ground.client.assign_user_task(high, "stranger")
    # What is said of somebody's groups explains as little as it allows; of whom nobody knows any, it is asked what if.
    said = frozenset({"directors", "approvers"})
    assert not (await ground.tasks.explain(None, high, "bob", groups=said))[0].allowed
    assert (await ground.tasks.explain(None, high, "stranger", groups=said))[0].allowed
    assert (await ground.tasks.explain(None, high, "cleo"))[0].allowed
    await ground.client.assign_user_task(high, "cleo")


async def test_nobody_makes_a_payment_small_by_completing_it(ground: Ground) -> None:
    key = (await started(ground, kind="private"))["release"]
    await ground.client.assign_user_task(key, "ada")
    for smuggled in ({"amount": 1}, {"kind": "internal"}, {"amount": 0, "kind": "internal"}):
        with pytest.raises(InvalidState, match="1 of 2 approvals"):
            await ground.client.complete_user_task(key, {**YES, **smuggled})
        counted = await ground.tasks.complete(Caller("ada", frozenset({"approvers"})), key, {**YES, **smuggled})
        assert counted.state == "approved"
        await ground.client.assign_user_task(key, "ada")
    small = (await started(ground, amount=90, kind="private"))["release"]
    await over_the_bare_api(ground, small, "ada", **YES, amount=80)


async def test_groups_that_somebody_only_says_change_no_rule(ground: Ground) -> None:
    key = (await started(ground))["release"]
    said = Caller("mallory", frozenset({"approvers", "directors"}), source="said")
    assert key in [task.key for task in await ground.tasks.list(said)]
    with pytest.raises(DutyDenied, match="not known in which groups mallory"):
        await ground.tasks.claim(said, key)
    with pytest.raises(InvalidState, match="not known in which groups mallory"):
        await ground.client.assign_user_task(key, "mallory")
    logged_in = Caller("nadia", frozenset({"approvers"}))
    await ground.tasks.claim(logged_in, key)


async def test_nobody_releases_to_themselves(ground: Ground) -> None:
    key = (await started(ground, customer={"email": "ADA@x.example"}))["release"]
    with pytest.raises(InvalidState, match="the case is about ada"):
        await ground.client.assign_user_task(key, "ada")
    with pytest.raises(InvalidState, match="'customer' is empty"):
        await ground.client.assign_user_task((await started(ground, customer=None))["release"], "bob")


async def test_one_person_does_not_get_both_of_two_tasks_at_once(ground: Ground) -> None:
    for _ in range(3):
        keys = await started(ground, "parallel")
        await asyncio.gather(*(ground.client.assign_user_task(key, "ada") for key in keys.values()))
        results = await asyncio.gather(*(ground.client.complete_user_task(key) for key in keys.values()), return_exceptions=True)
        denied = [one for one in results if isinstance(one, BaseException)]
        # The listeners run at the same moment; the engine does one after the other, and the log knows the order.
        assert len(denied) >= 1, results
        assert all("already completed" in str(one) for one in denied)


async def test_a_log_that_lags_is_a_no_and_not_a_guess(tmp_path: Path) -> None:
    async with office(tmp_path, listeners=False) as ground, EventLog.open(":memory:") as empty, TaskStore() as store:
        router = duties_router(DUTIES, lambda: open_desk(DUTIES, empty, store=store, patience=0.05))
        async with WorkerRunner(ground.client, [router]):
            claim_id = await ground.reported()
            task = await ground.task(claim_id, "assess-claim")
            with pytest.raises(InvalidState, match="the event log has not seen"):
                await ground.client.assign_user_task(task.key, "amelia")
        with pytest.raises(LogIsBehind):
            await LogHistory(empty, patience=0).of(1, business_id=None, task_key=1, fence=1)


async def test_a_task_that_nobody_had_keeps_everybody_apart_from_it(ground: Ground, tmp_path: Path) -> None:
    @worker("four-eyes")
    async def lets_everybody_pass() -> None:
        pass

    async with office(tmp_path / "claims", listeners=False) as claims, WorkerRunner(claims.client, [Router(lets_everybody_pass)]):
        claim_id = await claims.reported()
        task = await claims.task(claim_id, "assess-claim")
        await claims.client.complete_user_task(task.key, {"assessment": {"outcome": "approve", "amount": 20_000, "notes": "fine"}})
        approval = await claims.task(claim_id, "approve-payment")
        with pytest.raises(DutyDenied, match="not known who completed 'assess-claim'"):
            await claims.tasks.claim(person("dmitri"), approval.key)


async def test_readiness_says_when_no_listener_runs(tmp_path: Path) -> None:
    async with office(tmp_path, listeners=False) as ground:
        store, clock = ground.tasks.store, ground.engine.clock
        (problem,) = (await listener_problems(DUTIES, store, clock.now())).items()
        assert problem[0] == "duties listener 'four-eyes'"
        assert "no worker for this listener is running" in problem[1]
        assert await listener_problems(DutiesSection(), store, clock.now()) == {}
        router = duties_router(DUTIES, lambda: open_desk(DUTIES, ground.log, store=store, clock=clock), clock=clock)
        async with WorkerRunner(ground.client, [router]):
            assert await listener_problems(DUTIES, store, clock.now()) == {}
            assert len(await listener_problems(DUTIES, store, clock.now() + timedelta(minutes=1))) == 1
        assert len(await listener_problems(DUTIES, store, clock.now())) == 1


async def test_without_a_listener_nobody_gets_through(tmp_path: Path) -> None:
    async with office(tmp_path, listeners=False, patience=2.0) as ground:
        task = await ground.task(await ground.reported(), "assess-claim")
        with pytest.raises(DeadlineExceeded, match="does a worker for the task's listeners run"):
            await asyncio.wait_for(ground.tasks.claim(person("amelia"), task.key), 60)
        assert (await ground.client.get_user_task(task.key)).assignee is None
        assert list(await ground.tasks.problems()) == ["duties listener 'four-eyes'"]


def test_a_diagram_without_its_listeners_is_named() -> None:
    claims = (ROOT / "bpmn" / "claims" / "claims.bpmn").read_bytes()
    assert diagram_problems(DUTIES, claims, name="claims.bpmn") == []
    assert diagram_problems(load_project(ROOT).duties, claims, name="claims.bpmn") == []
    paying = {"listeners": ["four-eyes"], "separate": [{"name": "approve and pay", "tasks": ["approve-payment", "pay-by-hand"]}]}
    (problem,) = diagram_problems(DutiesSection.model_validate(paying), claims, name="claims.bpmn")
    assert "task 'pay-by-hand': rule 'approve and pay'" in problem
    half = process("money", sequence(user_task("release", listener=("completing", "duties"))))
    (problem,) = diagram_problems(RULES, half, name="half.bpmn")
    assert "has no assigning listener of type 'duties'" in problem
    with pytest.raises(BadResource):
        diagram_problems(RULES, b"<!DOCTYPE x><x/>", name="x.bpmn")


async def test_decisions_go_into_the_event_log_with_their_reasons(ground: Ground) -> None:
    key = (await started(ground))["release"]
    async with open_tasks(
        ground.client,
        ground.log,
        RULES,
        store=ground.tasks.store,
        sink=LogFacts(ground.log),
        clock=ground.engine.clock,
        catch_up=ground.engine.read_model,
    ) as tasks:
        with pytest.raises(DutyDenied, match="not known in which groups eve"):
            await tasks.assign(Caller("ada", frozenset({"approvers"})), key, "eve")
        await tasks.claim(Caller("bob", frozenset({"approvers"})), key)
    facts = [record async for record in ground.log.records(partition=FACTS_PARTITION, value_types={"POLICY_DECISION"})]
    assert [(fact.key, fact.value["allowed"]) for fact in facts] == [(key, False), (key, True)]
    denied = facts[0].value
    assert [(one["rule"], one["allowed"]) for one in denied["rules"]] == [("own case", True), ("limit", False)]
    assert denied["content"]["user"] == "eve"
    assert "eve" not in str({name: value for name, value in denied.items() if name != "content"})


async def test_a_called_process_belongs_to_the_case_of_its_caller(tmp_path: Path) -> None:
    call = '<bpmn:callActivity id="call"><bpmn:extensionElements><zeebe:calledElement processId="inner"/></bpmn:extensionElements></bpmn:callActivity>'
    rules = DutiesSection.model_validate({"separate": [{"name": "apart", "tasks": ["outer-task", "inner-task"]}]})
    resources = [
        Resource("outer.bpmn", process("outer", sequence(guarded("outer-task"), call))),
        Resource("inner.bpmn", process("inner", sequence(guarded("inner-task")))),
    ]
    for business_id in (None, "CASE-1"):
        async with office(tmp_path, rules, extra=resources) as ground:
            instance = await ground.client.start("outer", {}, business_id=business_id)
            await ground.engine.settle()
            (outer,) = await ground.client.search_user_tasks({"process_instance_key": instance.process_instance_key})
            await ground.client.assign_user_task(outer.key, "ada")
            await ground.client.complete_user_task(outer.key)
            await ground.engine.settle()
            (inner,) = await ground.client.search_user_tasks({"element_id": "inner-task"})
            with pytest.raises(InvalidState, match="ada already completed 'outer-task'"):
                await ground.client.assign_user_task(inner.key, "ada")
            await ground.client.assign_user_task(inner.key, "bob")
