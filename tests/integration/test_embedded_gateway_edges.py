"""The gRPC gateway at its edges: large and broken messages, streams that are only half there, fairness, callers that leave."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import SERVICE, GatewayStub
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from tests.support.diagrams import ONE_TASK

pytestmark = pytest.mark.engine

MEGABYTE = 1024 * 1024
_SETTINGS, _PING, _GOAWAY, _ACK = 4, 6, 7, 1
"""Types and a flag of frames (RFC 9113, section 6)."""
_ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine() as running:
        await running.bridge.execute(commands.deploy([("one-task.bpmn", ONE_TASK)]))
        yield running


@pytest.fixture
async def channel(engine: EmbeddedEngine) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(engine.grpc_address, options=_ANY_SIZE) as opened:
        yield opened


@pytest.fixture
def stub(channel: Any) -> Any:
    return GatewayStub(channel)


def starting(size: int) -> pb.CreateProcessInstanceRequest:
    return pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1, variables=json.dumps({"x": "x" * size}))


def frame(kind: int, *, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


def polling(wait_ms: int = -1, count: int = 1) -> pb.ActivateJobsRequest:
    return pb.ActivateJobsRequest(type="work", worker="w", timeout=60_000, maxJobsToActivate=count, requestTimeout=wait_ms)


async def activated(stub: Any, request: pb.ActivateJobsRequest, **options: Any) -> list[pb.ActivatedJob]:
    return [job async for answer in stub.ActivateJobs(request, **options) for job in answer.jobs]


async def start(engine: EmbeddedEngine, count: int) -> None:
    for _ in range(count):
        await engine.bridge.execute(commands.create_instance(process_id="one-task"))


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        async with asyncio.timeout(30):
            await call
    return error.value.code()


async def test_a_message_near_the_limit_goes_through_and_comes_back(stub: Any) -> None:
    await stub.CreateProcessInstance(starting(MEGABYTE))
    (job,) = await activated(stub, polling(5_000))
    assert len(json.loads(job.variables)["x"]) == MEGABYTE


@pytest.mark.parametrize(
    ("size", "code"),
    [(4 * MEGABYTE - 1000, grpc.StatusCode.INVALID_ARGUMENT), (4 * MEGABYTE + 1000, grpc.StatusCode.RESOURCE_EXHAUSTED)],
)
async def test_a_message_beyond_the_limit_is_refused_and_the_gateway_lives(stub: Any, size: int, code: grpc.StatusCode) -> None:
    assert await refused(stub.CreateProcessInstance(starting(size))) is code
    await stub.CreateProcessInstance(starting(10))


async def test_bytes_that_are_no_message_are_refused(channel: Any, stub: Any) -> None:
    raw = channel.unary_unary(f"/{SERVICE}/CompleteJob")
    assert await refused(raw(b"\xff\xff\xff\xff")) is grpc.StatusCode.INTERNAL
    assert await refused(channel.unary_unary(f"/{SERVICE}/Nothing")(b"")) is grpc.StatusCode.UNIMPLEMENTED
    await stub.Topology(pb.TopologyRequest())


@pytest.mark.parametrize("method", ["CreateProcessInstance", "ActivateJobs", "StreamActivatedJobs"])
async def test_a_call_that_ends_without_a_message_is_answered(channel: Any, stub: Any, method: str) -> None:
    call = channel.stream_unary(f"/{SERVICE}/{method}")(request_iterator=iter(()))
    assert await refused(call) is not grpc.StatusCode.OK
    await stub.Topology(pb.TopologyRequest())


async def test_a_call_that_never_says_anything_holds_nobody_up(channel: Any, stub: Any, engine: EmbeddedEngine) -> None:
    async def silence() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    silent = [channel.stream_unary(f"/{SERVICE}/ActivateJobs")(request_iterator=silence()) for _ in range(50)]
    await start(engine, 1)
    assert len(await activated(stub, polling(5_000))) == 1
    for call in silent:
        call.cancel()


async def test_streams_take_turns(engine: EmbeddedEngine, stub: Any) -> None:
    taken: Counter[str] = Counter()

    async def stream(worker: str) -> None:
        async for job in stub.StreamActivatedJobs(pb.StreamActivatedJobsRequest(type="work", worker=worker, timeout=60_000)):
            taken[job.worker] += 1

    streams = [asyncio.create_task(stream(worker)) for worker in ("a", "b", "c")]
    await until(lambda: engine.dispatch.served_types() == {"work"})
    await asyncio.sleep(0.1)  # all three are registered a moment after the first
    await start(engine, 30)
    await until(lambda: taken.total() == 30)
    assert set(taken.values()) == {10}
    for one in streams:
        one.cancel()


async def test_the_poll_that_waits_longest_is_served_first(engine: EmbeddedEngine, stub: Any) -> None:
    served: list[int] = []

    async def poll(number: int) -> None:
        await activated(stub, polling(20_000))
        served.append(number)

    polls: list[asyncio.Task[None]] = []
    for number in range(5):
        polls.append(asyncio.create_task(poll(number)))
        await asyncio.sleep(0.05)  # in this order
    for expected in range(1, 6):
        await start(engine, 1)
        await until(lambda expected=expected: len(served) == expected)
    assert served == [0, 1, 2, 3, 4]


async def test_a_callers_deadline_ends_its_poll_and_loses_no_job(engine: EmbeddedEngine, stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await activated(stub, polling(30_000), timeout=0.2)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await start(engine, 1)
    assert len(await activated(stub, polling(5_000))) == 1


async def test_many_polls_that_are_cancelled_leave_nothing_behind(engine: EmbeddedEngine, stub: Any) -> None:
    polls = [asyncio.create_task(activated(stub, polling(60_000, count=2))) for _ in range(200)]
    await until(lambda: engine.dispatch.served_types() == {"work"})
    for poll in polls[::2]:
        poll.cancel()
    await start(engine, 20)
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    given = [job.key for poll in polls if not poll.cancelled() and poll.exception() is None for job in poll.result()]
    for key in given:
        await stub.CompleteJob(pb.CompleteJobRequest(jobKey=key))
    # An answer that was on the wire when its caller left is nobody's: such a job comes back when its timeout is over.
    engine.clock.jump(120_000)
    async with asyncio.timeout(60):
        while len(given) < 20:
            for job in await activated(stub, polling(1_000, count=50)):
                given.append(job.key)
                await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key))
    assert len(given) == len(set(given)) == 20
    assert await activated(stub, polling(-1, count=50)) == []


async def test_a_client_that_pings_often_is_not_hung_up_on(engine: EmbeddedEngine) -> None:
    """pyzeebe, zbctl and the Java client ping every 45 s, also with nothing under way; here it is as much, without the waiting."""
    host, _, port = engine.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    pings = 50
    frames = [frame(_PING, payload=number.to_bytes(8, "big")) for number in range(pings)]
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS) + b"".join(frames))
    answered: set[bytes] = set()
    async with asyncio.timeout(30):
        while len(answered) < pings:
            head = await reader.readexactly(9)
            kind, flags, payload = head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))
            assert kind != _GOAWAY, payload
            if kind == _PING and flags & _ACK:
                answered.add(payload)
    writer.close()
    await writer.wait_closed()


async def test_a_long_poll_lives_through_its_clients_pings(engine: EmbeddedEngine) -> None:
    options = [("grpc.keepalive_time_ms", 20), ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
    async with grpc.aio.insecure_channel(engine.grpc_address, options=options) as channel:
        poll = asyncio.ensure_future(activated(GatewayStub(channel), polling(20_000)))
        await asyncio.sleep(1.0)  # some fifty pings
        assert not poll.done()
        await start(engine, 1)
        assert len(await poll) == 1


async def test_a_command_that_grows_too_large_is_refused_with_a_reason(stub: Any) -> None:
    if not Settings().engine_version.startswith("8.8."):
        pytest.skip("newer engines write the variables of a new instance once: it does not grow")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.CreateProcessInstance(starting(3 * MEGABYTE))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "larger than a batch of the engine's log" in (error.value.details() or "")
