"""The listener: what it asks, on engines that say much and on engines that say little."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camunda_workers import Corrected, Deny, JobContext
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks import DutyDesk, TaskStore
from camunda_workers.tasks.duties import Deed
from camunda_workers.tasks.duties.desk import Asked
from camunda_workers.tasks.duties.history import CaseHistory, LogIsBehind
from camunda_workers.tasks.duties.listener import apply, variables_of

RULES = DutiesSection.model_validate(
    {
        "separate": [{"name": "apart", "tasks": ["assess", "approve"]}],
        "limits": [
            {"name": "l", "tasks": ["other"], "amount": "decision.amount", "limits": {"g": 1}, "unless": {"approval.outcome": "no"}}
        ],
        "conflicts": [{"name": "c", "tasks": ["other"], "subject": ["claim.claimant.email"]}],
    }
)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS: Any = pb.ActivatedJob.ListenerEventType


class NoGateway:
    async def update_job_timeout(self, job_key: int, timeout: timedelta) -> None:
        raise AssertionError("not expected here")


class Known:
    """A case in which grace has assessed; notes what it is asked."""

    def __init__(self) -> None:
        self.fences: list[int | None] = []
        self.behind = False

    async def of(self, process_instance_key: int, *, business_id: str | None, task_key: int, fence: int | None = None) -> CaseHistory:
        self.fences.append(fence)
        if self.behind:
            raise LogIsBehind("the event log has not seen it")
        return CaseHistory((process_instance_key,), (Deed("claim", "assess", 1, ("grace",)),))


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.fixture
async def store() -> AsyncIterator[TaskStore]:
    async with TaskStore() as opened:
        yield opened


def job(event: Any, assignee: str | None, *, old: bool = False, action: str = "assign") -> JobContext:
    headers: dict[str, str] = {}
    task: pb.UserTaskProperties | None = None
    if old:
        headers = {"io.camunda.zeebe:userTaskKey": "10", "io.camunda.zeebe:action": action, "io.camunda.zeebe:candidateGroups": '["g"]'}
        headers |= {"io.camunda.zeebe:assignee": assignee} if assignee else {}
    else:
        task = pb.UserTaskProperties(userTaskKey=10, assignee=assignee, action=action)
    activated = pb.ActivatedJob(
        key=99,
        processInstanceKey=11,
        bpmnProcessId="claim",
        elementId="approve",
        kind=pb.ActivatedJob.JobKind.TASK_LISTENER,
        listenerEventType=event,
        customHeaders=json.dumps(headers),
        userTask=task,
    )
    return JobContext(activated, gateway=NoGateway(), timeout=timedelta(minutes=1))


@pytest.mark.parametrize("old", [False, True])
async def test_it_asks_with_its_own_job_as_the_fence(store: TaskStore, old: bool) -> None:
    history = Known()
    desk = DutyDesk(RULES, history, store, clock=Clock())
    for event in (EVENTS.ASSIGNING, EVENTS.COMPLETING):
        assert await apply(desk, job(event, "bob", old=old)) is None
        with pytest.raises(Deny, match="Grace already completed 'assess'"):
            await apply(desk, job(event, "Grace", old=old))
    assert history.fences == [99] * 4
    assert [fact.data["allowed"] for fact in await store.ledger.facts(10)] == [True, False, True, False]


async def test_giving_back_and_changing_are_nobodys_duty_and_the_unknown_is_strict(store: TaskStore) -> None:
    history = Known()
    desk = DutyDesk(RULES, history, store, clock=Clock())
    for harmless in (EVENTS.CREATING, EVENTS.UPDATING, EVENTS.CANCELING):
        assert await apply(desk, job(harmless, "grace")) is None
    assert await apply(desk, job(EVENTS.ASSIGNING, None)) is None
    assert history.fences == []
    with pytest.raises(Deny, match="somebody has to have the task"):
        await apply(desk, job(EVENTS.COMPLETING, None))
    for newer in (77, EVENTS.UNSPECIFIED):
        with pytest.raises(Deny, match="grace already completed"):
            await apply(desk, job(newer, "grace"))


async def test_what_cannot_be_known_is_a_no(store: TaskStore) -> None:
    history = Known()
    history.behind = True
    with pytest.raises(Deny, match="has not seen it; try again"):
        await apply(DutyDesk(RULES, history, store, clock=Clock()), job(EVENTS.COMPLETING, "bob"))
    nameless = JobContext(
        pb.ActivatedJob(key=1, kind=pb.ActivatedJob.JobKind.TASK_LISTENER, listenerEventType=EVENTS.COMPLETING),
        gateway=NoGateway(),
        timeout=timedelta(minutes=1),
    )
    with pytest.raises(Deny, match="does not say which task"):
        await apply(DutyDesk(RULES, history, store), nameless)


async def test_who_is_away_is_substituted_for_but_not_when_they_take_a_task_themselves(store: TaskStore) -> None:
    desk = DutyDesk(RULES, Known(), store, clock=Clock())
    day = timedelta(days=1)
    for person, substitute in (("bob", "cleo"), ("cleo", "dora"), ("dora", "eve"), ("x", "y"), ("y", "x"), ("frank", "grace")):
        await store.delegations.add_absence(person, substitute, NOW - day, NOW + day, note="", entered_by="lea")
    assert await apply(desk, job(EVENTS.ASSIGNING, "bob")) == Corrected(assignee="eve")
    assert (await store.delegations.of([10]))[0].owner == "bob"
    assert await apply(desk, job(EVENTS.ASSIGNING, "Bob", action="claim")) is None
    assert await apply(desk, job(EVENTS.ASSIGNING, "x")) is None, "everybody in the circle is away"
    with pytest.raises(Deny, match="grace already completed"):
        await apply(desk, job(EVENTS.ASSIGNING, "frank"))


async def test_the_groups_of_a_login_count_for_the_listener_for_a_while(store: TaskStore) -> None:
    clock = Clock()
    desk = DutyDesk(DutiesSection(candidates_only=True), Known(), store, clock=clock)
    with pytest.raises(Deny, match="not known in which groups bob is"):
        await apply(desk, job(EVENTS.ASSIGNING, "bob", old=True))
    login = Asked("assign", "bob", "claim", "approve", 10, 11, candidate_groups=("g",), groups=frozenset({"g"}))
    assert (await desk.decide(login)).allowed
    assert await apply(desk, job(EVENTS.COMPLETING, "Bob", old=True)) is None
    await desk.decide(replace(login, groups=frozenset({"h"})))
    with pytest.raises(Deny, match="the task is for g"):
        await apply(desk, job(EVENTS.COMPLETING, "bob", old=True))
    clock.time += timedelta(hours=13)
    with pytest.raises(Deny, match="not known in which groups"):
        await apply(desk, job(EVENTS.COMPLETING, "bob", old=True))


def test_only_variables_that_rules_look_at_are_fetched() -> None:
    assert variables_of(RULES) == ["approval", "claim", "decision"]
