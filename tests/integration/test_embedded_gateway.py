"""Long polls and streams of the embedded engine's gRPC gateway, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import METHODS, GatewayStub
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.grpc_gateway.jobs import Jobs
from tests.support.diagrams import ONE_TASK

pytestmark = pytest.mark.engine


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine() as running:
        await running.bridge.execute(commands.deploy([("one-task.bpmn", ONE_TASK)]))
        yield running


@pytest.fixture
async def stub(engine: EmbeddedEngine) -> AsyncIterator[GatewayStub]:
    async with grpc.aio.insecure_channel(engine.grpc_address) as channel:
        yield GatewayStub(channel)


def polling(*, wait_ms: int, count: int = 10) -> pb.ActivateJobsRequest:
    return pb.ActivateJobsRequest(type="work", worker="test", timeout=60_000, maxJobsToActivate=count, requestTimeout=wait_ms)


async def start(engine: EmbeddedEngine, count: int = 1) -> None:
    for _ in range(count):
        await engine.bridge.execute(commands.create_instance(process_id="one-task"))


async def collect(stub: GatewayStub, request: pb.ActivateJobsRequest) -> list[int]:
    return [job.key async for answer in stub.ActivateJobs(request) for job in answer.jobs]


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_long_poll_waits_for_work(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    poll = asyncio.create_task(collect(stub, polling(wait_ms=30_000)))
    await until(lambda: "work" in engine.dispatch.served_types())
    assert not poll.done()
    await start(engine)
    assert len(await poll) == 1


async def test_an_empty_long_poll_ends_in_its_time(stub: GatewayStub) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await collect(stub, polling(wait_ms=200)) == []
    assert 0.15 < loop.time() - begun < 5


async def test_every_job_goes_to_one_poll_only(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    polls = [asyncio.create_task(collect(stub, polling(wait_ms=2_000, count=1))) for _ in range(20)]
    await until(lambda: "work" in engine.dispatch.served_types())
    await start(engine, 20)
    keys = [key for poll in polls for key in await poll]
    assert len(keys) == len(set(keys)) == 20


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_poll_keeps_no_job(engine: EmbeddedEngine, stub: GatewayStub, turns: int) -> None:
    """Whenever the caller leaves, from before the job exists until its answer is on its way, the job is there for the next one."""
    answers: Any = Jobs(engine.bridge, engine.dispatch).activate(polling(wait_ms=30_000))
    reading = asyncio.ensure_future(anext(answers))
    starting = asyncio.create_task(start(engine))
    for _ in range(turns):
        await asyncio.sleep(0.0005)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await answers.aclose()
    await starting
    assert len(await collect(stub, polling(wait_ms=5_000))) == 1


async def test_a_stream_gets_jobs_as_they_come_and_leaves_the_backlog_alone(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await start(engine, 2)
    stream = stub.StreamActivatedJobs(pb.StreamActivatedJobsRequest(type="work", worker="test", timeout=60_000))
    pushed = asyncio.create_task(stream.read())
    await until(lambda: "work" in engine.dispatch.served_types())
    await start(engine)
    async with asyncio.timeout(10):
        job = await pushed
    backlog = await collect(stub, polling(wait_ms=-1))
    assert len(backlog) == 2
    assert job.key not in backlog
    stream.cancel()


async def test_a_full_stream_leaves_jobs_to_polls(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    with engine.dispatch.streaming("work", "slow", 60_000, [], [], 3) as stream:
        await start(engine, 10)
        await until(lambda: stream.jobs.qsize() == 3)
        assert len(await collect(stub, polling(wait_ms=-1, count=100))) == 7
    # the stream is gone: what it had not sent comes back
    assert len(await collect(stub, polling(wait_ms=2_000, count=100))) >= 1


def one_task(variables: str) -> pb.CreateProcessInstanceRequest:
    return pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1, variables=variables)


@pytest.mark.parametrize(
    ("call", "request_message", "code", "words"),
    [
        ("CreateProcessInstance", pb.CreateProcessInstanceRequest(bpmnProcessId="no", version=-1), "NOT_FOUND", "none found"),
        ("CreateProcessInstance", pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", tenantId="t"), "INVALID_ARGUMENT", "tenant"),
        ("CreateProcessInstance", one_task("[1]"), "INVALID_ARGUMENT", "ARRAY"),
        ("CreateProcessInstance", one_task("{"), "INVALID_ARGUMENT", "Invalid JSON value: {"),
        ("CreateProcessInstance", one_task('{"x": NaN}'), "INVALID_ARGUMENT", "NaN"),
        ("CreateProcessInstance", one_task('{"a":' * 5000 + "1" + "}" * 5000), "INVALID_ARGUMENT", "deep"),
        ("CreateProcessInstance", one_task('{"x": ' + "9" * 30 + "}"), "INVALID_ARGUMENT", "variables"),
        ("CompleteJob", pb.CompleteJobRequest(jobKey=1), "NOT_FOUND", "no such job"),
        ("CompleteJob", pb.CompleteJobRequest(jobKey=1, result=pb.JobResult(type="what")), "INVALID_ARGUMENT", "what"),
        ("FailJob", pb.FailJobRequest(jobKey=1, retries=1), "NOT_FOUND", ""),
        ("CancelProcessInstance", pb.CancelProcessInstanceRequest(processInstanceKey=1), "NOT_FOUND", ""),
        ("ResolveIncident", pb.ResolveIncidentRequest(incidentKey=1), "NOT_FOUND", ""),
        ("EvaluateDecision", pb.EvaluateDecisionRequest(), "NOT_FOUND", "no decision found"),
        ("DeployResource", pb.DeployResourceRequest(resources=[pb.Resource(name="x.bpmn", content=b"<no")]), "INVALID_ARGUMENT", "x.bpmn"),
    ],
)  # fmt: skip
async def test_bad_calls_get_the_gateways_codes(stub: GatewayStub, call: str, request_message: Any, code: str, words: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(stub, call)(request_message)
    assert refused.value.code().name == code
    assert words in (refused.value.details() or "")


@pytest.mark.parametrize(
    "request_message",
    [
        pb.ActivateJobsRequest(type="", worker="w", timeout=1, maxJobsToActivate=1),
        pb.ActivateJobsRequest(type="work", worker="w", timeout=0, maxJobsToActivate=1),
        pb.ActivateJobsRequest(type="work", worker="w", timeout=1, maxJobsToActivate=1, tenantIds=["other"]),
    ],
)
async def test_bad_polls_are_refused(stub: GatewayStub, request_message: pb.ActivateJobsRequest) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await collect(stub, request_message)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def answer_code(call: Any, *, streaming: bool) -> grpc.StatusCode:
    try:
        await (call.read() if streaming else call)
    except grpc.aio.AioRpcError as error:
        return error.code()
    call.cancel()
    return grpc.StatusCode.OK


async def test_every_call_of_the_protocol_is_served(engine: EmbeddedEngine) -> None:
    async with grpc.aio.insecure_channel(engine.grpc_address) as channel:
        stub = GatewayStub(channel)
        for method in METHODS.values():
            request = method.request()
            answered = await answer_code(getattr(stub, method.name)(request), streaming=method.streaming)
            assert answered not in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL), method.name
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1  # SERVING
