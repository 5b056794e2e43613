"""The REST face of the embedded engine: what the demo and the client use, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.rest import arriving
from camunda_workers.engine.embedded.rest.batch_model import Batch, Item
from camunda_workers.engine.embedded.rest.batch_runner import Batches
from tests.support.diagrams import ONE_TASK, process, sequence, user_task

pytestmark = pytest.mark.engine

APPROVAL = process("approval", sequence(user_task("approve", group="approvers")))


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@pytest.fixture
async def rest(engine: EmbeddedEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=engine.rest_address + "/v2") as client:
        yield client


async def deploy(rest: httpx.AsyncClient, **files: bytes) -> dict[str, Any]:
    parts = [("resources", (f"{name}.bpmn", content)) for name, content in files.items()]
    answer = await rest.post("/deployments", files=parts)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_health_and_topology(rest: httpx.AsyncClient, engine: EmbeddedEngine) -> None:
    assert (await rest.get("/status")).status_code == 204
    topology = (await rest.get("/topology")).json()
    assert topology["gatewayVersion"] == "8.8.21"
    assert f"127.0.0.1:{topology['brokers'][0]['port']}" == engine.grpc_address
    health = await rest.get(engine.rest_address + "/actuator/health")
    assert health.json() == {"status": "UP"}


async def test_a_task_is_found_assigned_updated_and_completed(rest: httpx.AsyncClient) -> None:
    deployed = await deploy(rest, approval=APPROVAL)
    assert deployed["deployments"][0]["processDefinition"]["processDefinitionId"] == "approval"
    started = (await rest.post("/process-instances", json={"processDefinitionId": "approval", "variables": {"amount": 7}})).json()
    found = (await rest.post("/user-tasks/search", json={"filter": {"candidateGroup": "approvers", "state": "CREATED"}})).json()
    (task,) = found["items"]
    assert (task["elementId"], task["assignee"], task["processInstanceKey"]) == ("approve", None, started["processInstanceKey"])
    path = f"/user-tasks/{task['userTaskKey']}"
    assert (await rest.post(f"{path}/assignment", json={"assignee": "ada"})).status_code == 204
    taken = await rest.post(f"{path}/assignment", json={"assignee": "bob", "allowOverride": False})
    assert (taken.status_code, taken.json()["title"]) == (409, "INVALID_STATE")
    assert (await rest.patch(path, json={"changeset": {"priority": 80, "candidateGroups": []}})).status_code == 204
    shown = (await rest.get(path)).json()
    assert (shown["assignee"], shown["priority"], shown["candidateGroups"]) == ("ada", 80, [])
    assert (await rest.post(f"{path}/completion", json={"variables": {"approved": True}})).status_code == 204
    again = await rest.post(f"{path}/completion", json={})
    assert again.status_code in (404, 409)
    ended = (await rest.get(f"/process-instances/{started['processInstanceKey']}")).json()
    assert ended["state"] == "COMPLETED"
    variables = (await rest.post("/variables/search", json={"filter": {"processInstanceKey": started["processInstanceKey"]}})).json()
    assert {v["name"]: v["value"] for v in variables["items"]} == {"amount": "7", "approved": "true"}


async def test_an_awaited_instance_answers_with_its_variables(rest: httpx.AsyncClient) -> None:
    await deploy(rest, empty=process("empty", sequence()))
    body = {"processDefinitionId": "empty", "variables": {"x": [1, None]}, "awaitCompletion": True}
    assert (await rest.post("/process-instances", json=body)).json()["variables"] == {"x": [1, None]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/process-instances", {"processDefinitionId": "nobody"}, 404, "nobody"),
        ("POST", "/process-instances", {}, 400, "processDefinitionId"),
        ("POST", "/process-instances", {"processDefinitionId": "x", "surprise": 1}, 400, "surprise"),
        ("POST", "/process-instances", {"processDefinitionId": "x", "variables": [1]}, 400, "ARRAY"),
        ("POST", "/user-tasks/search", {"filter": {"surprise": 1}}, 400, "surprise"),
        ("POST", "/user-tasks/search", {"filter": 7}, 400, "filter"),
        ("POST", "/user-tasks/search", {"page": {"limit": -1}}, 400, "limit"),
        ("GET", "/user-tasks/17", None, 404, "17"),
        ("GET", "/user-tasks/abc", None, 400, "abc"),
        ("POST", "/user-tasks/17/completion", {}, 404, "17"),
        ("PATCH", "/user-tasks/17", {"changeset": {"priority": 101}}, 400, "priority"),
        ("PATCH", "/user-tasks/17", {"changeset": {}}, 400, "update"),
        ("POST", "/incidents/17/resolution", {}, 404, "17"),
        ("POST", "/messages/publication", {"correlationKey": "x"}, 400, "name"),
        ("GET", "/nothing-here", None, 404, "nothing-here"),
        ("DELETE", "/topology", None, 405, "topology"),
    ],
)
async def test_bad_requests_get_problem_details(
    rest: httpx.AsyncClient, method: str, path: str, body: Any, status: int, words: str
) -> None:
    answer = await rest.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "words"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 400, "object"),
        (b'{"a":' * 50_000, "application/json", 400, "deep"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "Content-Type"),
        (b'{"filter": {"x": NaN}}', "application/json", 400, "NaN"),
        (b'{"filter": {"elementId": "\\ud800"}}', "application/json", 400, "surrogate"),
        (b'{"filter": {"elementId": {"$in": [' + b'"a",' * 2000 + b'"b"]}}}', "application/json", 400, "too large"),
        (b'{"filter": "' + b"x" * 6_000_000 + b'"}', "application/json", 413, "larger"),
    ],
)
async def test_bad_bodies_are_refused(rest: httpx.AsyncClient, content: bytes, kind: str, status: int, words: str) -> None:
    answer = await rest.post("/user-tasks/search", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v2/user-tasks/search", "/v2/deployments"])
async def test_a_body_that_stops_in_its_middle_is_not_waited_for_for_ever(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    kind = "multipart/form-data; boundary=x" if path.endswith("deployments") else "application/json"
    begun = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\n--x".encode()
    host, _, port = engine.rest_address.removeprefix("http://").partition(":")
    # Whoever hangs up in the middle leaves nothing behind, no complaint either.
    _, leaving = await asyncio.open_connection(host, int(port))
    leaving.write(begun)
    await leaving.drain()
    leaving.close()
    await leaving.wait_closed()
    monkeypatch.setattr(arriving, "PATIENCE", 0.1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(begun)
    async with asyncio.timeout(10):
        answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "the rest of the body did not come" in answer
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


async def test_a_diagram_the_engine_refuses_names_the_file(rest: httpx.AsyncClient) -> None:
    broken = ONE_TASK.replace(b'targetRef="ended"', b'targetRef="nowhere"')
    answer = await rest.post("/deployments", files=[("resources", ("broken.bpmn", broken))])
    assert answer.status_code == 400
    assert "broken.bpmn" in answer.json()["detail"]
    assert (await rest.post("/deployments", json={})).status_code == 415


async def test_two_completions_at_once_complete_it_once(rest: httpx.AsyncClient) -> None:
    await deploy(rest, approval=APPROVAL)
    await rest.post("/process-instances", json={"processDefinitionId": "approval"})
    (task,) = (await rest.post("/user-tasks/search", json={"filter": {"state": "CREATED"}})).json()["items"]
    path = f"/user-tasks/{task['userTaskKey']}/completion"
    answers = await asyncio.gather(*(rest.post(path, json={}) for _ in range(5)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 204
    assert set(codes[1:]) <= {404, 409}


async def test_an_engine_that_stops_answers_what_is_under_way(engine: EmbeddedEngine, rest: httpx.AsyncClient) -> None:
    await deploy(rest, approval=APPROVAL)
    body = {"processDefinitionId": "approval", "awaitCompletion": True, "requestTimeout": 60_000}
    waiting = asyncio.create_task(rest.post("/process-instances", json=body))
    polling = asyncio.create_task(
        rest.post("/jobs/activation", json={"type": "x", "timeout": 1000, "maxJobsToActivate": 1, "requestTimeout": 60_000})
    )
    async with asyncio.timeout(10):
        while "x" not in engine.dispatch.served_types() or not (await rest.post("/process-instances/search", json={})).json()["items"]:
            await asyncio.sleep(0.01)
    await engine.stop()
    for answer in (await waiting, await polling):
        assert (answer.status_code, answer.json()["title"]) == (503, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("path", "words"),
    [("/users/search", "--auth"), ("/process-instances/17/deletion", "append-only"), ("/jobs/statistics/by-types", "8.9")],
)
async def test_what_is_not_served_says_why(rest: httpx.AsyncClient, path: str, words: str) -> None:
    answer = await rest.post(path, json={})
    assert (answer.status_code, answer.json()["title"]) == (501, "NOT_IMPLEMENTED")
    assert words in answer.json()["detail"]


async def test_another_tenant_is_refused(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/signals/broadcast", json={"signalName": "x", "tenantId": "other"})
    assert answer.status_code == 400
    assert "multi-tenancy is disabled" in answer.json()["detail"]


@pytest.mark.parametrize(
    "page",
    [
        {"after": "x"},
        {"after": "W10="},
        {"before": "bnVsbA=="},
        {"after": "!" * 100},
        {"from": -1},
        {"limit": 10_001},
        {"after": "W10=", "from": 1},
        {"what": 1},
    ],
)
@pytest.mark.parametrize("path", ["/process-instances/search", "/batch-operations/search"])
async def test_a_page_that_is_none_is_refused(rest: httpx.AsyncClient, path: str, page: dict[str, Any]) -> None:
    answer = await rest.post(path, json={"page": page})
    assert (answer.status_code, answer.json()["title"]) == (400, "Bad Request")


async def test_a_suspended_batch_waits_and_a_cancelled_one_leaves_the_rest(engine: EmbeddedEngine) -> None:
    released = asyncio.Event()
    begun: list[int] = []
    done: list[int] = []

    async def execute(batch: Batch, item: Item, remember: Callable[[], Awaitable[None]]) -> None:
        begun.append(item.key)
        await released.wait()
        done.append(item.key)

    batches = Batches(engine, execute)
    batch = await batches.start("CANCEL_PROCESS_INSTANCE", [Item(number, number) for number in range(1, 101)], {})
    async with asyncio.timeout(10):
        while len(begun) < 16:
            await asyncio.sleep(0.001)
    await batches.suspend(batch.key)
    released.set()
    async with asyncio.timeout(10):
        while len(done) < 16:  # those under way are finished
            await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(done) == 16
    assert batch.shown()["state"] == "SUSPENDED"
    await batches.resume(batch.key)
    await batches.cancel(batch.key)
    shown = batch.shown()
    assert (shown["state"], shown["operationsTotalCount"]) == ("CANCELED", 100)
    assert {item.state for item in batch.items} == {"COMPLETED", "CANCELED"}
    await batches.close()
