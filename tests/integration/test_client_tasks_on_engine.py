"""The client's user-task commands and searches on Camunda's real engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from camunda_workers.client import Client, Form, Incident, ProcessInstanceItem, Resource, UserTask, UserTaskFilter, VariableItem
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import InvalidArgument, InvalidState, NotFound
from tests.support.diagrams import ONE_TASK, process, sequence, user_task
from tests.support.resources import form

pytestmark = pytest.mark.engine

WITH_FORM = (
    '<bpmn:userTask id="ask" name="Ask"><bpmn:extensionElements><zeebe:userTask/><zeebe:formDefinition formId="ask"/>'
    '<zeebe:taskHeaders><zeebe:header key="colour" value="red"/></zeebe:taskHeaders></bpmn:extensionElements></bpmn:userTask>'
)
APPROVAL = process("approval", sequence(user_task("approve", group="approvers")))
LISTENED = process("listened", sequence(user_task("approve", listener=("completing", "check"))))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with EmbeddedEngine(rest_port=0) as engine, Client(engine.grpc_address, engine.rest_address) as opened:
        diagrams = {"approval": APPROVAL, "asking": process("asking", sequence(WITH_FORM)), "listened": LISTENED, "one-task": ONE_TASK}
        await opened.deploy(*(Resource(f"{name}.bpmn", content) for name, content in diagrams.items()), Resource("ask.form", form("ask")))
        yield opened


async def task_of(client: Client, process_id: str = "approval", **variables: object) -> UserTask:
    instance = await client.start(process_id, variables, business_id="CLM-1")
    async with asyncio.timeout(5):
        while not (found := await client.search_user_tasks({"process_instance_key": instance.process_instance_key, "state": "CREATED"})):
            await asyncio.sleep(0.002)
    return found[0]


async def test_a_task_tells_everything_about_itself(client: Client) -> None:
    before = datetime.now(UTC)
    task = await task_of(client, "asking")
    assert task == await client.get_user_task(task.key)
    assert (task.name, task.element_id, task.state, task.assignee, task.priority) == ("Ask", "ask", "CREATED", None, 50)
    assert (task.process_definition_id, task.process_definition_version, task.tenant_id) == ("asking", 1, "<default>")
    assert (task.custom_headers, task.tags) == ({"colour": "red"}, ["businessId:CLM-1"])
    assert task.creation_date is not None
    assert timedelta(0) <= task.creation_date - before.replace(microsecond=0) < timedelta(minutes=1)
    assert (task.completion_date, task.due_date) == (None, None)
    with pytest.raises(NotFound, match="17"):
        await client.get_user_task(17)


async def test_a_form_is_the_one_that_was_deployed(client: Client) -> None:
    asked = await client.get_user_task_form((await task_of(client, "asking")).key)
    assert isinstance(asked, Form)
    assert (asked.form_id, asked.version, asked.schema) == ("ask", 1, json.loads(form("ask")))
    assert await client.get_user_task_form((await task_of(client)).key) is None


async def test_a_task_goes_from_hand_to_hand(client: Client) -> None:
    key = (await task_of(client)).key
    await client.assign_user_task(key, "ada")
    with pytest.raises(InvalidState, match="already been assigned"):
        await client.assign_user_task(key, "bob", allow_override=False)
    assert (await client.get_user_task(key)).assignee == "ada"
    await client.assign_user_task(key, "bob", action="delegate")
    assert (await client.get_user_task(key)).assignee == "bob"
    await client.unassign_user_task(key)
    assert (await client.get_user_task(key)).assignee is None
    await client.assign_user_task(key, "bob", allow_override=False)
    with pytest.raises(NotFound, match="17"):
        await client.assign_user_task(17, "ada")


async def test_a_task_is_changed(client: Client) -> None:
    key = (await task_of(client)).key
    due = datetime(2030, 5, 1, 12, tzinfo=UTC)
    await client.update_user_task(key, {"priority": 80, "due_date": due, "candidate_users": ["ada"], "candidateGroups": []})
    changed = await client.get_user_task(key)
    assert (changed.priority, changed.due_date, changed.candidate_users, changed.candidate_groups) == (80, due, ["ada"], [])
    await client.update_user_task(key, {"due_date": "", "priority": None})
    assert ((await client.get_user_task(key)).due_date, (await client.get_user_task(key)).priority) == (None, 80)
    with pytest.raises(InvalidArgument, match="assignee cannot be changed so"):
        await client.update_user_task(key, {"assignee": "ada"})
    with pytest.raises(InvalidArgument, match="priority"):
        await client.update_user_task(key, {"priority": 101})
    for no_moment in ("tomorrow", "2030-05-01", "2030-13-01T12:00:00Z", datetime(2030, 5, 1)):  # noqa: DTZ001 - that it has no zone is what is wrong
        with pytest.raises(InvalidArgument, match="dueDate"):
            await client.update_user_task(key, {"due_date": no_moment})


async def test_a_task_is_completed_once(client: Client) -> None:
    task = await task_of(client)
    await client.complete_user_task(task.key, {"approved": True, "when": datetime(2026, 1, 2, tzinfo=UTC)})
    done = await client.get_user_task(task.key)
    assert done.state == "COMPLETED"
    assert done.completion_date is not None
    found = await client.search_variables({"process_instance_key": task.process_instance_key}, sort="name")
    assert {one.name: one.parsed for one in found} == {"approved": True, "when": "2026-01-02T00:00:00+00:00"}
    with pytest.raises((NotFound, InvalidState), match=str(task.key)):
        await client.complete_user_task(task.key)


async def test_a_task_sees_the_variables_around_it(client: Client) -> None:
    task = await task_of(client, amount=120, note="x" * 9000)
    seen = {one.name: one.parsed for one in await client.search_user_task_variables(task.key, truncate=False)}
    assert seen == {"amount": 120, "note": "x" * 9000}


async def test_an_engine_without_sign_in_knows_nobody_and_says_what_its_licence_is(client: Client) -> None:
    assert (await client.whoami()).groups == []
    assert not (await client.licence()).valid_license


async def test_a_listener_denies_a_completion_with_its_reason(client: Client) -> None:
    task = await task_of(client, "listened")
    completing = asyncio.create_task(client.complete_user_task(task.key))
    (job,) = await client.activate_jobs(
        "check", worker="test", timeout=timedelta(minutes=1), max_jobs=1, request_timeout=timedelta(seconds=5)
    )
    await client.complete_job(job.key, result=pb.JobResult(type="userTask", denied=True, deniedReason="four eyes"))
    with pytest.raises(InvalidState, match="four eyes"):
        await completing
    assert (await client.get_user_task(task.key)).state == "CREATED"


async def test_user_tasks_are_found(client: Client) -> None:
    tasks = [await task_of(client, number=number) for number in range(4)]
    await client.assign_user_task(tasks[0].key, "ada")
    await client.update_user_task(tasks[1].key, {"priority": 90})
    await client.complete_user_task(tasks[2].key)

    async def found(filter: dict[str, object] | UserTaskFilter) -> list[int]:
        return [tasks.index(next(task for task in tasks if task.key == one.key)) for one in await client.search_user_tasks(filter)]

    assert sorted(await found({"candidate_group": "approvers", "state": "CREATED"})) == [0, 1, 3]
    assert await found(UserTaskFilter(assignee="ada")) == [0]
    assert await found(UserTaskFilter(priority={"$gt": 50}, element_id="approve")) == [1]
    assert await found({"state": {"$in": ["COMPLETED", "CANCELED"]}}) == [2]
    assert sorted(await found({"assignee": {"$exists": False}, "state": "CREATED"})) == [1, 3]
    assert await found({"processInstanceKey": tasks[3].process_instance_key}) == [3]
    assert await found({"candidate_group": "nobody"}) == []
    with pytest.raises(InvalidArgument, match="surprise"):
        await found({"surprise": 1})


async def test_a_search_comes_in_pages(client: Client) -> None:
    tasks = [await task_of(client) for _ in range(5)]
    keys = [task.key for task in tasks]
    first = await client.search_user_tasks(sort="-creation_date", page={"limit": 2})
    assert ([task.key for task in first], first.total) == ([keys[4], keys[3]], 5)
    after = await client.search_user_tasks(sort="-creation_date", page={"after": first.end_cursor, "limit": 2})
    assert [task.key for task in after] == [keys[2], keys[1]]
    assert [task.key for task in await client.search_user_tasks(sort="creation_date", page={"from": 4})] == keys[4:]


async def test_instances_incidents_and_variables_are_found(client: Client) -> None:
    first = (await client.start("one-task", {"big": "x" * 9000})).process_instance_key
    second = (await client.start("one-task", {"small": {"a": None}})).process_instance_key
    jobs = await client.activate_jobs("work", worker="test", timeout=timedelta(minutes=1), max_jobs=2)
    by_instance = {job.processInstanceKey: job for job in jobs}
    await client.fail_job(by_instance[first].key, retries=0, message="no paper left")
    await client.complete_job(by_instance[second].key)

    active = await client.search_process_instances({"process_definition_id": "one-task", "state": "ACTIVE"})
    assert [(type(one), one.process_instance_key, one.has_incident, one.end_date) for one in active] == [
        (ProcessInstanceItem, first, True, None)
    ]
    (over,) = await client.search_process_instances({"state": "COMPLETED"}, sort=["-start_date"])
    assert over.process_instance_key == second
    assert over.start_date is not None
    assert over.end_date is not None
    assert over.end_date >= over.start_date

    (incident,) = await client.search_incidents({"error_type": "JOB_NO_RETRIES"})
    assert isinstance(incident, Incident)
    assert (incident.process_instance_key, incident.error_message, incident.process_definition_id) == (first, "no paper left", "one-task")

    (big,) = await client.search_variables({"name": "big"})
    assert (type(big), big.is_truncated, big.scope_key) == (VariableItem, True, first)
    (whole,) = await client.search_variables({"name": "big"}, truncate=False)
    assert (whole.is_truncated, whole.parsed) == (False, "x" * 9000)
    (small,) = await client.search_variables({"process_instance_key": second})
    assert (small.name, small.parsed) == ("small", {"a": None})
