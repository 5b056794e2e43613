"""What tests of the client do again and again."""

from __future__ import annotations

import json
from datetime import timedelta

from camunda_workers.client import Client, Resource
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.results import ProcessDefinition
from camunda_workers.engine.embedded.engine import EmbeddedEngine

MINUTE = timedelta(minutes=1)


async def deploy(client: Client, *diagrams: bytes) -> list[ProcessDefinition]:
    return list((await client.deploy(*(Resource(f"{number}.bpmn", diagram) for number, diagram in enumerate(diagrams)))).processes)


async def job_of(client: Client, job_type: str = "work", *, wait: float = 5, timeout: timedelta = MINUTE) -> pb.ActivatedJob:
    found = await client.activate_jobs(job_type, worker="test", timeout=timeout, max_jobs=1, request_timeout=timedelta(seconds=wait))
    assert found, f"no job of type '{job_type}'"
    return found[0]


async def nothing_to_do(client: Client, job_type: str = "work") -> bool:
    at_once = timedelta(seconds=-1)
    return not await client.activate_jobs(job_type, worker="test", timeout=MINUTE, max_jobs=9, request_timeout=at_once)


async def elements(engine: EmbeddedEngine, intent: str = "ELEMENT_COMPLETED") -> list[str]:
    await engine.settle()
    records = [json.loads(record) for record in await engine.records.read(0, 100_000)]
    return [r["value"]["elementId"] for r in records if r["valueType"] == "PROCESS_INSTANCE" and r["intent"] == intent]


async def variables(client: Client, process_instance_key: int) -> dict[tuple[int | None, str], object]:
    found = await client.search_variables({"process_instance_key": process_instance_key})
    return {(one.scope_key, one.name): one.parsed for one in found}
