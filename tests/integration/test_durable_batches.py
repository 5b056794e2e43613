"""Batch operations of a durable engine: killed in the middle, they go on, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from camunda_workers.client import Client
from camunda_workers.client.deploy import Resource
from camunda_workers.engine.embedded.durable.backup import back_up, restore
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.rest.batch_model import Batch, Item
from camunda_workers.engine.embedded.rest.batch_store import FILE, BatchStore
from camunda_workers.engine.embedded.rest.batch_work import CANCEL, MIGRATE, MODIFY, RESOLVE, BatchWork
from camunda_workers.errors import ConfigurationError
from tests.support.diagrams import ONE_TASK
from tests.support.durable import DurableProcess

pytestmark = pytest.mark.engine

CASES = 150


async def _records(engine: EmbeddedEngine, value_type: str, intent: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while lines := await engine.records.read(after, 1000):
        records = [json.loads(line) for line in lines]
        found += [one for one in records if one["valueType"] == value_type and one["intent"] == intent and one["recordType"] == "EVENT"]
        after = records[-1]["position"]
    return found


def _http(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{address}/v2", trust_env=False, timeout=60)


async def test_a_batch_goes_on_after_a_kill(tmp_path: Path) -> None:
    engine = DurableProcess(tmp_path)
    try:
        await engine.start()
        await engine.until_ready()
        async with Client(engine.ready["grpc"], engine.ready["rest"]) as client, _http(engine.ready["rest"]) as http:
            await client.deploy(Resource("one.bpmn", ONE_TASK))
            await asyncio.gather(*(client.start("one-task") for _ in range(CASES)))
            asked = {"filter": {"processDefinitionId": "one-task"}}
            key = (await http.post("/process-instances/cancellation", json=asked)).json()["batchOperationKey"]
            while not (shown := (await http.get(f"/batch-operations/{key}")).json())["operationsCompletedCount"]:
                await asyncio.sleep(0)
        await engine.kill()
        assert shown["state"] == "ACTIVE", "it was over before it could be killed"
        await engine.start()
        await engine.until_ready()
        async with _http(engine.ready["rest"]) as http, asyncio.timeout(60):
            while (shown := (await http.get(f"/batch-operations/{key}")).json())["state"] == "ACTIVE":
                await asyncio.sleep(0.05)
            assert shown["state"] == "COMPLETED"
            counts = (shown["operationsTotalCount"], shown["operationsCompletedCount"], shown["operationsFailedCount"])
            assert counts == (CASES, CASES, 0)
            left = await http.post("/process-instances/search", json={"filter": {"state": "TERMINATED"}, "page": {"limit": 1}})
            assert left.json()["page"]["totalItems"] == CASES
    finally:
        await engine.end()


async def test_what_was_done_before_the_kill_is_not_done_again(tmp_path: Path) -> None:
    """Each kind is executed and the process ends before it can mark that: the most that a kill can do."""
    async with EmbeddedEngine(data=tmp_path) as engine, Client(engine.grpc_address, "") as client:
        await client.deploy(Resource("one.bpmn", ONE_TASK))
        first = await client.start("one-task")
        broken = (await client.start("one-task")).process_instance_key
        await client.deploy(Resource("one.bpmn", ONE_TASK.replace(b'retries="3"', b'retries="5"')))
        newer = (await client.start("one-task")).process_definition_key
        for job in await client.activate_jobs("work", worker="test", timeout=timedelta(minutes=1), max_jobs=10):
            if job.processInstanceKey == broken:
                await client.fail_job(job.key, retries=0, message="no")
        incident = int((await (await engine.read_model()).search_incidents())["items"][0]["incidentKey"])
        await client.update_job_retries(int((await (await engine.read_model()).search_incidents())["items"][0]["jobKey"]), 3)
        batches = [
            Batch(1, MODIFY, [Item(first.process_instance_key, first.process_instance_key)], 0, {"moves": {"work": "work"}}),
            Batch(2, RESOLVE, [Item(incident, broken)], 0, {}),
            Batch(3, MIGRATE, [Item(broken, broken)], 0, {"target": newer, "mapping": {"work": "work"}}),
            Batch(4, CANCEL, [Item(broken, broken)], 0, {}),
        ]
        store, work = BatchStore(tmp_path / FILE), BatchWork(engine)
        for batch in batches:
            await store.add(batch)

            async def remember(batch: Batch = batch) -> None:
                await store.mark(batch, [0])

            await work(batch, batch.items[0], remember)
        await store.close()
    async with EmbeddedEngine(data=tmp_path, rest_port=0) as engine, _http(engine.rest_address) as http:
        for batch in batches:
            async with asyncio.timeout(30):
                while (shown := (await http.get(f"/batch-operations/{batch.key}")).json())["state"] == "ACTIVE":
                    await asyncio.sleep(0.02)
            assert (shown["operationsCompletedCount"], shown["operationsFailedCount"]) == (1, 0), batch.kind
        assert len(await _records(engine, "PROCESS_INSTANCE_MODIFICATION", "MODIFIED")) == 1
        assert len(await _records(engine, "PROCESS_INSTANCE_MIGRATION", "MIGRATED")) == 1
        assert len(await _records(engine, "INCIDENT", "RESOLVED")) == 1
        # What the kill came before is done now, once.
        moved = [one for one in await _records(engine, "PROCESS_INSTANCE", "ELEMENT_ACTIVATED") if one["value"]["elementId"] == "work"]
        assert len(moved) == 4


async def test_a_suspended_batch_waits_over_a_backup_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    first, copy, data = tmp_path / "first", tmp_path / "copy", tmp_path / "data"
    async with EmbeddedEngine(data=first) as engine, Client(engine.grpc_address, "") as client:
        await client.deploy(Resource("one.bpmn", ONE_TASK))
        instance = (await client.start("one-task")).process_instance_key
        store = BatchStore(first / FILE)
        await store.add(Batch(1, CANCEL, [Item(instance, instance)], 0, {}, "SUSPENDED"))
        await asyncio.to_thread(back_up, first, copy, print)
        await store.close()
    await asyncio.to_thread(restore, copy, data, print)
    async with EmbeddedEngine(data=data, rest_port=0) as engine, _http(engine.rest_address) as http:
        assert (await http.get("/batch-operations/1")).json()["state"] == "SUSPENDED"
        assert (await http.get(f"/process-instances/{instance}")).json()["state"] == "ACTIVE"
        assert (await http.post("/batch-operations/1/resumption", json={})).status_code == 204
        async with asyncio.timeout(30):
            while (await http.get("/batch-operations/1")).json()["state"] != "COMPLETED":
                await asyncio.sleep(0.02)
        assert (await http.get(f"/process-instances/{instance}")).json()["state"] == "TERMINATED"
    (data / FILE).write_bytes(b"no database, but long enough to be looked into" * 100)
    with pytest.raises(ConfigurationError, match=FILE):
        await EmbeddedEngine(data=data, rest_port=0).start()
