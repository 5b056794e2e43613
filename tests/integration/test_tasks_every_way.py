"""No path of actions lets one person both assess and approve: people do whatever comes to mind, by every way there is, on the real engine."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.client import Resource, UserTask
from camunda_workers.errors import EngineError
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties import People
from camunda_workers.tasks.duties.history import LogHistory
from tests.support.diagrams import process, sequence
from tests.support.tasks_ground import DUTIES, Ground, office, person

pytestmark = pytest.mark.engine

LISTENERS = (
    '<zeebe:taskListeners><zeebe:taskListener eventType="assigning" type="four-eyes"/>'
    '<zeebe:taskListener eventType="completing" type="four-eyes"/></zeebe:taskListeners>'
)
ACCOUNTS = ("grace", "grace.admin", "Grace", "amelia", "dmitri", "lea")
CASES, STEPS = 6, 26


def step(element_id: str, assignee: str = "") -> str:
    given = f'<zeebe:assignmentDefinition assignee="{assignee}"/>' if assignee else ""
    inside = f"<bpmn:extensionElements><zeebe:userTask/>{given}{LISTENERS}</bpmn:extensionElements>"
    return f'<bpmn:userTask id="{element_id}">{inside}</bpmn:userTask>'


LOOP = process("case", sequence(step("assess-claim"), step("approve-payment"), step("assess-claim-again"), step("approve-payment-again")))
PRESET = process("preset", sequence(step("assess-claim"), step("approve-payment", "=who")))
RULES = DutiesSection.model_validate(
    {
        **DUTIES.model_dump(exclude={"separate"}),
        "separate": [
            {"name": f"{a} and {b}", "tasks": [a, b]}
            for a in ("assess-claim", "assess-claim-again")
            for b in ("approve-payment", "approve-payment-again")
        ],
    }
)


async def one_step(ground: Ground, chance: random.Random, task: UserTask) -> str:
    """Somebody does something with a task, through the service or past it; what became of it."""
    client, tasks, who, other = ground.client, ground.tasks, chance.choice(ACCOUNTS), chance.choice(ACCOUNTS)
    now = ground.engine.now()
    ways: dict[str, Any] = {
        "claims": lambda: tasks.claim(person(who), task.key),
        "gives": lambda: tasks.assign(person(who), task.key, other, seen=task.assignee),
        "delegates": lambda: tasks.delegate(person(who), task.key, other),
        "hands back": lambda: tasks.resolve(person(who), task.key),
        "unclaims": lambda: tasks.unclaim(person(who), task.key),
        "takes over": lambda: tasks.take_over(person(who), task.key),
        "completes": lambda: tasks.complete(person(who), task.key, {}),
        "is away": lambda: tasks.absent(
            person(who), who, other, now - timedelta(minutes=1), now + timedelta(seconds=chance.randrange(1, 60))
        ),
        "assigns past the service": lambda: client.assign_user_task(task.key, other),
        "completes past the service": lambda: client.complete_user_task(task.key, {}),
    }
    often = ["claims", "completes", "assigns past the service", "completes past the service"]
    way = chance.choice([*ways, *often, *often])
    try:
        await ways[way]()
    except EngineError as refusal:
        return f"{who} {way} ({other}): no, {refusal}"
    return f"{who} {way} ({other})"


@pytest.mark.parametrize("seed", [2, 5])
async def test_whatever_people_do_nobody_does_both(tmp_path: Path, seed: int) -> None:
    chance, people = random.Random(seed), People(RULES)
    completed = refused = 0
    async with office(tmp_path, RULES, extra=[Resource("case.bpmn", LOOP)]) as ground:
        for _ in range(CASES):
            instance = (await ground.client.start("case", {})).process_instance_key
            story: list[str] = []
            for _ in range(STEPS):
                await ground.engine.settle()
                open_ones = await ground.client.search_user_tasks({"process_instance_key": instance, "state": "CREATED"})
                if not open_ones:
                    break
                story.append(await one_step(ground, chance, open_ones[0]))
                await ground.engine.advance(timedelta(seconds=5))
            await ground.engine.read_model()
            history = await LogHistory(ground.log).of(instance, business_id=None, task_key=0)
            partners = {one.task_key: one for one in await ground.tasks.store.delegations.of([deed.task_key for deed in history.deeds])}
            did: dict[str, set[str]] = {"assess": set(), "approve": set()}
            for deed in history.deeds:
                out = partners.get(deed.task_key)
                everybody = (*deed.people, *((out.owner, out.delegate) if out is not None else ()))
                did[deed.element_id.partition("-")[0]] |= {people.one(name) for name in everybody}
            assert not did["assess"] & did["approve"], "\n".join(story)
            completed += len(history.deeds)
            refused += sum("): no, " in line for line in story)
    # Otherwise nothing was tried.
    assert completed >= CASES
    assert refused >= CASES


async def test_an_assignee_that_the_diagram_names_is_asked_about_too(tmp_path: Path) -> None:
    async with office(tmp_path, RULES, extra=[Resource("preset.bpmn", PRESET)]) as ground:
        instance = (await ground.client.start("preset", {"who": "grace"})).process_instance_key
        await ground.engine.settle()
        (first,) = await ground.client.search_user_tasks({"process_instance_key": instance})
        await ground.client.assign_user_task(first.key, "grace.admin")
        await ground.client.complete_user_task(first.key)
        await ground.engine.settle()
        found = await ground.client.search_user_tasks({"process_instance_key": instance, "element_id": "approve-payment"})
        for task in found:
            with pytest.raises(EngineError):
                await ground.client.complete_user_task(task.key)
            assert (await ground.client.get_user_task(task.key)).state != "COMPLETED"
