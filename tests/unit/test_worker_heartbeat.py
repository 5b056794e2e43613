"""Long jobs: extended in time, ended at their limit, dropped when too late; and what blocks the loop is named."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

from structlog.testing import capture_logs

from camunda_workers import JobContext, Router, WorkerRunner, worker
from camunda_workers.client.retry import BackOff
from camunda_workers.errors import EngineUnavailable, NotFound
from camunda_workers.worker.polling import Polling
from tests.support.job_gateway import JobEngine, eventually

QUICK = Polling(request_timeout=timedelta(seconds=5), back_off=BackOff(first=0.002, longest=0.01))
SHORT = timedelta(seconds=0.6)


async def test_a_running_job_is_extended_before_its_timeout() -> None:
    engine = JobEngine()

    @worker("long", timeout=SHORT)
    async def long(job: JobContext) -> None:
        await asyncio.sleep(1.5)
        assert not job.is_cancelled()

    key = engine.add("long")
    engine.script("update_job_timeout", None, EngineUnavailable("away"))
    async with WorkerRunner(engine, [Router(long)], polling=QUICK) as runner:
        await engine.all_ended(1)
    assert engine.outcome(key).call == "complete"
    assert len(engine.extended) >= 3
    assert set(engine.extended) == {(key, SHORT)}
    assert runner.stats["long"].extended == len(engine.extended)


async def test_a_blocking_function_in_a_thread_is_extended_too() -> None:
    engine = JobEngine()

    @worker("long", timeout=SHORT)
    def long() -> None:
        time.sleep(1.0)

    engine.add("long")
    async with WorkerRunner(engine, [Router(long)], polling=QUICK):
        await engine.all_ended(1)
    assert engine.ended[0].call == "complete"
    assert engine.extended


async def test_a_result_that_comes_too_late_is_dropped_and_counted() -> None:
    engine = JobEngine()

    @worker("late", timeout=timedelta(seconds=0.05), extend=False)
    async def late() -> None:
        await asyncio.sleep(0.1)

    engine.add("late")
    async with WorkerRunner(engine, [Router(late)], polling=QUICK) as runner:
        await eventually(lambda: runner.stats["late"].late == 1)
    assert engine.ended == []
    assert engine.extended == []


async def test_a_job_that_was_taken_away_is_cancelled_for_its_function_and_extended_no_more() -> None:
    engine = JobEngine()
    told = asyncio.Event()
    engine.script("update_job_timeout", NotFound("cancelled"))

    @worker("gone", timeout=SHORT)
    async def gone(job: JobContext) -> None:
        while not job.is_cancelled():
            await asyncio.sleep(0.01)
        told.set()
        await asyncio.sleep(0.2)

    engine.add("gone")
    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(gone)], polling=QUICK):
            async with asyncio.timeout(2):
                await told.wait()
            await asyncio.sleep(0.4)
    assert sum(1 for line in logs if line["event"] == "job.taken_away") == 1
    assert engine.extended == []


async def test_a_job_that_hangs_is_failed_at_its_limit_and_its_thread_replaced() -> None:
    engine = JobEngine()
    release = threading.Event()

    @worker("hang", max_running=1, timeout=SHORT, longest=timedelta(seconds=0.2))
    def hang(stuck: bool) -> None:
        if stuck:
            release.wait(10)

    @worker("endless", timeout=SHORT, longest=timedelta(seconds=0.2))
    async def endless() -> None:
        await asyncio.sleep(3600)

    stuck = engine.add("hang", {"stuck": True})
    fine = engine.add("hang", {"stuck": False})
    asleep = engine.add("endless")
    async with WorkerRunner(engine, [Router(hang, endless)], polling=QUICK):
        await engine.all_ended(3)
        release.set()
    for key in (stuck, asleep):
        ended = engine.outcome(key)
        assert (ended.call, ended.retries) == ("fail", 2)
        assert "ran longer than its limit of 0:00:00.2" in ended.message
    assert engine.outcome(fine).call == "complete"


async def test_an_idle_worker_has_no_heartbeat() -> None:
    engine = JobEngine()

    @worker("idle", timeout=timedelta(seconds=0.06))
    async def idle() -> None: ...

    engine.add("idle")
    async with WorkerRunner(engine, [Router(idle)], polling=QUICK) as runner:
        await engine.all_ended(1)
        await asyncio.sleep(0.1)
        assert runner.stats["idle"].extended == 0
    assert engine.extended == []


async def test_what_blocks_the_loop_is_named_while_it_blocks() -> None:
    engine = JobEngine()

    @worker("blocking")
    async def blocking() -> None:
        time.sleep(1.5)  # noqa: ASYNC251 - the mistake that is to be found

    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(blocking)], polling=QUICK, loop_alarm=timedelta(seconds=0.1)) as runner:
            engine.add("blocking")
            await engine.all_ended(1)
            await eventually(lambda: any(line["event"] == "loop.runs_again" for line in logs))
            assert runner.loop_lag is not None
            assert runner.loop_lag.alarms >= 1
            assert runner.loop_lag.longest > 0.5
    (alarm,) = [line for line in logs if line["event"] == "loop.blocked"][:1]
    assert "test_worker_heartbeat.py" in alarm["where"]
    assert "in blocking" in alarm["where"]
