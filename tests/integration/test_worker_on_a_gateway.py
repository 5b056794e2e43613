"""Workers with the real client over real gRPC, against a gateway that answers as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest

from camunda_workers import BpmnError, Client, Corrected, JobContext, Router, WorkerRunner, worker
from camunda_workers.client import BackOff
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.settings import Settings
from camunda_workers.worker.poller import Polling
from tests.support.job_gateway import eventually
from tests.support.scripted_engine import Refuse, ScriptedGateway, Wait, scripted_gateway

Code = grpc.StatusCode
QUICK = BackOff(attempts=2, first=0.01, longest=0.02)
POLLING = Polling(request_timeout=timedelta(seconds=5), back_off=QUICK, streaming=False)
LOST = Refuse(Code.UNAVAILABLE, "recvmsg: Connection reset by peer")
BUSY = Refuse(Code.RESOURCE_EXHAUSTED, "Reached maximum capacity of requests handled")


class NoCover(BpmnError):
    code = "NO_COVER"


@worker("check", errors=[NoCover], max_running=4)
async def check(number: str, job: JobContext) -> dict[str, str] | Corrected:
    if number == "none":
        raise NoCover("no policy", variables={"searched": number})
    if number == "broken":
        raise OSError("policy system away")
    if number == "extend":
        await job.extend(timedelta(minutes=10))
    if job.user_task is not None:
        return Corrected(candidate_groups=["claims"], assignee="")
    return {"policy": number}


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running


@pytest.fixture
async def client(gateway: ScriptedGateway) -> AsyncIterator[Client]:
    async with Client(settings=Settings(grpc_address=gateway.address, request_timeout=30.0), back_off=QUICK) as opened:
        yield opened


def jobs(*numbers: str, **fields: object) -> tuple[pb.ActivateJobsResponse]:
    made = [
        pb.ActivatedJob(key=key, type="check", retries=3, variables=json.dumps({"number": number}), customHeaders="{}", **fields)  # pyright: ignore[reportArgumentType]
        for key, number in enumerate(numbers, start=1)
    ]
    return (pb.ActivateJobsResponse(jobs=made),)


async def test_jobs_over_the_wire(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("ActivateJobs", jobs("A1", "none", "broken", "extend"), Wait())
    async with WorkerRunner(client, [Router(check)], name="tester", polling=POLLING) as runner:
        await eventually(lambda: runner.stats["check"].activated == 4 and runner.stats["check"].running == 0, timeout=20)
    request = gateway.sent("ActivateJobs")[0]
    assert (request.type, request.worker, request.timeout, request.maxJobsToActivate) == ("check", "tester", 60_000, 4)
    assert (list(request.fetchVariable), request.requestTimeout) == (["number"], 5_000)
    completed = {sent.jobKey: json.loads(sent.variables) for sent in gateway.sent("CompleteJob")}
    assert completed == {1: {"policy": "A1"}, 4: {"policy": "extend"}}
    (thrown,) = gateway.sent("ThrowError")
    assert (thrown.jobKey, thrown.errorCode, thrown.errorMessage, json.loads(thrown.variables)) == (
        2,
        "NO_COVER",
        "no policy",
        {"searched": "none"},
    )
    (failed,) = gateway.sent("FailJob")
    assert (failed.jobKey, failed.retries, failed.errorMessage) == (3, 2, "OSError: policy system away")
    assert 800 <= failed.retryBackOff <= 1_000
    (extended,) = gateway.sent("UpdateJobTimeout")
    assert (extended.jobKey, extended.timeout) == (4, 600_000)


async def test_a_listener_corrects_over_the_wire(gateway: ScriptedGateway, client: Client) -> None:
    listener = {
        "kind": pb.ActivatedJob.JobKind.TASK_LISTENER,
        "listenerEventType": pb.ActivatedJob.ListenerEventType.ASSIGNING,
        "userTask": pb.UserTaskProperties(assignee="ada"),
    }
    gateway.script("ActivateJobs", jobs("A1", **listener), Wait())
    async with WorkerRunner(client, [Router(check)], polling=POLLING) as runner:
        await eventually(lambda: runner.stats["check"].completed == 1)
    (sent,) = gateway.sent("CompleteJob")
    assert sent.result.type == "userTask"
    assert list(sent.result.corrections.candidateGroups.values) == ["claims"]
    assert sent.result.corrections.HasField("assignee")
    assert not sent.result.corrections.HasField("candidateUsers")


async def test_a_busy_or_broken_engine_gets_the_outcome_later_and_the_function_runs_once(gateway: ScriptedGateway, client: Client) -> None:
    runs: list[str] = []

    @worker("check")
    async def counted(number: str) -> None:
        runs.append(number)

    gateway.script("ActivateJobs", LOST, BUSY, Refuse(Code.PERMISSION_DENIED, "not you"), jobs("A1"), Wait())
    gateway.script("CompleteJob", BUSY, LOST, BUSY, BUSY, LOST, Refuse(Code.NOT_FOUND, "no such job"))
    async with WorkerRunner(client, [Router(counted)], polling=POLLING) as runner:
        await eventually(lambda: runner.stats["check"].already_resolved == 1, timeout=10)
    assert runs == ["A1"]
    assert len(gateway.sent("CompleteJob")) == 6
    assert gateway.sent("FailJob") == []


async def test_leaving_cancels_the_long_poll(gateway: ScriptedGateway, client: Client) -> None:
    gateway.script("ActivateJobs", Wait())
    async with WorkerRunner(client, [Router(check)], polling=POLLING):
        await eventually(lambda: gateway.sent("ActivateJobs"))
    async with asyncio.timeout(5):
        await gateway.cancelled.wait()
