"""The embedded engine as a whole: start, stop, several at once, time, records, idleness."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc.aio
import pytest

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import ConfigurationError, DeadlineExceeded, EngineUnavailable, InvalidArgument, InvalidState, NotFound
from tests.support.diagrams import ONE_TASK, process, sequence, service_task, timer, user_task

pytestmark = pytest.mark.engine


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine() as running:
        yield running


@pytest.fixture
async def stub(engine: EmbeddedEngine) -> AsyncIterator[GatewayStub]:
    async with grpc.aio.insecure_channel(engine.grpc_address) as channel:
        yield GatewayStub(channel)


async def deploy(engine: EmbeddedEngine, *resources: bytes) -> None:
    await engine.bridge.execute(commands.deploy((f"{number}.bpmn", content) for number, content in enumerate(resources)))


async def records(engine: EmbeddedEngine, *, value_type: str | None = None) -> list[dict[str, object]]:
    everything = [json.loads(record) for record in await engine.records.read(0, 100_000)]
    return [record for record in everything if value_type in (None, record["valueType"])]


def polling(job_type: str, *, wait_ms: int = -1, count: int = 10) -> pb.ActivateJobsRequest:
    return pb.ActivateJobsRequest(type=job_type, worker="test", timeout=60_000, maxJobsToActivate=count, requestTimeout=wait_ms)


async def activate(stub: GatewayStub, job_type: str, *, wait_ms: int = 5_000, count: int = 10) -> list[pb.ActivatedJob]:
    return [job async for answer in stub.ActivateJobs(polling(job_type, wait_ms=wait_ms, count=count)) for job in answer.jobs]


async def test_an_instance_runs_from_start_to_end(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await deploy(engine, ONE_TASK)
    creation = pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1, variables='{"x": 1, "ü": [1.5, null]}')
    result: Any = stub.CreateProcessInstanceWithResult(pb.CreateProcessInstanceWithResultRequest(request=creation))
    (job,) = await activate(stub, "work")
    assert json.loads(job.variables) == {"x": 1, "ü": [1.5, None]}
    assert (job.elementId, job.retries, job.kind) == ("work", 3, pb.ActivatedJob.BPMN_ELEMENT)
    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables='{"y": 2}'))
    assert json.loads((await result).variables) == {"x": 1, "ü": [1.5, None], "y": 2}


async def test_engines_side_by_side_do_not_see_each_other(engine: EmbeddedEngine) -> None:
    await deploy(engine, ONE_TASK)
    async with EmbeddedEngine() as other:
        assert other.grpc_address != engine.grpc_address
        with pytest.raises(NotFound, match="process ID 'one-task'"):
            await other.bridge.execute(commands.create_instance(process_id="one-task"))
        await engine.bridge.execute(commands.create_instance(process_id="one-task"))


@pytest.mark.parametrize("state", ["memory", "rocksdb"])
async def test_both_kinds_of_state_run_a_process(state: str) -> None:
    async with EmbeddedEngine(state=state) as engine:  # pyright: ignore[reportArgumentType]
        await deploy(engine, ONE_TASK)
        answer = await engine.bridge.execute(commands.create_instance(process_id="one-task"))
        assert answer.value["processInstanceKey"] > 0


async def test_many_engines_leave_no_threads_behind(engine: EmbeddedEngine) -> None:
    async def one() -> None:
        async with EmbeddedEngine() as fresh:
            await deploy(fresh, ONE_TASK)

    from camunda_workers.engine.embedded.java import jpype

    count = jpype.JClass("java.lang.Thread").activeCount
    await one()
    before, python_before = int(count()), threading.active_count()
    for _ in range(25):
        await one()
    # The few threads that wait for Java are made when first needed, and stay: at most eight, for all engines together.
    assert int(count()) <= before + 8
    assert threading.active_count() <= python_before + 8


async def test_time_moves_forward_through_every_due_time(engine: EmbeddedEngine) -> None:
    await deploy(engine, process("waits", sequence(timer("first", "PT24H"), timer("second", "PT24H"), timer("third", "PT24H"))))
    await engine.bridge.execute(commands.create_instance(process_id="waits"))
    await engine.advance(timedelta(hours=49))
    triggered = [record for record in await records(engine, value_type="TIMER") if record["intent"] == "TRIGGERED"]
    assert [record["value"]["targetElementId"] for record in triggered] == ["first", "second"]  # pyright: ignore
    first, second = (record["timestamp"] for record in triggered)
    assert 24 * 3600_000 <= second - first < 24 * 3600_000 + 60_000  # pyright: ignore


async def test_time_does_not_go_backwards(engine: EmbeddedEngine) -> None:
    with pytest.raises(InvalidArgument, match="backwards"):
        await engine.advance(timedelta(hours=-1))


async def test_a_job_past_its_deadline_is_handed_out_again(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await deploy(engine, ONE_TASK)
    await engine.bridge.execute(commands.create_instance(process_id="one-task"))
    (job,) = await activate(stub, "work")
    with pytest.raises(DeadlineExceeded, match="work"):
        await engine.settle(timeout=0.2)  # the job is still held
    engine.clock.jump(62_000)
    (again,) = await activate(stub, "work")
    assert (again.key, again.retries) == (job.key, job.retries)


async def test_back_off_holds_a_failed_job_back(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await deploy(engine, ONE_TASK)
    await engine.bridge.execute(commands.create_instance(process_id="one-task"))
    (job,) = await activate(stub, "work")
    await stub.FailJob(pb.FailJobRequest(jobKey=job.key, retries=2, errorMessage="busy", retryBackOff=3_600_000))
    assert await activate(stub, "work", wait_ms=-1) == []
    await engine.advance(timedelta(minutes=61))
    (again,) = await activate(stub, "work", wait_ms=-1)
    assert again.retries == 2


async def test_records_are_read_once_in_order_from_any_position(engine: EmbeddedEngine) -> None:
    await deploy(engine, ONE_TASK)
    for _ in range(5):
        await engine.bridge.execute(commands.create_instance(process_id="one-task"))
    await engine.settle()
    whole = [json.loads(record)["position"] for record in await engine.records.read(0, 100_000)]
    assert whole == sorted(set(whole))
    pieces: list[int] = []
    while batch := await engine.records.read(pieces[-1] if pieces else 0, 7):
        assert len(batch) <= 7
        pieces += [json.loads(record)["position"] for record in batch]
    assert pieces == whole
    assert [json.loads(r)["position"] for r in await engine.records.read(whole[3], 2)] == whole[4:6]


async def test_a_reader_is_woken_by_new_records(engine: EmbeddedEngine) -> None:
    await deploy(engine, ONE_TASK)
    await engine.settle()
    last = json.loads((await engine.records.read(0, 100_000))[-1])["position"]
    assert not await engine.records.wait(last, 0.05)
    waiting = asyncio.create_task(engine.records.wait(last, 5))
    await deploy(engine, ONE_TASK)
    assert await waiting


async def test_idle_is_exact(engine: EmbeddedEngine) -> None:
    await deploy(engine, ONE_TASK)
    starts = [asyncio.create_task(engine.bridge.execute(commands.create_instance(process_id="one-task"))) for _ in range(50)]
    await asyncio.sleep(0)
    await engine.settle()
    assert await engine.is_idle()
    assert all(start.done() or not start.cancelled() for start in starts)
    created = [r for r in await records(engine, value_type="PROCESS_INSTANCE_CREATION") if r["intent"] == "CREATED"]
    assert len(created) == 50
    await asyncio.gather(*starts)


async def test_a_listener_denies_with_its_reason(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await deploy(engine, process("approval", sequence(user_task("approve", group="approvers", listener=("completing", "check")))))
    await engine.bridge.execute(commands.create_instance(process_id="approval"))
    await engine.settle()
    task = next(r["key"] for r in await records(engine, value_type="USER_TASK") if r["intent"] == "CREATED")
    assert isinstance(task, int)
    await engine.bridge.execute(commands.assign_user_task(task, "ada"))
    completion = asyncio.create_task(engine.bridge.execute(commands.complete_user_task(task, EMPTY)))
    (job,) = await activate(stub, "check")
    assert job.kind == pb.ActivatedJob.TASK_LISTENER
    assert job.listenerEventType == pb.ActivatedJob.COMPLETING
    assert (job.userTask.assignee, list(job.userTask.candidateGroups), job.userTask.userTaskKey) == ("ada", ["approvers"], task)
    result = pb.JobResult(type="userTask", denied=True, deniedReason="four eyes")
    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, result=result))
    with pytest.raises(InvalidState, match="four eyes"):
        await completion


async def test_a_listener_corrects_a_task(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await deploy(engine, process("approval", sequence(user_task("approve", listener=("assigning", "route")))))
    await engine.bridge.execute(commands.create_instance(process_id="approval"))
    await engine.settle()
    task = next(r["key"] for r in await records(engine, value_type="USER_TASK") if r["intent"] == "CREATED")
    assert isinstance(task, int)
    assigning = asyncio.create_task(engine.bridge.execute(commands.assign_user_task(task, "ada")))
    (job,) = await activate(stub, "route")
    corrections = pb.JobResultCorrections(priority=90, candidateGroups=pb.StringList(values=["seniors"]))
    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, result=pb.JobResult(type="userTask", corrections=corrections)))
    await assigning
    corrected = [r for r in await records(engine, value_type="USER_TASK") if r["intent"] == "ASSIGNED"][-1]
    assert corrected["value"]["priority"] == 90  # pyright: ignore
    assert corrected["value"]["candidateGroupsList"] == ["seniors"]  # pyright: ignore


async def test_a_stopped_engine_answers_unavailable() -> None:
    engine = EmbeddedEngine()
    await engine.start()
    await deploy(engine, ONE_TASK)
    async with grpc.aio.insecure_channel(engine.grpc_address) as channel:
        stub = GatewayStub(channel)
        long_poll = asyncio.create_task(activate(stub, "nobody", wait_ms=60_000))
        await activate(stub, "nobody", wait_ms=-1)
        bridge = engine.bridge
        await engine.stop()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await long_poll
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(EngineUnavailable, match="stopped"):
        await bridge.execute(commands.create_instance(process_id="one-task"))
    with pytest.raises(EngineUnavailable, match="not running"):
        _ = engine.bridge
    await engine.stop()


async def test_a_taken_port_is_named(engine: EmbeddedEngine) -> None:
    port = int(engine.grpc_address.rsplit(":", 1)[1])
    with pytest.raises(ConfigurationError, match=f"port {port} is taken"):
        await EmbeddedEngine(grpc_port=port).start()


async def test_headers_and_tags_reach_the_worker(engine: EmbeddedEngine, stub: GatewayStub) -> None:
    await deploy(engine, process("tagged", sequence(service_task("tell", "tell", headers={"template": "paid"}))))
    await engine.bridge.execute(commands.create_instance(process_id="tagged", tags=["businessId:CLM-1"]))
    (job,) = await activate(stub, "tell")
    assert json.loads(job.customHeaders) == {"template": "paid"}
    assert list(job.tags) == ["businessId:CLM-1"]
