"""Tells a story on an engine through the public client: every step waits until what it acts on is there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, assert_never

import pytest

from camunda_workers.client import Client
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import InvalidState
from tests.acceptance import story as steps

Found = TypeVar("Found")


@dataclass(frozen=True)
class Told:
    """What the engine recorded.

    Attributes:
        elements: every element that became active.
        flows: the sequence flows taken, in order.
        ends: the end events reached, in order.
        completed: whether the process instance has completed.
        variables: the process instance's variables at the end.
    """

    elements: frozenset[str]
    flows: tuple[str, ...]
    ends: tuple[str, ...]
    completed: bool
    variables: Mapping[str, Any]


class StoryTeller:
    """Drives one process instance of ``claim``."""

    def __init__(self, engine: EmbeddedEngine, client: Client) -> None:
        self._engine = engine
        self._client = client
        self._instance = 0
        self._claim_id = ""

    async def tell(self, story: steps.Story) -> Told:
        """Start the instance, do every step, and return what happened."""
        variables = json.loads(json.dumps(dict(story.variables)))
        self._claim_id = variables["claim"]["claim_id"]
        started = await self._client.start("claim", variables, business_id=self._claim_id)
        self._instance = started.process_instance_key
        for step in story.steps:
            await self._do(step)
        await self._engine.settle()
        return told([json.loads(record) for record in await self._engine.records.read(0, 100_000)])

    async def _do(self, step: steps.Step) -> None:
        client = self._client
        match step:
            case steps.CompleteJob():
                await client.complete_job(await self._job(step.type, step.element), dict(step.variables))
            case steps.FailJob():
                await client.fail_job(await self._job(step.type, step.element), retries=step.retries, message=step.message)
            case steps.ThrowError():
                await client.throw_error(await self._job(step.type, step.element), step.code)
            case steps.AssignTask():
                await self._heard(step.listener, step.denied, client.assign_user_task(await self._task(step.element), step.assignee))
            case steps.CompleteTask():
                await self._heard(
                    step.listener, step.denied, client.complete_user_task(await self._task(step.element), dict(step.variables))
                )
            case steps.Publish():
                await self._engine.settle()
                await client.publish_message(step.name, self._claim_id, dict(step.variables), ttl=timedelta(minutes=1))
            case steps.Advance():
                await self._engine.advance(timedelta(hours=step.hours))
            case steps.ResolveIncident():
                incident = await self._incident(step.element)
                await client.update_job_retries(incident.job_key, step.retries)
                await client.resolve_incident(incident.incident_key)
            case _:
                assert_never(step)

    async def _heard(self, listener: str | None, denied: str | None, command: Coroutine[Any, Any, None]) -> None:
        """Run a task command while its listener's job is answered."""
        running = asyncio.create_task(command)
        if listener is not None:
            result = pb.JobResult(type="userTask", denied=denied is not None, deniedReason=denied or "")
            await self._client.complete_job(await self._job(listener, None), None, result=result)
        if denied is None:
            await running
            return
        with pytest.raises(InvalidState, match=re.escape(denied)):
            await running

    async def _job(self, job_type: str, element: str | None) -> int:
        async def find() -> list[pb.ActivatedJob]:
            wait = timedelta(seconds=1)
            return await self._client.activate_jobs(
                job_type, worker="story", timeout=timedelta(minutes=5), max_jobs=1, request_timeout=wait
            )

        (job,) = await _found(find, f"a job of type {job_type}")
        assert element is None or job.elementId == element, f"the job of type {job_type} is {job.elementId}'s, not {element}'s"
        return job.key

    async def _task(self, element: str) -> int:
        filter_ = {"processInstanceKey": str(self._instance), "elementId": element, "state": "CREATED"}
        return (await _found(lambda: self._client.search_user_tasks(filter_), f"the user task {element}"))[0].user_task_key

    async def _incident(self, element: str) -> Any:
        filter_ = {"processInstanceKey": str(self._instance), "state": "ACTIVE", "elementId": element}
        return (await _found(lambda: self._client.search_incidents(filter_), f"an incident at {element}"))[0]


def told(records: list[Mapping[str, Any]]) -> Told:
    """Read what happened from the engine's records."""
    events = [r["value"] | {"intent": r["intent"]} for r in records if r["valueType"] == "PROCESS_INSTANCE" and r["recordType"] == "EVENT"]
    changes = [r["value"] for r in records if r["valueType"] == "VARIABLE" and r["intent"] in ("CREATED", "UPDATED")]
    return Told(
        elements=frozenset(event["elementId"] for event in events if event["intent"] == "ELEMENT_ACTIVATED"),
        flows=tuple(event["elementId"] for event in events if event["intent"] == "SEQUENCE_FLOW_TAKEN"),
        ends=tuple(e["elementId"] for e in events if e["bpmnElementType"] == "END_EVENT" and e["intent"] == "ELEMENT_COMPLETED"),
        completed=any(event["bpmnElementType"] == "PROCESS" and event["intent"] == "ELEMENT_COMPLETED" for event in events),
        variables={v["name"]: json.loads(v["value"]) for v in changes if v["scopeKey"] == v["processInstanceKey"]},
    )


async def _found(find: Callable[[], Awaitable[list[Found]]], what: str) -> list[Found]:
    async with asyncio.timeout(15):
        while not (found := list(await find())):
            await asyncio.sleep(0.01)
    assert found, what
    return found
