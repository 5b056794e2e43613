"""Who may call a broker: tokens are asked for before searches, before what is passed on over REST, and before gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.broker.forward_grpc import GrpcForward
from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.auth.tokens import TokenGuard
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.issuer_keys import KeyRing
from camunda_workers.errors import ConfigurationError
from tests.support.diagrams import ONE_TASK
from tests.support.oidc_provider import AUDIENCE, OidcProvider, oidc_provider
from tests.support.processes import engine_process

Asked = list[tuple[str, str]]
POLL: dict[str, Any] = {"type": "work", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 1}


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with oidc_provider() as running:
        yield running


def _bearer(token: str) -> Asked:
    return [("authorization", f"Bearer {token}")]


def _bad(provider: OidcProvider) -> dict[str, Asked]:
    return {
        "nobody": [],
        "expired": _bearer(provider.mint({"exp": 1_000_000})),
        "for somebody else": _bearer(provider.mint({"aud": "somebody-else"})),
        "of another issuer": _bearer(provider.mint({"iss": "http://localhost:1"})),
        "no token": _bearer("x"),
    }


@asynccontextmanager
async def _in_front_of(address: str, door: Door) -> AsyncGenerator[str]:
    forward = GrpcForward(door)
    try:
        forward.open(0)
        yield await forward.serve(address)
    finally:
        await forward.close()
        await forward.close()


async def _code(call: Any) -> tuple[grpc.StatusCode, str]:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


async def _jobs(stub: Any, good: Asked, wait: int) -> list[int]:
    request = pb.ActivateJobsRequest(**POLL, requestTimeout=wait)
    return [job.key async for answer in stub.ActivateJobs(request, metadata=good) for job in answer.jobs]


@pytest.mark.engine
async def test_grpc_is_asked_for_a_token_and_passed_on_as_it_is(provider: OidcProvider) -> None:
    guard = TokenGuard(KeyRing(provider.issuer), issuer=provider.issuer, audiences=[AUDIENCE])
    good = _bearer(provider.mint({"sub": "ann"}))
    # Any gateway will do for what is behind; this one is there at once.
    async with (
        EmbeddedEngine() as engine,
        _in_front_of(engine.grpc_address, Door(guard=guard)) as address,
        grpc.aio.insecure_channel(address) as channel,
        grpc.aio.insecure_channel(engine.grpc_address) as behind,
    ):
        stub: Any = GatewayStub(channel)
        for what, asked in _bad(provider).items():
            code, words = await _code(stub.Topology(pb.TopologyRequest(), metadata=asked, timeout=10))
            assert (code, bool(words)) == (grpc.StatusCode.UNAUTHENTICATED, True), what
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING

        resources = [pb.Resource(name="one.bpmn", content=ONE_TASK)]
        deployed = await stub.DeployResource(pb.DeployResourceRequest(resources=resources), metadata=good)
        assert deployed.deployments[0].process.bpmnProcessId == "one-task"
        # A refusal is the broker's own, word by word.
        unknown = pb.CreateProcessInstanceRequest(bpmnProcessId="nobody-knows-it", version=-1)
        refused = await _code(stub.CreateProcessInstance(unknown, metadata=good))
        assert refused == await _code(GatewayStub(behind).CreateProcessInstance(unknown))
        assert refused[0] is grpc.StatusCode.NOT_FOUND
        assert (await _code(channel.unary_unary("/nobody.Knows/It")(b"", metadata=good)))[0] is grpc.StatusCode.UNIMPLEMENTED

        # Who hangs up takes no job with it; who waits gets the next one.
        leaving = stub.ActivateJobs(pb.ActivateJobsRequest(**POLL, requestTimeout=60_000), metadata=good)
        async with asyncio.timeout(30):
            while "work" not in engine.dispatch.served_types():
                await asyncio.sleep(0.01)
            assert leaving.cancel()
            while "work" in engine.dispatch.served_types():
                await asyncio.sleep(0.01)
        waiting = asyncio.create_task(_jobs(stub, good, 60_000))
        await stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1), metadata=good)
        async with asyncio.timeout(30):
            (key,) = await waiting
        await stub.CompleteJob(pb.CompleteJobRequest(jobKey=key), metadata=good)
        late = stub.CreateProcessInstanceWithResult(
            pb.CreateProcessInstanceWithResultRequest(
                request=pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1), requestTimeout=60_000
            ),
            metadata=good,
            timeout=0.3,
        )
        assert (await _code(late))[0] is grpc.StatusCode.DEADLINE_EXCEEDED

        with pytest.raises(ConfigurationError, match=r"gRPC port \d+ is taken"):
            GrpcForward(Door(guard=guard)).open(int(address.rpartition(":")[2]))


@pytest.mark.engine
async def test_a_broker_that_does_not_answer_is_unavailable(unused_tcp_port: int) -> None:
    async with _in_front_of(f"127.0.0.1:{unused_tcp_port}", Door()) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = GatewayStub(channel)
        assert (await _code(stub.Topology(pb.TopologyRequest(), timeout=20)))[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.broker
@pytest.mark.timeout(400)
async def test_a_broker_behind_tokens(provider: OidcProvider, tmp_path: Path) -> None:
    options = (
        "--engine",
        "broker",
        "--data",
        str(tmp_path / "data"),
        "--auth",
        "oidc",
        "--issuer",
        provider.issuer,
        "--audience",
        AUDIENCE,
    )
    good = _bearer(provider.mint({"sub": "ann", "groups": ["claims"]}))
    async with (
        engine_process(*options, seconds=300) as ready,
        httpx.AsyncClient(base_url=f"{ready['rest']}/v2", trust_env=False, timeout=60) as http,
        grpc.aio.insecure_channel(ready["grpc"]) as channel,
    ):
        stub: Any = GatewayStub(channel)
        assert ready["auth"] == "oidc"
        assert ready["grpc"] != ready["broker_grpc"]
        files = [("resources", ("one.bpmn", ONE_TASK))]
        # A search, which is answered here, and commands, which are passed on.
        requests: dict[str, dict[str, Any]] = {
            "/process-instances/search": {"json": {}},
            "/process-instances": {"json": {"processDefinitionId": "one-task"}},
            "/jobs/activation": {"json": POLL},
            "/deployments": {"files": files},
        }
        for what, asked in _bad(provider).items():
            for path, content in requests.items():
                refused = await http.post(path, headers=asked, **content)
                said = refused.json()
                assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json"), (what, path)
                assert (said["type"], said["title"], said["status"], said["instance"]) == ("about:blank", "Unauthorized", 401, f"/v2{path}")
                assert refused.headers["www-authenticate"].startswith("Bearer ")
            assert (await _code(stub.Topology(pb.TopologyRequest(), metadata=asked, timeout=10)))[0] is grpc.StatusCode.UNAUTHENTICATED, (
                what
            )

        http.headers.update(dict(good))
        me = (await http.get("/authentication/me")).json()
        assert (me["username"], me["groups"]) == ("ann", ["claims"])
        assert (await http.post("/deployments", files=files)).status_code == 200
        started = await stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1), metadata=good)
        wanted = {"filter": {"processInstanceKey": str(started.processInstanceKey)}}
        async with asyncio.timeout(60):
            while not (await http.post("/process-instances/search", json=wanted)).json()["items"]:
                await asyncio.sleep(0.05)
        (key,) = await _jobs(stub, good, 30_000)
        assert (await http.post(f"/jobs/{key}/completion", json={})).status_code == 204
