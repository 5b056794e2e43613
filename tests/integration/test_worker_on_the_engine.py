"""Workers on Camunda's real engine: what it makes of each outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from camunda_workers import BpmnError, Client, Header, JobContext, RetryPolicy, Router, WorkerRunner, worker
from camunda_workers.client import Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from camunda_workers.worker.poller import Polling
from tests.support.diagrams import process, sequence, service_task
from tests.support.job_gateway import eventually

pytestmark = pytest.mark.engine

POLLING = Polling(request_timeout=timedelta(seconds=5))


class Policy(BaseModel):
    number: str
    deductible: int


class NoCover(BpmnError):
    code = "NO_COVER"


def guarded(element_id: str, job_type: str) -> bytes:
    """A process whose task has an error boundary that leads to an end of its own."""
    task = service_task(element_id, job_type, headers={"channel": "web"})
    boundary = (
        f'<bpmn:boundaryEvent id="not-covered" attachedToRef="{element_id}">'
        # An error's variables are local to the event that catches it.
        '<bpmn:extensionElements><zeebe:ioMapping><zeebe:output source="=outcome" target="outcome"/></zeebe:ioMapping></bpmn:extensionElements>'
        '<bpmn:errorEventDefinition errorRef="no-cover"/></bpmn:boundaryEvent>'
        '<bpmn:endEvent id="not-covered-end"/><bpmn:sequenceFlow id="to-end" sourceRef="not-covered" targetRef="not-covered-end"/>'
    )
    return process("claim", sequence(task) + boundary, '<bpmn:error id="no-cover" errorCode="NO_COVER"/>')


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine() as running:
        yield running


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[Client]:
    async with Client(settings=Settings(grpc_address=engine.grpc_address)) as opened:
        await opened.deploy(Resource("claim.bpmn", guarded("check-policy", "check-policy")))
        yield opened


async def test_every_outcome_on_the_real_engine(client: Client) -> None:
    seen: list[JobContext] = []
    tries: list[int] = []

    @worker("check-policy", errors=[NoCover], retries=RetryPolicy(back_off=timedelta(0)), result="policy")
    async def check_policy(number: str, channel: Annotated[str, Header("channel")], job: JobContext) -> Policy:
        seen.append(job)
        match number:
            case "none":
                raise NoCover("no such policy", variables={"outcome": "not covered"})
            case "flaky" if job.retries > 1:
                tries.append(job.retries)
                raise OSError("away")
            case _:
                return Policy(number=f"{number}/{channel}", deductible=500)

    async with WorkerRunner(client, [Router(check_policy)], polling=POLLING):
        good = await client.start_with_result("claim", {"number": "A1"}, business_id="CLM-1", timeout=timedelta(seconds=20))
        assert good.variables["policy"] == {"number": "A1/web", "deductible": 500}
        assert (seen[0].business_id, seen[0].element_id, seen[0].bpmn_process_id) == ("CLM-1", "check-policy", "claim")
        refused = await client.start_with_result("claim", {"number": "none"}, timeout=timedelta(seconds=20))
        assert refused.variables == {"number": "none", "outcome": "not covered"}
        flaky = await client.start_with_result("claim", {"number": "flaky"}, timeout=timedelta(seconds=20))
        assert flaky.variables["policy"]["number"] == "flaky/web"
        assert tries == [3, 2]


async def records(engine: EmbeddedEngine, text: str) -> list[Any]:
    return [line for line in await engine.records.read(-1, 100_000) if text in str(line)]


async def test_what_cannot_work_is_an_incident_and_not_a_hot_loop(engine: EmbeddedEngine, client: Client) -> None:
    @worker("check-policy")
    async def check_policy(number: int) -> dict[str, Any]:
        return {"bad": object()} if number else {}

    async with WorkerRunner(client, [Router(check_policy)], polling=POLLING) as runner:
        for variables in ({}, {"number": "text"}, {"number": 1}):
            await client.start("claim", variables)
        await eventually(lambda: runner.stats["check-policy"].failed == 3)
        await asyncio.sleep(0.2)
        assert runner.stats["check-policy"].activated == 3
    await engine.settle()
    incidents = "".join(str(line) for line in await records(engine, "JOB_NO_RETRIES"))
    assert "variable 'number': Field required" in incidents
    assert "valid integer" in incidents
    assert "variables.bad is object" in incidents


async def test_a_stopped_worker_leaves_its_jobs_to_the_next(client: Client) -> None:
    @worker("check-policy")
    async def stuck(number: str) -> None:
        await asyncio.sleep(3600)

    @worker("check-policy")
    async def works(number: str, job: JobContext) -> dict[str, int]:
        return {"retries": job.retries}

    waiting = asyncio.create_task(client.start_with_result("claim", {"number": "A1"}, timeout=timedelta(seconds=30)))
    async with WorkerRunner(client, [Router(stuck)], drain_timeout=timedelta(0), polling=POLLING) as first:
        await eventually(lambda: first.stats["check-policy"].running == 1)
    assert first.stats["check-policy"].returned == 1
    async with WorkerRunner(client, [Router(works)], polling=POLLING):
        assert (await waiting).variables["retries"] == 3
