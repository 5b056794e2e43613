"""Replies are lost, engines refuse, networks come and go (rows 2, 3, 6, 7 of the fault list)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest

from bench.fake_gateway import FakeGateway, served
from camunda_workers import Client, JobContext, Router, WorkerRunner, worker
from camunda_workers.client import BackOff
from camunda_workers.client.channel import channel_options, parse_target
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.settings import Settings
from camunda_workers.worker.polling import Polling
from tests.faults.conftest import Cases
from tests.support.fault_proxy import FaultProxy, Weather, fault_proxy
from tests.support.job_gateway import eventually
from tests.support.ledger import Ledger
from tests.support.scripted_engine import Refuse, ScriptedGateway, Wait, scripted_gateway

QUICK = BackOff(attempts=2, first=0.01, longest=0.05)
POLLING = Polling(request_timeout=timedelta(seconds=2), back_off=BackOff(first=0.02, longest=0.5))


def through(address: str, **more: Any) -> Client:
    """A client whose way to the engine is the proxy."""
    return Client(settings=Settings(grpc_address=address, request_timeout=2.0), back_off=QUICK, **more)


def noting(ledger: Ledger, **options: Any) -> Any:
    """A worker that writes down each run."""

    @worker("work", **options)
    async def work(number: int, job: JobContext) -> dict[str, int]:
        ledger.ran(job.element_instance_key, number)
        ledger.effect(job.element_instance_key, number)
        return {"done": number}

    return work


@pytest.mark.engine
async def test_2_the_completion_is_taken_and_its_reply_is_lost(cases: Cases, proxy: FaultProxy) -> None:
    @worker("work")
    async def work(number: int, job: JobContext) -> None:
        cases.ledger.ran(job.element_instance_key, number)
        cases.ledger.effect(job.element_instance_key, number)
        proxy.lose_next_reply()

    async with through(proxy.address) as client, WorkerRunner(client, [Router(work)], polling=POLLING):
        for _ in range(10):
            await cases.start()
            await cases.settled()
        verdict = await cases.settled()
    assert proxy.lost_replies > 0
    assert (verdict.runs, verdict.effects, verdict.finished) == (10, 10, 10)
    assert await cases.jobs("COMPLETED") == 10
    assert await cases.jobs("FAILED") == 0


def one_job(key: int, **fields: Any) -> tuple[pb.ActivateJobsResponse]:
    job = pb.ActivatedJob(key=key, type="work", retries=3, variables='{"number": 1}', customHeaders="{}", elementInstanceKey=key, **fields)
    return (pb.ActivateJobsResponse(jobs=[job]),)


REFUSALS = [
    Refuse(grpc.StatusCode.UNAVAILABLE, "io exception"),
    Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "Reached maximum capacity of requests handled"),
    Refuse(grpc.StatusCode.INTERNAL, "Unexpected error occurred"),
    Refuse(grpc.StatusCode.DEADLINE_EXCEEDED, "Time out between gateway and broker"),
    Refuse(grpc.StatusCode.UNAUTHENTICATED, "token expired"),
    Refuse(grpc.StatusCode.PERMISSION_DENIED, "not now"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.status.name)
async def test_3_a_refused_completion_is_sent_again_and_the_function_runs_once(ledger: Ledger, refusal: Refuse) -> None:
    async with scripted_gateway() as gateway:
        gateway.script("StreamActivatedJobs", Refuse(grpc.StatusCode.UNIMPLEMENTED))
        gateway.script("ActivateJobs", one_job(7), Wait())
        gateway.script("CompleteJob", refusal, refusal, refusal, pb.CompleteJobResponse())
        async with through(gateway.address) as client, WorkerRunner(client, [Router(noting(ledger))], polling=POLLING) as runner:
            await eventually(lambda: runner.stats["work"].completed == 1, timeout=15)
    assert ledger.runs_of(7) == 1
    assert len(gateway.sent("CompleteJob")) == 4
    assert gateway.sent("FailJob") == []


async def test_3_an_engine_that_refuses_until_the_deadline_leaves_the_job_to_its_timeout(ledger: Ledger) -> None:
    async with scripted_gateway() as gateway:
        gateway.script("StreamActivatedJobs", Refuse(grpc.StatusCode.UNIMPLEMENTED))
        gateway.script("ActivateJobs", one_job(7), Wait())
        gateway.script("CompleteJob", REFUSALS[0])
        short = noting(ledger, timeout=timedelta(seconds=1), extend=False)
        async with through(gateway.address) as client, WorkerRunner(client, [Router(short)], polling=POLLING) as runner:
            stats = runner.stats["work"]
            await eventually(lambda: stats.running == 0 and stats.unreported + stats.late == 1, timeout=15)
    assert ledger.runs_of(7) == 1
    assert gateway.sent("FailJob") == []


@pytest.mark.engine
@pytest.mark.timeout(120)
async def test_6_twenty_flaps_and_a_long_absence(cases: Cases, proxy: FaultProxy) -> None:
    async with through(proxy.address) as client, WorkerRunner(client, [Router(noting(cases.ledger))], polling=POLLING) as runner:
        stats = runner.stats["work"]
        await eventually(lambda: stats.polls + stats.streams > 0)
        for _ in range(20):
            proxy.weather = Weather.DOWN
            proxy.cut()
            tries = proxy.connections
            # Down for as long as it takes to be noticed, not for a guess.
            await eventually(lambda tries=tries: proxy.connections > tries, timeout=15)
            await cases.start(2)
            proxy.weather = Weather.FAIR
            await cases.settled(within=20)
        # Away for longer than any back-off, then back: nobody has given up, and recovery takes one back-off at most.
        proxy.weather = Weather.DOWN
        proxy.cut()
        await cases.start(10)
        await asyncio.sleep(8)
        proxy.weather = Weather.FAIR
        began = asyncio.get_running_loop().time()
        verdict = await cases.settled(within=15)
        assert asyncio.get_running_loop().time() - began < 5 + POLLING.back_off.longest + 2
    assert (verdict.effects, verdict.finished) == (50, 50)
    assert (await cases.counts())["incident"] == 0


async def test_7_a_black_hole_is_noticed_within_keep_alive(ledger: Ledger) -> None:
    """The network swallows everything and closes nothing. gRPC's pings notice; here they are sent each second instead of each 45."""
    loop = asyncio.get_running_loop()
    gateway = FakeGateway()
    async with served(gateway) as address, fault_proxy(address) as proxy:
        # The client's own options, with seconds for its minutes.
        shorter = {"grpc.keepalive_time_ms": 1_000, "grpc.keepalive_timeout_ms": 1_000, "grpc.http2.ping_timeout_ms": 1_000}
        options = [(name, shorter.get(name, value)) for name, value in channel_options(parse_target(address))]
        assert set(shorter) <= {name for name, _ in options}
        patient = Polling(request_timeout=timedelta(minutes=5), back_off=POLLING.back_off)
        async with grpc.aio.insecure_channel(proxy.address, options=options) as channel, Client(channel=channel) as client:
            async with WorkerRunner(client, [Router(noting(ledger))], polling=patient) as runner:
                for number in range(1, 4):
                    gateway.add("work", 1, f'{{"number": {number}}}')
                    await eventually(lambda number=number: runner.stats["work"].completed == number, timeout=15)
                    before, began = proxy.connections, loop.time()
                    proxy.swallow()
                    await eventually(lambda before=before: proxy.connections > before, timeout=15)
                    assert loop.time() - began < 6
    assert ledger.count("runs") == 3


@pytest.mark.engine
async def test_a_slow_network_loses_nothing(cases: Cases, proxy: FaultProxy) -> None:
    proxy.delay = 0.02
    async with through(proxy.address) as client, WorkerRunner(client, [Router(noting(cases.ledger))], polling=POLLING):
        await cases.start(40)
        verdict = await cases.settled()
    assert (verdict.runs, verdict.effects, verdict.finished) == (40, 40, 40)


async def test_a_gateway_that_ends_every_stream_at_once_is_not_asked_in_a_hot_loop(ledger: Ledger) -> None:
    async with scripted_gateway() as gateway:
        gateway.script("StreamActivatedJobs", Refuse(grpc.StatusCode.UNAVAILABLE, "draining"))
        gateway.script("ActivateJobs", Refuse(grpc.StatusCode.UNAVAILABLE, "draining"))
        async with through(gateway.address) as client, WorkerRunner(client, [Router(noting(ledger))], polling=POLLING):
            # Enough for the waits to have grown to their longest.
            await eventually(lambda: len(gateway.calls) >= 20, timeout=20)
            began, before = asyncio.get_running_loop().time(), len(gateway.calls)
            await eventually(lambda: len(gateway.calls) >= before + 10, timeout=20)
            # Two tell each other nothing: the stream and the poller, each with a quarter of a second at least between two tries.
            assert (len(gateway.calls) - before) / (asyncio.get_running_loop().time() - began) < 12
    assert isinstance(gateway, ScriptedGateway)
