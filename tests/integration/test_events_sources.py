"""Sources other than an engine's own log: the REST API of a running engine, and an index that an exporter filled."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from camunda_workers.client import Client, Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import EngineUnavailable, ReadModelError
from camunda_workers.events import EventLog, Pump, ReadModel, case_story
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.sources import elasticsearch
from camunda_workers.events.sources.elasticsearch import RecordIndices
from camunda_workers.events.sources.rest_poll import CANNOT_SEE, RestPoll, rest_caller
from camunda_workers.settings import Settings
from tests.support.diagrams import process, sequence, service_task, user_task
from tests.support.recorded import changed, recorded

LINES = recorded()
PROCESS = process("approval", sequence(user_task("approve", group="approvers"), service_task("pay", "pay")))


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


async def what_is(model: ReadModel) -> dict[str, Any]:
    """What polling can tell, without what it cannot."""
    instances = (await model.search_process_instances())["items"]
    tasks = (await model.search_user_tasks())["items"]
    variables = (await model.search_variables())["items"]
    return {
        "instances": sorted((one["processInstanceKey"], one["state"], one["startDate"], one["processDefinitionId"]) for one in instances),
        "tasks": sorted((one["userTaskKey"], one["state"], one["assignee"] or "", tuple(one["candidateGroups"])) for one in tasks),
        "variables": sorted((one["variableKey"], one["name"], one["value"]) for one in variables),
    }


@pytest.mark.engine
async def test_polling_comes_to_the_same_read_model(engine: EmbeddedEngine) -> None:
    settings = Settings(grpc_address=engine.grpc_address, rest_address=engine.rest_address)
    async with (
        EventLog.open() as polled,
        EventLog.open() as exact,
        rest_caller(settings) as call,
        Client(settings=settings) as client,
    ):
        poll, model = RestPoll(call, polled), ReadModel(polled)
        pump, truth = Pump(engine.records, exact), ReadModel(exact)

        async def compare() -> None:
            await engine.settle()
            await poll.catch_up()
            await pump.catch_up()
            assert await what_is(model) == await what_is(truth)
            assert await poll.catch_up() == 0  # nothing has happened since

        await client.deploy(Resource("approval.bpmn", PROCESS))
        first = await client.start("approval", {"amount": 7}, business_id="A-1")
        second = await client.start("approval", {"amount": 8}, business_id="A-2")
        await compare()
        (task,) = [one for one in await client.search_user_tasks() if one.process_instance_key == first.process_instance_key]
        await client.assign_user_task(task.user_task_key, "alice")
        await client.set_variables(second.process_instance_key, {"amount": 9})
        await compare()
        await client.set_variables(second.process_instance_key, {"amount": 8})  # as it was at first
        await client.unassign_user_task(task.user_task_key)
        await compare()
        await client.complete_user_task(task.user_task_key, {"ok": True})
        await client.cancel(second.process_instance_key)
        await compare()
        # Another process goes on with the same log.
        again = RestPoll(call, polled)
        assert await again.catch_up() == 0
        assert (await verify_log(polled)).good
        story = await case_story(polled, "A-2", now=datetime(2030, 1, 1, tzinfo=UTC))
        assert (story.state, story.instances[0].process) == ("terminated", "approval")
        assert len(CANNOT_SEE) > 5


async def test_a_cluster_that_does_not_answer() -> None:
    async with EventLog.open() as log, rest_caller(Settings(rest_address="http://127.0.0.1:1")) as call:
        with pytest.raises(EngineUnavailable, match="does not answer"):
            await RestPoll(call, log).catch_up()
        assert await log.size() == 0


# --- an exporter's indices -----------------------------------------------------------------------------------------------------------


class Index:
    """As much of a search engine as the import asks of: a filter by partition and position, an order, a size, one aggregation."""

    def __init__(self, lines: list[bytes]) -> None:
        self.records = [json.loads(line) for line in lines]
        self.broken: dict[str, Any] | None = None
        self.app = Starlette(routes=[Route("/{indices}/_search", self.search, methods=["POST"])])

    async def search(self, request: Request) -> JSONResponse:
        body = await request.json()
        if self.broken is not None:
            return JSONResponse(self.broken)
        if "aggs" in body:
            keys = sorted({record["partitionId"] for record in self.records})
            return JSONResponse({"aggregations": {"partitions": {"buckets": [{"key": key} for key in keys]}}})
        partition, position = body["query"]["bool"]["filter"]
        assert body["sort"] == [{"position": "asc"}]
        found = [
            record | {"sequence": 5}
            for record in sorted(self.records, key=lambda one: one["position"])
            if record["partitionId"] == partition["term"]["partitionId"] and record["position"] > position["range"]["position"]["gt"]
        ]
        return JSONResponse({"hits": {"hits": [{"_source": record} for record in found[: body["size"]]]}})


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    found = Index([*LINES, *LINES[:50], *(changed(line, partitionId=2) for line in LINES[:100])])
    transport = elasticsearch.httpx.ASGITransport(app=found.app)
    original: Any = elasticsearch.httpx.AsyncClient

    def client(**given: Any) -> Any:
        return original(**given, transport=transport)

    monkeypatch.setattr(elasticsearch.httpx, "AsyncClient", client)
    return found


async def test_history_is_imported_once_and_goes_on(index: Index) -> None:
    late, index.records = index.records[700:1018], [*index.records[:700], *index.records[1018:]]
    async with EventLog.open() as log, RecordIndices("http://search") as source, RecordIndices("http://search", partition=2) as second:
        assert await source.partitions() == [1, 2]
        assert await Pump(source, log, batch=90).catch_up() == 700
        assert await Pump(second, log, partition=2).catch_up() == 100
        index.records += late
        assert await Pump(source, log, batch=90).catch_up() == len(LINES) - 700
        assert await Pump(source, log).catch_up() == 0
        assert [json.loads(record.text) async for record in log.records()] == [json.loads(line) for line in LINES]
        assert (await verify_log(log)).good


@pytest.mark.parametrize("answer", [{"timed_out": True}, {"_shards": {"failed": 1}, "hits": {"hits": []}}])
async def test_half_an_answer_is_none(index: Index, answer: dict[str, Any]) -> None:
    index.broken = answer
    async with EventLog.open() as log, RecordIndices("http://search") as source:
        with pytest.raises(ReadModelError, match="did not search all"):
            await Pump(source, log).catch_up()
        assert await log.size() == 0


async def test_an_index_that_does_not_answer() -> None:
    async with RecordIndices("http://127.0.0.1:1") as source:
        with pytest.raises(ReadModelError, match="does not answer"):
            await source.read(0, 10)
