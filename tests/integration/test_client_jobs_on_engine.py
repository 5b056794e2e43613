"""The client on Camunda's real engine: jobs, incidents, modification, migration, deletion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from camunda_workers.client import Activate, Client
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import InvalidArgument, InvalidState, NotFound
from tests.support.commands import MINUTE, deploy, elements, job_of, nothing_to_do, variables
from tests.support.diagrams import ONE_TASK, process, sequence, service_task
from tests.support.job_gateway import eventually

pytestmark = pytest.mark.engine

EMPTY = process("empty", sequence())
GUARDED = process(
    "guarded",
    sequence(service_task("work", "work"))
    + '<bpmn:boundaryEvent id="caught" attachedToRef="work"><bpmn:errorEventDefinition errorRef="no-cover"/></bpmn:boundaryEvent>'
    '<bpmn:endEvent id="refused"/><bpmn:sequenceFlow id="to-refused" sourceRef="caught" targetRef="refused"/>',
    '<bpmn:error id="no-cover" errorCode="NO_COVER"/>',
)


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[Client]:
    async with Client(engine.grpc_address, engine.rest_address) as opened:
        yield opened


async def test_an_incident_is_resolved_with_new_retries(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, ONE_TASK)
    instance = (await client.start("one-task")).process_instance_key
    job = await job_of(client)
    await client.fail_job(job.key, retries=0, message="no paper left", variables={"tray": 2})
    (incident,) = await client.search_incidents({"process_instance_key": instance})
    assert (incident.state, incident.error_type, incident.error_message) == ("ACTIVE", "JOB_NO_RETRIES", "no paper left")
    assert (incident.element_id, incident.job_key, incident.element_instance_key) == ("work", job.key, job.elementInstanceKey)
    assert await nothing_to_do(client)
    with pytest.raises(InvalidState, match="retries"):
        await client.resolve_incident(incident.incident_key)
    await client.update_job_retries(job.key, 2)
    await client.resolve_incident(incident.incident_key)
    again = await job_of(client)
    assert (again.key, again.retries, json.loads(again.variables)) == (job.key, 2, {"tray": 2})
    assert [one.state for one in await client.search_incidents({"process_instance_key": instance})] == ["RESOLVED"]
    with pytest.raises(NotFound, match=str(incident.incident_key)):
        await client.resolve_incident(incident.incident_key)
    with pytest.raises(InvalidArgument, match="0"):
        await client.update_job_retries(job.key, 0)


async def test_a_failed_job_comes_back_after_its_back_off(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, ONE_TASK)
    await client.start("one-task")
    job = await job_of(client)
    await client.fail_job(job.key, retries=2, message="busy", back_off=timedelta(hours=1))
    await engine.advance(timedelta(minutes=59))
    assert await nothing_to_do(client)
    await engine.advance(timedelta(minutes=2))
    again = await job_of(client)
    assert (again.key, again.retries) == (job.key, 2)


async def test_a_jobs_timeout_counts_from_now(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, ONE_TASK)
    await client.start("one-task")
    job = await job_of(client, timeout=MINUTE)
    await client.update_job_timeout(job.key, timedelta(hours=1))
    engine.clock.jump(30 * 60_000)  # not advance(): that waits for whoever holds the job
    assert await nothing_to_do(client)
    engine.clock.jump(31 * 60_000)
    assert (await job_of(client)).key == job.key
    with pytest.raises(NotFound, match="17"):
        await client.update_job_timeout(17, MINUTE)


async def test_a_business_error_is_caught_by_the_diagram(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, GUARDED)
    await client.start("guarded")
    await client.throw_error((await job_of(client)).key, "NO_COVER", "lapsed in May", {"since": "May"})
    assert await elements(engine) == ["started", "caught", "refused", "guarded"]


async def test_a_business_error_that_nobody_catches_is_an_incident(client: Client) -> None:
    await deploy(client, GUARDED)
    await client.start("guarded")
    await client.throw_error((await job_of(client)).key, "NO_MONEY", "account is empty")
    (incident,) = await client.search_incidents({"element_id": "work"})
    assert incident.error_type == "UNHANDLED_ERROR_EVENT"
    assert all(words in incident.error_message for words in ("NO_MONEY", "account is empty", "NO_COVER"))


async def test_jobs_are_fetched_with_what_is_asked_for(client: Client) -> None:
    await deploy(client, process("headed", sequence(service_task("work", "work", headers={"template": "paid"}))))
    for number in range(5):
        await client.start("headed", {"x": number, "y": "secret"})
    jobs = await client.activate_jobs("work", worker="w", timeout=MINUTE, max_jobs=3, fetch_variables=["x"])
    assert [json.loads(job.variables) for job in jobs] == [{"x": 0}, {"x": 1}, {"x": 2}]
    assert {(job.worker, job.type, job.elementId, job.customHeaders) for job in jobs} == {("w", "work", "work", '{"template": "paid"}')}
    assert len(await client.activate_jobs("work", worker="w", timeout=MINUTE, max_jobs=9)) == 2
    assert await nothing_to_do(client)


async def test_jobs_are_pushed_as_they_come(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, ONE_TASK)
    stream = client.stream_jobs("work", worker="w", timeout=MINUTE, fetch_variables=["x"])
    first = asyncio.ensure_future(anext(stream))
    await eventually(lambda: "work" in engine.dispatch.served_types())
    await client.start("one-task", {"x": 1, "y": 2})
    async with asyncio.timeout(5):
        job = await first
    assert (json.loads(job.variables), job.worker) == ({"x": 1}, "w")
    await client.complete_job(job.key, {"done": True})
    await stream.aclose()
    assert (await elements(engine))[-1] == "one-task"


async def test_an_instance_is_moved_all_or_nothing(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, process("two", sequence(service_task("first", "first"), service_task("second", "second"))))
    instance = (await client.start("two")).process_instance_key
    job = await job_of(client, "first")
    with pytest.raises(InvalidArgument, match="'nowhere'"):
        await client.modify(instance, activate=["second", "nowhere"], terminate=[job.elementInstanceKey])
    assert await nothing_to_do(client, "second")
    await client.modify(instance, activate=[Activate("second", {"local": 1}, scope_id="second")], terminate=[job.elementInstanceKey])
    moved = await job_of(client, "second")
    assert json.loads(moved.variables) == {"local": 1}
    assert await variables(client, instance) == {(moved.elementInstanceKey, "local"): 1}
    await client.complete_job(moved.key)
    assert await elements(engine) == ["started", "second", "ended", "two"]
    assert await elements(engine, "ELEMENT_TERMINATED") == ["first"]
    with pytest.raises(InvalidArgument, match="what to activate"):
        await client.modify(instance)
    with pytest.raises(NotFound, match=str(instance)):
        await client.modify(instance, activate=["first"])


async def test_an_instance_moves_to_a_version_with_a_renamed_element(engine: EmbeddedEngine, client: Client) -> None:
    await deploy(client, ONE_TASK)
    instance = (await client.start("one-task")).process_instance_key
    job = await job_of(client)
    (renamed,) = await deploy(client, process("one-task", sequence(service_task("do-work", "work"))))
    with pytest.raises(InvalidState, match="'work'"):
        await client.migrate(instance, renamed.process_definition_key, {})
    await client.migrate(instance, renamed.process_definition_key, {"work": "do-work"})
    (found,) = await client.search_process_instances({"process_instance_key": instance})
    assert (found.process_definition_version, found.process_definition_key) == (2, renamed.process_definition_key)
    await client.complete_job(job.key)
    assert await elements(engine) == ["started", "do-work", "ended", "one-task"]


async def test_a_deleted_definition_starts_nothing(client: Client) -> None:
    (first,) = await deploy(client, EMPTY)
    await client.delete_resource(first.process_definition_key)
    with pytest.raises(NotFound, match="'empty'"):
        await client.start("empty")
    with pytest.raises(NotFound, match=str(first.process_definition_key)):
        await client.delete_resource(first.process_definition_key)
