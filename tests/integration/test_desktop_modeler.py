"""What Desktop Modeler asks of an engine, as it asks it: is somebody there, deploy this file, start it, what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import httpx
import pytest

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.support.diagrams import ONE_TASK

pytestmark = pytest.mark.engine

# The modeler saves what its own tools need into the file, and the engine has to leave that alone.
DIAGRAM = ONE_TASK.replace(
    b'<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" ',
    b'<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:modeler="http://camunda.org/schema/modeler/1.0" '
    b'exporter="Camunda Modeler" exporterVersion="5.40.0" modeler:executionPlatform="Camunda Cloud" modeler:executionPlatformVersion="8.8.0" ',
)


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


async def test_over_grpc(engine: EmbeddedEngine) -> None:
    async with grpc.aio.insecure_channel(engine.grpc_address, options=[("grpc.primary_user_agent", "zeebe-client-nodejs")]) as channel:
        stub: Any = GatewayStub(channel)
        found = await stub.Topology(pb.TopologyRequest(), timeout=10)
        assert found.gatewayVersion.startswith("8.")
        resource = pb.Resource(name="one-task.bpmn", content=DIAGRAM)
        deployed = await stub.DeployResource(pb.DeployResourceRequest(resources=[resource]), timeout=10)
        assert deployed.deployments[0].process.bpmnProcessId == "one-task"
        start = pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1, variables=json.dumps({"amount": 7}))
        assert (await stub.CreateProcessInstance(start, timeout=10)).processInstanceKey > 0
        broken = pb.Resource(name="one-task.bpmn", content=DIAGRAM.replace(b'targetRef="ended"', b'targetRef="nowhere"'))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.DeployResource(pb.DeployResourceRequest(resources=[broken]), timeout=10)
        # What it shows to whoever draws: the file, and what is wrong with it.
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "one-task.bpmn" in (error.value.details() or "")


async def test_over_rest(engine: EmbeddedEngine) -> None:
    async with httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False, timeout=30) as http:
        topology = (await http.get("/topology")).json()
        assert (topology["gatewayVersion"][:2], topology["brokers"][0]["partitions"][0]["health"]) == ("8.", "healthy")
        files = [("resources", ("one-task.bpmn", DIAGRAM, "application/octet-stream"))]
        deployed = (await http.post("/deployments", files=files)).json()["deployments"][0]["processDefinition"]
        start = {"processDefinitionKey": deployed["processDefinitionKey"], "variables": {"amount": 7}}
        key = (await http.post("/process-instances", json=start)).json()["processInstanceKey"]
        mine = {"filter": {"processInstanceKey": key}}
        instance = (await http.post("/process-instances/search", json=mine)).json()["items"][0]
        assert (instance["state"], instance["hasIncident"]) == ("ACTIVE", False)
        elements = (await http.post("/element-instances/search", json={**mine, "page": {"limit": 100}})).json()["items"]
        assert {one["elementId"]: one["state"] for one in elements} == {"started": "COMPLETED", "work": "ACTIVE"}
        variables = (await http.post("/variables/search", json=mine)).json()["items"]
        assert [(one["name"], one["value"]) for one in variables] == [("amount", "7")]
        for nothing in ("/incidents/search", "/user-tasks/search", "/message-subscriptions/search"):
            assert (await http.post(nothing, json=mine)).json()["items"] == []
        jobs = (await http.post("/jobs/search", json=mine)).json()["items"]
        assert (await http.post(f"/jobs/{jobs[0]['jobKey']}/completion", json={"variables": {}})).status_code == 204
        assert (await http.get(f"/process-instances/{key}")).json()["state"] == "COMPLETED"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in pieces"])
async def test_a_body_of_a_hundred_megabytes_is_refused_early(engine: EmbeddedEngine, announced: bool) -> None:
    host, _, port = engine.rest_address.rpartition("/")[2].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    how = f"Content-Length: {100 * 2**20}" if announced else "Transfer-Encoding: chunked"
    writer.write(f"POST /v2/process-instances/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{how}\r\n\r\n".encode())
    piece = b"x" * 2**20
    answer = asyncio.ensure_future(reader.readline())
    sent = 0
    while not answer.done() and sent < 100:
        writer.write(piece if announced else f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await asyncio.wait({answer, asyncio.ensure_future(writer.drain())}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        sent += 1
    async with asyncio.timeout(30):
        assert b" 413 " in await answer
    assert sent < 100, "it was taken in whole before it was refused"
    writer.close()
    async with httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False) as http:
        assert (await http.get("/status")).status_code == 204
