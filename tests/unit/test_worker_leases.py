"""Leases (8.10): each try of a job is marked by the engine, and a late word about a superseded one is final."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.message import Message

from camunda_workers import BpmnError, Client, JobContext, Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.settings import Settings
from camunda_workers.worker.polling import Polling
from tests.support.job_gateway import JobEngine, eventually
from tests.support.scripted_engine import Refuse, Reply, Wait, scripted_gateway, scripted_rest

POLLING = Polling(request_timeout=timedelta(seconds=2))

PUBLISHED: dict[type[Message], dict[str, int]] = {
    pb.ActivateJobsRequest: {"withLease": 9},
    pb.StreamActivatedJobsRequest: {"withLease": 8},
    pb.ActivatedJob: {"priority": 19, "businessId": 20, "jobLeaseToken": 21},
    pb.CompleteJobRequest: {"jobLeaseToken": 4},
    pb.FailJobRequest: {"jobLeaseToken": 6},
    pb.ThrowErrorRequest: {"jobLeaseToken": 5},
    pb.UpdateJobRetriesRequest: {"jobLeaseToken": 4},
    pb.UpdateJobTimeoutRequest: {"jobLeaseToken": 4},
}
"""Numbers in Camunda's published description of its gRPC API (docs.camunda.io, Zeebe API RPCs, 8.10)."""


class Cold(BpmnError):
    code = "COLD"


@pytest.mark.parametrize("message", PUBLISHED, ids=lambda message: message.DESCRIPTOR.name)
def test_fields_have_the_numbers_that_camunda_publishes(message: type[Message]) -> None:
    numbers = {field.name: field.number for field in message.DESCRIPTOR.fields}
    assert {name: numbers[name] for name in PUBLISHED[message]} == PUBLISHED[message]


async def test_every_word_about_a_leased_job_carries_its_lease() -> None:
    engine = JobEngine()

    @worker("work", lease=True, errors=[Cold], timeout=timedelta(seconds=1))
    async def work(how: str, job: JobContext) -> None:
        assert job.lease_token == f"lease of {job.key}"
        if how == "fail":
            raise ValueError("no")
        if how == "error":
            raise Cold("too cold")
        if how == "long":
            await asyncio.sleep(0.8)

    async with WorkerRunner(engine, [Router(work)], polling=POLLING) as runner:
        for key, how in enumerate(("complete", "fail", "error", "long"), start=1):
            engine.add("work", {"how": how}, key=key, jobLeaseToken=f"lease of {key}")
        await engine.all_ended(4)
        stats = runner.stats["work"]
        assert (stats.refused, stats.already_resolved) == (0, 0)
        assert stats.extended >= 1
    assert sorted(ended.call for ended in engine.ended) == ["complete", "complete", "fail", "throw"]


async def test_a_lease_that_is_somebody_elses_by_now_is_final() -> None:
    engine = JobEngine()
    started, go_on = asyncio.Event(), asyncio.Event()

    @worker("work", lease=True)
    async def work() -> None:
        started.set()
        await go_on.wait()

    async with WorkerRunner(engine, [Router(work)], polling=POLLING) as runner:
        engine.add("work", key=7, jobLeaseToken="first")
        await started.wait()
        # It timed out there and went to another worker.
        engine.active[7] = pb.ActivatedJob(key=7, type="work", jobLeaseToken="second")
        go_on.set()
        await eventually(lambda: runner.stats["work"].already_resolved == 1)
        assert runner.stats["work"].running == 0
    assert engine.ended == []
    assert engine.attempts["fail_job"] == 0


async def test_a_job_that_comes_back_to_where_it_runs_is_reported_with_its_new_lease() -> None:
    engine = JobEngine()
    started, go_on = asyncio.Event(), asyncio.Event()

    @worker("work", lease=True)
    async def work() -> None:
        started.set()
        await go_on.wait()

    async with WorkerRunner(engine, [Router(work)], polling=POLLING) as runner:
        engine.add("work", key=7, jobLeaseToken="first")
        await started.wait()
        engine.add("work", key=7, jobLeaseToken="second")
        await eventually(lambda: runner.stats["work"].duplicates == 1)
        go_on.set()
        await engine.all_ended()
    assert [ended.call for ended in engine.ended] == ["complete"]


async def test_leases_on_the_wire() -> None:
    job = pb.ActivatedJob(
        key=5, type="work", retries=3, variables="{}", customHeaders="{}", jobLeaseToken="L", businessId="CLM-1", priority=70
    )
    seen: list[Any] = []

    @worker("work", lease=True, stream=False)
    async def work(job: JobContext) -> None:
        seen.append((job.lease_token, job.business_id, job.priority))

    async with scripted_gateway() as gateway:
        gateway.script("ActivateJobs", (pb.ActivateJobsResponse(jobs=[job]),), Wait())
        gateway.script("CompleteJob", Refuse(grpc.StatusCode.FAILED_PRECONDITION, "lease token does not match"))
        async with Client(settings=Settings(grpc_address=gateway.address)) as client:
            async with WorkerRunner(client, [Router(work)], polling=POLLING) as runner:
                await eventually(lambda: runner.stats["work"].already_resolved == 1)
        assert all(request.withLease for request in gateway.sent("ActivateJobs"))
        assert [request.jobLeaseToken for request in gateway.sent("CompleteJob")] == ["L"]
        assert gateway.sent("FailJob") == []
    assert seen == [("L", "CLM-1", 70)]


@pytest.mark.parametrize("name", ["jobLeaseToken", "leaseToken"])
async def test_over_rest_a_lease_goes_back_under_the_name_it_came_with(name: str) -> None:
    async with scripted_gateway() as gateway, scripted_rest() as rest:
        for path in ("5/completion", "5/failure", "5/error", "6/completion"):
            rest.script(f"POST /v2/jobs/{path}", Reply(204))
        job: dict[str, Any] = {
            "jobKey": "5",
            "type": "work",
            "retries": 3,
            "variables": {},
            name: "L",
            "businessId": "CLM-1",
            "priority": 70,
        }
        rest.script("POST /v2/jobs/activation", Reply(200, {"jobs": [job]}))
        settings = Settings(grpc_address=gateway.address, rest_address=rest.address)
        async with Client(settings=settings) as client:
            jobs = client.jobs_over_rest()
            (got,) = await jobs.activate_jobs("work", worker="w", timeout=timedelta(seconds=1), max_jobs=1, with_lease=True)
            assert (got.jobLeaseToken, got.businessId, got.priority) == ("L", "CLM-1", 70)
            await jobs.complete_job(5, {}, lease_token=got.jobLeaseToken)
            await jobs.fail_job(5, retries=1, lease_token="L")
            await jobs.throw_error(5, "COLD", lease_token="L")
            await jobs.complete_job(6, {})
            await jobs.activate_jobs("work", worker="w", timeout=timedelta(seconds=1), max_jobs=1)
        bodies = [(asked.path.rpartition("/")[2], asked.body) for asked in rest.asked]
    assert [(path, body.get(name)) for path, body in bodies[1:4]] == [("completion", "L"), ("failure", "L"), ("error", "L")]
    assert bodies[0][1]["withLease"] is True
    # A gateway before 8.10 refuses fields that it does not know.
    assert "withLease" not in bodies[5][1]
    assert set(bodies[4][1]) == {"variables"}


async def test_an_engine_without_leases_is_told_of_once_and_worked_for_all_the_same() -> None:
    engine = JobEngine()

    @worker("work", lease=True)
    async def work() -> None:
        pass

    with structlog.testing.capture_logs() as logs:
        async with WorkerRunner(engine, [Router(work)], polling=POLLING):
            for _ in range(3):
                engine.add("work")
            await engine.all_ended(3)
    assert [line["event"] for line in logs].count("worker.no_lease") == 1
    assert {ended.call for ended in engine.ended} == {"complete"}
