"""Sources other than an engine's own log: the REST API of a running engine, and an index that an exporter filled."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
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
from camunda_workers.events.partitions import EveryPartition
from camunda_workers.events.sources import elasticsearch
from camunda_workers.events.sources.elasticsearch import RecordIndices
from camunda_workers.events.sources.rest_poll import CANNOT_SEE, RestPoll, rest_caller
from camunda_workers.settings import Settings
from tests.support.diagrams import process, sequence, service_task, user_task
from tests.support.recorded import DATA, changed, recorded

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
    """As much of a search engine as the import asks of: filters by partition and position, an order, a size, two aggregations."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.records = numbered([json.loads(line) for line in lines])
        self.coming: list[list[dict[str, Any]]] = []
        self.broken: dict[str, Any] | None = None
        self.refreshable = True
        self.app = Starlette(
            routes=[
                Route("/{indices}/_search", self.search, methods=["POST"]),
                Route("/{indices}/_refresh", self.refresh, methods=["POST"]),
            ]
        )

    async def refresh(self, request: Request) -> JSONResponse:
        """What was written since the last time can be seen: one portion each time."""
        del request
        if not self.refreshable:
            return JSONResponse({"error": "no permissions for [indices:admin/refresh]"}, 403)
        if self.coming:
            self.records = [*self.records, *self.coming.pop(0)]
        return JSONResponse({"_shards": {"failed": 0}})

    async def search(self, request: Request) -> JSONResponse:
        body = await request.json()
        if self.broken is not None:
            return JSONResponse(self.broken)
        found = self.records
        if "query" in body:
            partition, position = body["query"]["bool"]["filter"]
            between = position["range"]["position"]
            found = [
                record
                for record in found
                if record["partitionId"] == partition["term"]["partitionId"]
                and between.get("gt", -1) < record["position"] <= between.get("lte", math.inf)
            ]
        if "aggs" in body:
            return JSONResponse({"aggregations": {name: {"buckets": self.buckets(name, found)} for name in body["aggs"]}})
        found = sorted(found, key=lambda one: one["position"], reverse=body["sort"] == [{"position": "desc"}])
        return JSONResponse({"hits": {"hits": [{"_source": record} for record in found[: body["size"]]]}})

    @staticmethod
    def buckets(name: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of the partitions, or of the kinds with each kind's newest record."""
        if name == "partitions":
            return [{"key": key} for key in sorted({record["partitionId"] for record in found})]
        newest = {one["valueType"]: one for one in sorted(found, key=lambda one: one["position"])}
        return [{"key": kind, "newest": {"hits": {"hits": [{"_source": one}]}}} for kind, one in newest.items()]


def numbered(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As an exporter numbers them: each kind of a partition for itself."""
    last = Counter[tuple[int, str]]()
    numbers: dict[tuple[int, int], int] = {}
    for one in records:
        place, kind = (one["partitionId"], one["position"]), (one["partitionId"], one["valueType"])
        if place not in numbers:
            last[kind] += 1
            numbers[place] = (one["partitionId"] << 51) + last[kind]
    return [{**one, "sequence": numbers[one["partitionId"], one["position"]]} for one in records]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    found = Index([*LINES, *LINES[:50], *(changed(line, partitionId=2) for line in LINES[:100])])
    transport = elasticsearch.httpx.ASGITransport(app=found.app)
    original: Any = elasticsearch.httpx.AsyncClient

    def client(**given: Any) -> Any:
        return original(**given, transport=transport)

    monkeypatch.setattr(elasticsearch.httpx, "AsyncClient", client)
    return found


def indices(partition: int = 1, **more: Any) -> RecordIndices:
    return RecordIndices("http://search", partition=partition, quiet=0, **more)


async def test_history_is_imported_once_and_goes_on(index: Index) -> None:
    late, index.records = index.records[700:1018], [*index.records[:700], *index.records[1018:]]
    async with EventLog.open() as log, indices() as source, indices(2) as second:
        assert await source.partitions() == [1, 2]
        assert await Pump(source, log, batch=90).catch_up() == 700
        assert await Pump(second, log, partition=2).catch_up() == 100
        index.coming = [late]
        async with indices() as again:
            assert await Pump(again, log, batch=90).catch_up() == len(LINES) - 700
        assert await Pump(source, log).catch_up() == 0
        assert [json.loads(record.text) async for record in log.records()] == [json.loads(line) for line in LINES]
        assert (await verify_log(log)).good


async def test_what_a_real_exporter_wrote_is_imported_as_it_is(index: Index) -> None:
    # Two partitions of a broker 8.6.0, as its OpenSearch exporter put them into an OpenSearch 2.19: one hit a line.
    hits = [json.loads(line) for line in gzip.decompress((DATA / "opensearch-8.6.0.jsonl.gz").read_bytes()).splitlines()]
    index.records = [hit["_source"] for hit in random.Random(1).sample(hits, len(hits))]
    async with EventLog.open() as log:
        for partition in (1, 2):
            async with indices(partition) as source:
                await Pump(source, log, partition=partition, batch=33).catch_up()
            expected = [hit["_source"] for hit in hits if hit["_source"]["partitionId"] == partition]
            assert [json.loads(one.text) async for one in log.records(partition=partition)] == [
                {name: value for name, value in one.items() if name != "sequence"} for one in expected
            ]
            assert len(expected) > 50
        await EveryPartition(log).catch_up()
        names = {one["value"] for one in (await ReadModel(log).search_variables({"name": "name"}))["items"]}
        assert '"李"' in names
        assert (await verify_log(log)).good


async def test_what_may_still_be_on_its_way_is_left_for_the_next_time(index: Index) -> None:
    """Records 650 to 699 are in one request of the exporter, of which a search sees the latter half first."""
    everything = [one for one in index.records if one["partitionId"] == 1]
    index.records = [*everything[:650], *everything[675:700]]
    async with EventLog.open() as log, indices(held=50) as many, indices() as source:
        assert max(json.loads(one)["position"] for one in await many.read(0, 10_000)) < everything[650]["position"]
        index.coming = [[], everything[650:675]]  # after it was looked for the first time
        assert await Pump(source, log).catch_up() == 700


async def test_records_that_are_gone_are_told_and_not_jumped_over(index: Index) -> None:
    everything = [one for one in index.records if one["partitionId"] == 1]
    jobs = [one for one in everything if one["valueType"] == "JOB"]
    index.records = [one for one in everything if one not in jobs[3:5]]
    message = f"2 records of the kind JOB are missing before position {jobs[5]['position']} of partition 1"
    async with EventLog.open() as log:
        for _ in range(2):  # the second one goes on in the middle, and knows from the indices what came before
            async with indices() as source:
                with pytest.raises(ReadModelError, match=message):
                    await Pump(source, log, batch=20).catch_up()
        assert await log.position() < jobs[5]["position"]
        async with indices(gaps=True) as source:
            await Pump(source, log).catch_up()
        assert await log.size() == len(LINES) - 2
        # What is gone from the beginning is what somebody keeps no longer.
        index.records = [one for one in everything if one["position"] > json.loads(LINES[299])["position"]]
    async with EventLog.open() as log, indices() as source:
        assert await Pump(source, log).catch_up() == len(LINES) - 300


async def test_an_account_that_may_only_read_is_enough(index: Index) -> None:
    index.refreshable = False
    async with EventLog.open() as log, indices(2) as source:
        assert await Pump(source, log, partition=2).catch_up() == 100


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
