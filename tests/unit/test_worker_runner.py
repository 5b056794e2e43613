"""Whole workers against an engine in memory: fetching, cap, failures on the way, resources, stopping."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any

import pytest
from structlog.testing import capture_logs

from camunda_workers import ConfigurationError, JobContext, Provided, Router, WorkerRunner, run_workers, worker
from camunda_workers.client.retry import BackOff
from camunda_workers.errors import BackPressure, EngineUnavailable, PermissionDenied
from camunda_workers.worker.poller import Polling
from tests.support.job_gateway import JobEngine, eventually

QUICK = Polling(request_timeout=timedelta(seconds=5), back_off=BackOff(first=0.002, longest=0.01), streaming=False)


@worker("greet")
async def greet(name: str) -> dict[str, str]:
    return {"greeting": f"Hello {name}"}


async def test_jobs_are_fetched_run_and_reported() -> None:
    engine = JobEngine()
    keys = [engine.add("greet", {"name": str(number)}) for number in range(100)]
    async with WorkerRunner(engine, [Router(greet)], name="me", polling=QUICK) as runner:
        await engine.all_ended(100)
        late = engine.add("greet", {"name": "late"})
        await engine.all_ended(101)
        assert runner.stats["greet"].most_running <= 32
    assert engine.outcome(keys[7]).variables == {"greeting": "Hello 7"}
    assert engine.outcome(late).variables == {"greeting": "Hello late"}
    assert {asked.worker for asked in engine.asked} == {"me"}
    assert engine.asked[0].fetch_variables == ("name",)
    assert max(asked.max_jobs for asked in engine.asked) == 32
    # Large requests, not one for each job.
    assert len(engine.asked) < 30
    stats = runner.stats["greet"]
    assert (stats.activated, stats.completed, stats.running) == (101, 101, 0)


@pytest.mark.parametrize("cap", [1, 3, 32])
async def test_the_cap_is_held_exactly_and_used_fully(cap: int) -> None:
    engine = JobEngine(hands_out_too_many=2)
    running = most = 0
    full = asyncio.Event()

    @worker("slow", max_running=cap)
    async def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == cap:
            full.set()
        # Nobody ends before all places have been taken once, however slow the machine is.
        await full.wait()
        await asyncio.sleep(0.001)
        running -= 1

    for _ in range(cap * 6):
        engine.add("slow")
    async with WorkerRunner(engine, [Router(slow)], polling=QUICK) as runner:
        await engine.all_ended(cap * 6, timeout=20)
    assert most == cap
    # What came beyond the cap went back, without using up a retry.
    returned = [ended for ended in engine.ended if ended.call == "fail"]
    assert all((ended.retries, ended.message) == (3, "the worker is stopping") for ended in returned)
    assert runner.stats["slow"].returned == len(returned)


async def test_long_jobs_do_not_starve_short_ones() -> None:
    engine = JobEngine()
    release = asyncio.Event()

    @worker("mixed", max_running=10)
    async def mixed(long: bool) -> None:
        if long:
            await release.wait()

    for _ in range(6):
        engine.add("mixed", {"long": True})
    async with WorkerRunner(engine, [Router(mixed)], polling=QUICK):
        await eventually(lambda: engine.waiting("mixed") == 0)
        for _ in range(20):
            engine.add("mixed", {"long": False})
        await engine.all_ended(20)
        release.set()


async def test_errors_of_the_engine_do_not_stop_it_and_are_forgotten() -> None:
    engine = JobEngine()
    engine.script("activate_jobs", *[EngineUnavailable("gone")] * 12, None, BackPressure("busy"), PermissionDenied("no"))
    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(greet)], polling=QUICK) as runner:
            engine.add("greet", {"name": "a"})
            await engine.all_ended(1)
            engine.add("greet", {"name": "b"})
            await engine.all_ended(2)
            await eventually(lambda: runner.stats["greet"].failed_polls == 14)
    failures = [line["failures"] for line in logs if line["event"] == "worker.poll_failed"]
    assert failures == [1, 2, 4, 8, 1, 2]
    assert [line["failures"] for line in logs if line["event"] == "worker.poll_recovered"][:1] == [12]


async def test_one_types_denial_stops_no_other() -> None:
    engine = JobEngine()
    real = engine.activate_jobs

    async def denied(type: str, **options: Any) -> Any:
        if type == "forbidden":
            raise PermissionDenied("not for you")
        return await real(type, **options)

    engine.activate_jobs = denied  # type: ignore[method-assign]

    @worker("forbidden")
    async def forbidden() -> None: ...

    engine.add("greet", {"name": "a"})
    async with WorkerRunner(engine, [Router(forbidden, greet)], polling=QUICK) as runner:
        await engine.all_ended(1)
        await eventually(lambda: runner.stats["forbidden"].failed_polls > 3)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_nothing_a_function_raises_stops_the_worker(error: BaseException) -> None:
    engine = JobEngine()

    @worker("mean")
    async def mean(fine: bool) -> None:
        if not fine:
            raise error

    async with WorkerRunner(engine, [Router(mean)], polling=QUICK):
        engine.add("mean", {"fine": False})
        await engine.all_ended(1)
        key = engine.add("mean", {"fine": True})
        await engine.all_ended(2)
    assert engine.ended[0].call == "fail"
    assert engine.outcome(key).call == "complete"


async def test_malformed_variables_are_an_incident_and_the_worker_goes_on() -> None:
    engine = JobEngine()
    bad = [
        engine.add("greet", text) for text in ('{"name": NaN}', "{", '{"name": ' + "[" * 10_000 + "]" * 10_000 + "}", "[]", '{"nam": "x"}')
    ]
    good = engine.add("greet", {"name": "x"})
    async with WorkerRunner(engine, [Router(greet)], polling=QUICK):
        await engine.all_ended(6)
    assert all((engine.outcome(key).call, engine.outcome(key).retries) == ("fail", 0) for key in bad)
    assert engine.outcome(good).call == "complete"


async def test_an_engine_that_does_not_wait_for_jobs_is_not_asked_all_the_time() -> None:
    engine = JobEngine()
    real = engine.activate_jobs

    async def at_once(type: str, **options: Any) -> Any:
        options["request_timeout"] = timedelta(0)
        return await real(type, **options)

    engine.activate_jobs = at_once  # type: ignore[method-assign]
    async with WorkerRunner(engine, [Router(greet)], polling=QUICK):
        await asyncio.sleep(0.3)
        assert len(engine.asked) < 15
        engine.add("greet", {"name": "x"})
        await engine.all_ended(1)


class Ledger:
    """A resource."""

    open = 0


@asynccontextmanager
async def open_ledger() -> AsyncGenerator[Ledger]:
    ledger = Ledger()
    ledger.open += 1
    try:
        yield ledger
    finally:
        ledger.open -= 1


@worker("book")
async def book(ledger: Annotated[Ledger, Provided], engine: Annotated[JobEngine, Provided]) -> dict[str, Any]:
    return {"open": ledger.open, "engine": len(engine.asked) > 0}


async def test_resources_are_opened_once_and_closed_after_the_last_job() -> None:
    engine = JobEngine()
    opened: list[Ledger] = []

    @asynccontextmanager
    async def factory() -> AsyncGenerator[Ledger]:
        async with open_ledger() as ledger:
            opened.append(ledger)
            yield ledger

    router = Router(book)
    router.provide(Ledger, factory)
    for _ in range(3):
        engine.add("book")
    async with WorkerRunner(engine, [router], polling=QUICK):
        await engine.all_ended(3)
    assert [ended.variables for ended in engine.ended] == [{"open": 1, "engine": True}] * 3
    assert [ledger.open for ledger in opened] == [0]


async def test_resources_may_come_from_another_router_or_be_given() -> None:
    other = Router(greet)
    other.provide(Ledger, open_ledger)
    engine = JobEngine()
    engine.add("book")
    async with WorkerRunner(engine, [Router(book), other], polling=QUICK):
        await engine.all_ended(1)
    assert engine.ended[0].variables["open"] == 1

    engine = JobEngine()
    engine.add("book")
    async with WorkerRunner(engine, [Router(book)], resources={Ledger: Ledger()}, polling=QUICK):
        await engine.all_ended(1)
    assert engine.ended[0].variables["open"] == 0


async def test_what_cannot_run_is_refused_before_anything_starts() -> None:
    engine = JobEngine()

    @worker("greet")
    async def second() -> None: ...

    with pytest.raises(ConfigurationError, match=r"nobody provides Ledger for parameter 'ledger'.*router\.provide\(Ledger"):
        WorkerRunner(engine, [Router(book)])
    with pytest.raises(ConfigurationError, match=r"two workers for job type 'greet': .*greet and .*second"):
        WorkerRunner(engine, [Router(greet), Router(second)])
    with pytest.raises(ConfigurationError, match="there is no worker to run"):
        WorkerRunner(engine, [Router()])
    router = Router(greet)
    runner = WorkerRunner(engine, [router, router])
    async with runner:
        pass
    with pytest.raises(ConfigurationError, match="runs once"):
        async with runner:
            pass


async def test_a_resource_that_cannot_be_opened_closes_those_before_it() -> None:
    closed: list[bool] = []

    @asynccontextmanager
    async def fine() -> AsyncGenerator[Ledger]:
        yield Ledger()
        closed.append(True)

    @asynccontextmanager
    async def broken() -> AsyncGenerator[threading.Event]:
        raise OSError("no")
        yield threading.Event()

    router = Router(book)
    router.provide(Ledger, fine)
    router.provide(threading.Event, broken)
    with pytest.raises(OSError, match="no"):
        async with WorkerRunner(JobEngine(), [router]):
            pass
    assert closed == [True]


async def test_stopping_lets_running_jobs_end() -> None:
    engine = JobEngine()
    go = asyncio.Event()

    @worker("slow", max_running=2)
    async def slow() -> None:
        await go.wait()

    for _ in range(4):
        engine.add("slow")
    async with WorkerRunner(engine, [Router(slow)], polling=QUICK) as runner:
        await eventually(lambda: runner.stats["slow"].running == 2)
        asyncio.get_running_loop().call_later(0.05, go.set)
    assert [ended.call for ended in engine.ended] == ["complete"] * 2
    assert engine.waiting("slow") == 2
    assert engine.active == {}


async def test_what_does_not_end_in_time_is_cancelled_and_returned_without_using_a_retry() -> None:
    engine = JobEngine()
    cancelled: list[bool] = []

    @worker("endless")
    async def endless(job: JobContext) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.append(job.is_cancelled())

    @worker("blocking")
    def blocking(job: JobContext) -> None:
        while not job.is_cancelled():
            time.sleep(0.005)

    @worker("stubborn")
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(0.2 if released.is_set() else 3600)
            except asyncio.CancelledError:
                continue
            break

    released = asyncio.Event()
    keys = [engine.add(job_type, retries=2) for job_type in ("endless", "blocking", "stubborn")]
    started = time.monotonic()
    async with WorkerRunner(engine, [Router(endless, blocking, stubborn)], drain_timeout=timedelta(seconds=0.1), polling=QUICK) as runner:
        await eventually(lambda: all(stats.running for stats in runner.stats.values()))
        asyncio.get_running_loop().call_later(1.0, released.set)
    assert time.monotonic() - started < 10
    for key in keys:
        ended = engine.outcome(key)
        assert (ended.call, ended.retries, ended.message, ended.back_off) == ("fail", 2, "the worker is stopping", timedelta(0))
    assert len(engine.ended) == 3
    assert cancelled == [True]
    assert sum(stats.returned for stats in runner.stats.values()) == 3


async def test_a_report_under_way_when_the_time_is_up_still_gets_through() -> None:
    engine = JobEngine()
    engine.script("complete_job", *[EngineUnavailable("gone")] * 3)
    engine.add("greet", {"name": "x"})
    async with WorkerRunner(engine, [Router(greet)], drain_timeout=timedelta(0), polling=QUICK):
        await eventually(lambda: engine.attempts["complete_job"] >= 1)
    assert [ended.call for ended in engine.ended] == ["complete"]


async def test_jobs_that_arrive_while_it_stops_go_back() -> None:
    engine = JobEngine()
    real = engine.activate_jobs
    arrived = asyncio.Event()

    async def at_the_last_moment(type: str, **options: Any) -> Any:
        try:
            return await real(type, **options)
        except asyncio.CancelledError:
            # The answer was on its way when the request was cancelled.
            engine.add("greet", {"name": "x"})
            arrived.set()
            return await real(type, **options)

    engine.activate_jobs = at_the_last_moment  # type: ignore[method-assign]
    async with WorkerRunner(engine, [Router(greet)], polling=QUICK) as runner:
        await eventually(lambda: engine.asked)
    assert arrived.is_set()
    assert [(ended.call, ended.retries) for ended in engine.ended] == [("fail", 3)]
    assert runner.stats["greet"].returned == 1


async def test_cancelling_the_block_hurries_but_returns_every_job() -> None:
    engine = JobEngine()

    @worker("endless")
    async def endless() -> None:
        await asyncio.sleep(3600)

    engine.add("endless")
    runner = WorkerRunner(engine, [Router(endless)], drain_timeout=timedelta(hours=1), polling=QUICK)

    async def block() -> None:
        async with runner:
            await asyncio.sleep(3600)

    task = asyncio.create_task(block())
    await eventually(lambda: runner.stats["endless"].running)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(ended.call, ended.retries) for ended in engine.ended] == [("fail", 3)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_a_second_one_hurries(number: signal.Signals) -> None:
    engine = JobEngine()
    before = signal.getsignal(number)

    @worker("endless")
    async def endless() -> None:
        await asyncio.sleep(3600)

    engine.add("endless")
    running = asyncio.create_task(run_workers(engine, [Router(endless)], drain_timeout=timedelta(hours=1), polling=QUICK))
    await eventually(lambda: engine.active)
    await asyncio.sleep(0.02)
    os.kill(os.getpid(), number)
    await asyncio.sleep(0.05)
    assert not running.done()
    os.kill(os.getpid(), number)
    await running
    assert [(ended.call, ended.retries) for ended in engine.ended] == [("fail", 3)]
    assert signal.getsignal(number) is before


async def test_run_workers_ends_when_told() -> None:
    engine = JobEngine()
    stop = asyncio.Event()
    engine.add("greet", {"name": "x"})
    running = asyncio.create_task(run_workers(engine, [Router(greet)], stop=stop, polling=QUICK))
    await engine.all_ended(1)
    stop.set()
    await running


async def test_signals_are_left_alone_outside_of_the_main_thread() -> None:
    engine = JobEngine()

    def in_a_thread() -> None:
        async def run() -> None:
            stop = asyncio.Event()
            stop.set()
            await run_workers(engine, [Router(greet)], stop=stop, polling=QUICK)

        asyncio.run(run())

    await asyncio.to_thread(in_a_thread)


async def test_the_log_says_what_happened_with_stable_keys() -> None:
    engine = JobEngine()

    @worker("fail")
    async def fail() -> None:
        raise ValueError("bad")

    engine.add("fail", retries=1, tags=["businessId:CLM-1"])
    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(fail)], polling=QUICK):
            await engine.all_ended(1)
    events = [line["event"] for line in logs]
    assert events == ["runner.started", "job.failed", "runner.stopping", "runner.stopped"]
    failed = logs[1]
    assert (failed["log_level"], failed["job_type"], failed["business_id"], failed["retries"]) == ("error", "fail", "CLM-1", 0)
    assert "ValueError" in failed["trace"]


async def test_plain_functions_do_not_share_their_threads_with_other_types() -> None:
    engine = JobEngine()
    release = threading.Event()

    @worker("stuck", max_running=8)
    def stuck() -> None:
        release.wait(5)

    @worker("free")
    def free() -> None: ...

    for _ in range(8):
        engine.add("stuck")
    async with WorkerRunner(engine, [Router(stuck, free)], polling=QUICK) as runner:
        await eventually(lambda: runner.stats["stuck"].running == 8)
        for _ in range(20):
            engine.add("free")
        await eventually(lambda: runner.stats["free"].completed == 20)
        release.set()
    assert runner.stats["stuck"].completed == 8
