"""The search API beside a real broker: its exporter fills our log, searches are answered from it, commands go to the broker itself."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from camunda_workers.client import Client
from camunda_workers.client.deploy import Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.distribution import ensure_distribution
from camunda_workers.engine.embedded.auth.basic import BasicGuard
from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.auth.passwords import hashed
from camunda_workers.engine.embedded.auth.users import User, Users
from camunda_workers.errors import ConfigurationError, SetupError
from camunda_workers.settings import Settings
from tests.support.diagrams import process, sequence, service_task, user_task

pytestmark = pytest.mark.broker

APPROVAL = process("approval", sequence(user_task("approve", group="approvers"), service_task("pay", "pay")))


@pytest.fixture(scope="module", autouse=True)
def distribution() -> Path:
    settings = Settings()
    try:
        return ensure_distribution(settings.broker_version, settings.cache_dir)
    except SetupError as error:
        pytest.skip(f"no broker: {error}")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[BrokerEngine]:
    async with BrokerEngine(tmp_path / "data", search=True) as running:
        yield running


async def _until(find: Callable[[], Awaitable[Any]], within: float = 30.0) -> Any:
    end = time.monotonic() + within
    while not (found := await find()):
        assert time.monotonic() < end, "this was not found in time"
        await asyncio.sleep(0.05)
    return found


async def test_a_case_is_searched_worked_on_and_outlives_a_kill(engine: BrokerEngine) -> None:
    async def one(http: httpx.AsyncClient, path: str, **filter: Any) -> Any:
        answer = await http.post(f"{path}/search", json={"filter": filter})
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert len(items) <= 1, "one thing, however often the exporter repeats itself"
        return items[0] if items else None

    assert engine.rest_address != engine.broker_rest_address
    async with Client(engine.grpc_address, "") as client, httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False) as http:
        # Answered by the broker, through us.
        assert (await http.get("/topology")).json()["brokers"][0]["version"] == engine.version
        assert (await http.get("/status")).status_code == 204
        await client.deploy(Resource("approval.bpmn", APPROVAL))
        instance = await client.start("approval", {"amount": 7})
        key = str(instance.process_instance_key)
        task = await _until(lambda: one(http, "/user-tasks", state="CREATED", candidateGroup="approvers"))
        assert task["processInstanceKey"] == key
        found = await one(http, "/process-instances", processInstanceKey=key)
        assert (found["state"], found["processDefinitionId"]) == ("ACTIVE", "approval")
        assert json.loads((await one(http, "/variables", name={"$like": "amo*"}))["value"]) == 7
        assert "approve" in (await http.get(f"/process-definitions/{found['processDefinitionKey']}/xml")).text
        statistics = await http.get(f"/process-instances/{key}/statistics/element-instances")
        assert {one["elementId"]: one["active"] for one in statistics.json()["items"]}["approve"] == 1
        assert (await http.post("/process-instances/search", json={"filter": {"colour": "red"}})).status_code == 400
        # Commands go to the broker; the second completion is its refusal.
        assert (await http.post(f"/user-tasks/{task['userTaskKey']}/assignment", json={"assignee": "ann"})).status_code == 204
        assert (await http.post(f"/user-tasks/{task['userTaskKey']}/completion", json={})).status_code == 204
        assert (await http.post(f"/user-tasks/{task['userTaskKey']}/completion", json={})).status_code in (404, 409)
        done = await _until(lambda: one(http, "/user-tasks", state="COMPLETED"))
        assert done["assignee"] == "ann"
        asked = {"type": "pay", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 10_000}
        jobs = (await http.post("/jobs/activation", json=asked, timeout=20)).json()["jobs"]
        assert (await http.post(f"/jobs/{jobs[0]['key' if 'key' in jobs[0] else 'jobKey']}/completion", json={})).status_code == 204
        assert await _until(lambda: one(http, "/process-instances", processInstanceKey=key, state="COMPLETED"))

    await engine.kill()
    await engine.start()
    async with Client(engine.grpc_address, "") as client, httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False) as http:
        assert (await one(http, "/process-instances", state="COMPLETED"))["processInstanceKey"] == key
        again = await client.start("approval")
        found = await _until(lambda: one(http, "/process-instances", state="ACTIVE"))
        assert found["processInstanceKey"] == str(again.process_instance_key)


async def test_whoever_comes_is_asked_and_a_broker_that_is_gone_is_named(tmp_path: Path) -> None:
    door = Door(guard=BasicGuard(Users(users={"ann": User("ann", hashed("secret of ann"), ("claims",))})))
    async with (
        BrokerEngine(tmp_path / "data", search=True, door=door) as engine,
        httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False) as http,
    ):
        # Searches and what is passed on alike; only what Camunda itself tells everybody is told everybody.
        for path in ("/process-instances/search", "/jobs/activation", "/messages/publication", "/topology", "/nowhere"):
            refused = await http.post(path, json={})
            assert (refused.status_code, refused.json()["title"], "www-authenticate" in refused.headers) == (401, "Unauthorized", True), (
                path
            )
        assert (await http.get("/topology", auth=("ann", "another"))).status_code == 401
        assert (await http.get("/status")).status_code == 204
        http.auth = httpx.BasicAuth("ann", "secret of ann")
        assert (await http.get("/authentication/me")).json()["username"] == "ann"
        assert (await http.get("/topology")).json()["brokers"][0]["version"] == engine.version
        asked = {"type": "pay", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 60_000}
        waiting = asyncio.create_task(http.post("/jobs/activation", json=asked, timeout=60))
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/jobs/activation", json=asked, timeout=0.5)
        assert (await http.post("/jobs/activation", content=b"x" * 17 * 2**20)).status_code == 413
        process_of = engine._running()  # pyright: ignore[reportPrivateUsage] the broker ends, its REST API in front of it stays
        await process_of.kill()
        for refused in (await waiting, await http.get("/topology")):
            assert (refused.status_code, refused.json()["title"]) == (503, "UNAVAILABLE")
        assert (await http.get("/status")).status_code == 503
        assert (await http.post("/process-instances/search", json={})).status_code == 200


async def test_a_port_that_is_taken_is_said_before_the_broker_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        broker = BrokerEngine(tmp_path / "data", rest_port=port, search=True)
        with pytest.raises(ConfigurationError, match=f"REST port {port} is taken"):
            await broker.start()
        assert not broker.log_file.exists()
