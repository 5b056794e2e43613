"""The event log behind a live embedded engine: every record once, across pumps, and a story of what happened in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, Pump, ReadModel, RecordSource, case_story
from tests.support.diagrams import process, sequence, timer, user_task

pytestmark = pytest.mark.engine

APPROVAL = process("approval", sequence(user_task("approve", group="approvers"), timer("cool-down", "PT1H")))


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


async def start(engine: EmbeddedEngine, *business_ids: str) -> None:
    async with httpx.AsyncClient(base_url=engine.rest_address + "/v2") as rest:
        (await rest.post("/deployments", files=[("resources", ("approval.bpmn", APPROVAL))])).raise_for_status()
        for business_id in business_ids:
            body = {"processDefinitionId": "approval", "variables": {"amount": 7}, "tags": [f"businessId:{business_id}"]}
            (await rest.post("/process-instances", json=body)).raise_for_status()
    await engine.settle()


async def complete(engine: EmbeddedEngine, key: str, user: str) -> None:
    async with httpx.AsyncClient(base_url=engine.rest_address + "/v2") as rest:
        (await rest.post(f"/user-tasks/{key}/assignment", json={"assignee": user})).raise_for_status()
        (await rest.post(f"/user-tasks/{key}/completion", json={"variables": {"ok": True}})).raise_for_status()
    await engine.settle()


async def test_every_record_is_in_the_log_once_and_in_order(engine: EmbeddedEngine, tmp_path: Path) -> None:
    assert isinstance(engine.records, RecordSource)
    await start(engine, "A-1", "A-2")
    path = tmp_path / "events.db"
    async with EventLog.open(path) as log:
        assert await Pump(engine.records, log, batch=7).catch_up() > 50
    await start(engine, "A-3")
    async with EventLog.open(path) as log:
        await Pump(engine.records, log).catch_up()
        kept = [record.text async for record in log.records()]
    assert kept == list(await engine.records.read(0, 100_000))
    positions = [json.loads(line)["position"] for line in kept]
    assert positions == list(range(1, len(positions) + 1))


async def test_the_read_model_follows_and_the_story_is_told(engine: EmbeddedEngine) -> None:
    async with EventLog.open() as log:
        model = ReadModel(log)
        pump = Pump(engine.records, log, followers=[model])
        await start(engine, "A-1")
        await pump.catch_up()
        (task,) = (await model.search_user_tasks({"state": "CREATED", "candidateGroup": "approvers"}))["items"]
        assert (task["elementId"], task["businessId"]) == ("approve", "A-1")
        await complete(engine, task["userTaskKey"], "ada")
        await pump.catch_up()
        story = await case_story(log, "A-1", now=engine.clock.now())
        assert [(wait.element_id, wait.optional) for wait in story.waits] == [("cool-down", False)]
        await engine.advance(timedelta(hours=2))
        await engine.settle()
        await pump.catch_up()
        story = await case_story(log, "A-1", now=engine.clock.now())
        assert (story.state, story.waits) == ("completed", ())
        assert [(step.actor.value, step.who, step.element_id) for step in story.steps[-4:]] == [
            ("person", None, "approve"),  # assigned: the engine does not say by whom
            ("person", "ada", "approve"),
            ("timer", None, "cool-down"),
            ("engine", None, "ended"),
        ]
        assert (await model.search_process_instances({"state": "COMPLETED"}))["items"][0]["businessId"] == "A-1"


async def test_a_fresh_engine_is_not_taken_for_the_one_the_log_was_written_from(engine: EmbeddedEngine, tmp_path: Path) -> None:
    await start(engine, "A-1", "A-2", "A-3")
    async with EventLog.open(tmp_path / "events.db") as log:
        await Pump(engine.records, log).catch_up()
        async with EmbeddedEngine(rest_port=0) as other:
            await start(other, "B-1")
            with pytest.raises(ReadModelError, match="belongs to another engine"):
                await Pump(other.records, log).catch_up()
