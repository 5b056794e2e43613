"""More than a worker can take, and handlers that hold it up (rows 5, 8, 9, 10, 14 of the fault list)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from bench.fake_gateway import GatewayProcess, fake_gateway
from bench.probes import memory
from camunda_workers import Client, JobContext, Router, WorkerRunner, worker
from camunda_workers.settings import Settings
from camunda_workers.worker.polling import Polling
from tests.faults.conftest import Cases
from tests.support.job_gateway import JobEngine, eventually
from tests.support.virtual_loop import run_in_virtual_time

POLLING = Polling(request_timeout=timedelta(seconds=2))


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayProcess]:
    async with fake_gateway() as running:
        yield running


async def test_5_a_job_that_is_delivered_twice_at_once_runs_once() -> None:
    engine = JobEngine()
    runs: list[int] = []
    go_on = asyncio.Event()

    @worker("work")
    async def work(job: JobContext) -> None:
        runs.append(job.key)
        await go_on.wait()

    async with WorkerRunner(engine, [Router(work)], polling=POLLING) as runner:
        for _ in range(3):
            # The same job again: through the stream and a poll, or after a gateway lost its memory.
            engine.add("work", key=77)
        stats = runner.stats["work"]
        await eventually(lambda: stats.duplicates == 2)
        go_on.set()
        await engine.all_ended()
        await eventually(lambda: stats.running == 0)
    assert runs == [77]
    assert [ended.call for ended in engine.ended] == ["complete"]


async def test_8_fifty_thousand_pushed_jobs_and_a_slow_function(gateway: GatewayProcess) -> None:
    cap, running, most = 32, 0, 0

    @worker("pushed", max_running=cap)
    async def slow(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1

    async with (
        Client(settings=Settings(grpc_address=gateway.address)) as client,
        WorkerRunner(client, [Router(slow)], polling=POLLING) as runner,
    ):
        stats = runner.stats["pushed"]
        await gateway.order("joined", "pushed")
        await gateway.order("add", ["pushed", 64, '{"number": 1}'])
        await eventually(lambda: stats.completed == 64, timeout=20)
        before = memory()
        await gateway.order("add", ["pushed", 50_000, '{"number": 1}'])
        await eventually(lambda: stats.completed >= 1_000, timeout=30)
        grown = memory() - before
        # Jobs that lie in buffers here are activated, and time out there: all but a few stay with the engine.
        held = (await gateway.order("stats"))["pushed"] - stats.pushed
    assert held < 500
    assert most == cap
    assert stats.most_running == cap
    assert stats.pushed > 0
    assert grown < 50


@pytest.mark.engine
async def test_9_a_backlog_drains_and_nothing_new_starves(cases: Cases) -> None:
    await cases.start(150)
    order: list[int] = []

    @worker("work", max_running=4)
    async def work(number: int, job: JobContext) -> None:
        order.append(number)
        cases.ledger.ran(job.element_instance_key, number)
        cases.ledger.effect(job.element_instance_key, number)
        await asyncio.sleep(0.002)

    async with WorkerRunner(cases.client, [Router(work)], polling=POLLING):
        # New cases all the time while the backlog drains.
        await cases.start(150)
        verdict = await cases.settled(cap=4)
    assert (verdict.effects, verdict.finished) == (300, 300)
    place = {number: index for index, number in enumerate(order)}
    # The oldest are not served last, and the newest not only after all others.
    assert max(place[number] for number in range(1, 76)) < 299
    assert min(place[number] for number in range(151, 301)) < 299


@pytest.mark.engine
async def test_10_functions_that_block_hold_up_neither_other_types_nor_the_exit(cases: Cases) -> None:
    release = threading.Event()
    stuck = 0

    @worker("work", max_running=2)
    def blocks(number: int) -> None:
        nonlocal stuck
        stuck += 1
        release.wait(60)

    other = JobEngine()

    @worker("other")
    async def goes_on() -> None:
        pass

    async with (
        WorkerRunner(other, [Router(goes_on)], polling=POLLING),
        WorkerRunner(cases.client, [Router(blocks)], polling=POLLING, drain_timeout=timedelta(milliseconds=200)) as runner,
    ):
        await cases.start(2)
        await eventually(lambda: stuck == 2)
        for _ in range(50):
            other.add("other")
        await other.all_ended(50)
        assert runner.stats["work"].running == 2
        began = time.monotonic()
    assert time.monotonic() - began < 8
    release.set()

    @worker("work")
    async def work(number: int, job: JobContext) -> None:
        cases.ledger.effect(job.element_instance_key, number)

    # What was stuck was given back, with its retries.
    async with WorkerRunner(cases.client, [Router(work)], polling=POLLING):
        verdict = await cases.settled()
    assert (verdict.effects, (await cases.counts())["incident"]) == (2, 0)


async def test_10_a_blocked_loop_is_told_with_the_line_that_blocks_it() -> None:
    engine = JobEngine()

    @worker("work")
    async def blocks() -> None:
        time.sleep(2.5)  # noqa: ASYNC251 - that is the fault

    with structlog.testing.capture_logs() as logs:
        async with WorkerRunner(engine, [Router(blocks)], polling=POLLING):
            engine.add("work")
            await engine.all_ended(timeout=15)
    (alarm,) = [line for line in logs if line["event"] == "loop.blocked"]
    assert "test_load.py" in alarm["where"]


def many_types(count: int) -> Router:
    def one(name: str) -> Any:
        @worker(name)
        async def nothing() -> None:
            pass

        return nothing

    return Router(*(one(f"type-{number}") for number in range(count)))


def test_14_many_workers_that_start_together_do_not_ask_together() -> None:
    """500 workers that are started in one moment: their first requests are spread over the jitter. In virtual time, so that it is exact."""
    first: dict[str, float] = {}

    class Watched(JobEngine):
        async def activate_jobs(self, type: str, **options: Any) -> Any:
            first.setdefault(type, asyncio.get_running_loop().time())
            return await super().activate_jobs(type, **options)

    async def run() -> None:
        polling = Polling(start_jitter=timedelta(seconds=2), streaming=False)
        async with WorkerRunner(Watched(), [many_types(500)], polling=polling, loop_alarm=None):
            await asyncio.sleep(3)

    run_in_virtual_time(run())
    assert len(first) == 500
    tenths = Counter(int(moment * 10) for moment in first.values())
    # In an even spread a tenth of a second sees 25 of them; all at once would be 500.
    assert max(tenths.values()) < 60
    assert max(first.values()) <= 2.0


async def test_14_many_workers_on_one_gateway(gateway: GatewayProcess) -> None:
    """The same over the wire: each of 500 types is asked for, over one connection, and none is refused."""
    polling = Polling(start_jitter=timedelta(milliseconds=500), streaming=False)
    async with Client(settings=Settings(grpc_address=gateway.address)) as client:
        async with WorkerRunner(client, [many_types(500)], polling=polling) as runner:
            async with asyncio.timeout(60):
                while (await gateway.order("stats"))["polls"] < 500:
                    await asyncio.sleep(0.05)
            assert sum(stats.failed_polls for stats in runner.stats.values()) == 0
