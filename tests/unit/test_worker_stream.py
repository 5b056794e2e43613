"""Streaming beside polling: one cap, back-pressure, backlog, breaks, and nobody falls silent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from camunda_workers import Router, WorkerRunner, worker
from camunda_workers.client.retry import BackOff
from camunda_workers.errors import EngineUnavailable, NotSupported, PermissionDenied
from camunda_workers.worker.polling import NOW, Polling
from tests.support.job_gateway import JobEngine, eventually

QUICK = Polling(request_timeout=timedelta(seconds=5), back_off=BackOff(first=0.002, longest=0.01))


@worker("echo")
async def echo(number: int) -> dict[str, int]:
    return {"number": number}


async def test_pushed_jobs_run_and_one_poll_waits_beside_them() -> None:
    engine = JobEngine()
    async with WorkerRunner(engine, [Router(echo)], polling=QUICK) as runner:
        await eventually(lambda: engine.streams("echo") == 1 and len(engine.asked) == 2)
        for number in range(50):
            engine.add("echo", {"number": number})
            await asyncio.sleep(0)
        await engine.all_ended(50)
        stats = runner.stats["echo"]
        assert stats.pushed >= 40
        assert stats.activated == 50
    # First for the backlog, answered at once; then one that waits for one job and holds no place.
    assert [(asked.max_jobs, asked.request_timeout) for asked in engine.asked[:2]] == [(32, NOW), (1, QUICK.request_timeout)]


@pytest.mark.parametrize("cap", [1, 2, 16])
async def test_one_cap_counts_pushed_and_polled_and_the_stream_is_stalled(cap: int) -> None:
    engine = JobEngine()
    running = most = 0

    @worker("slow", max_running=cap)
    async def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.003)
        running -= 1

    for _ in range(cap * 5):
        engine.add("slow")
    async with WorkerRunner(engine, [Router(slow)], polling=QUICK) as runner:
        await eventually(lambda: engine.streams("slow"))
        for _ in range(cap * 5):
            engine.add("slow")
        await engine.all_ended(cap * 10, timeout=20)
        assert runner.stats["slow"].most_running == most == cap
    # The stream was read no further than one job in hand: its jobs waited at the engine, and the rest went to polls.
    assert runner.stats["slow"].pushed <= cap * 10
    assert engine.active == {}


async def test_a_backlog_is_drained_while_pushed_jobs_keep_all_places_busy() -> None:
    engine = JobEngine()

    @worker("busy", max_running=4)
    async def busy(old: bool) -> dict[str, bool]:
        await asyncio.sleep(0.004)
        return {"old": old}

    ended = engine.ended
    async with WorkerRunner(engine, [Router(busy)], polling=QUICK):
        await eventually(lambda: engine.streams("busy"))
        engine.pushes = False
        for _ in range(40):
            engine.add("busy", {"old": True})
        engine.pushes = True

        async def flood() -> None:
            while True:
                engine.add("busy", {"old": False})
                await asyncio.sleep(0.0005)

        flooding = asyncio.create_task(flood())
        await eventually(lambda: sum(1 for end in ended if end.variables.get("old")) == 40, timeout=15)
        flooding.cancel()
        engine._queues["busy"].clear()  # pyright: ignore[reportPrivateUsage]
    assert any(not end.variables.get("old", True) for end in ended)


async def test_the_stream_is_opened_when_the_backlog_is_drained() -> None:
    engine = JobEngine()
    for number in range(500):
        engine.add("echo", {"number": number})
    async with WorkerRunner(engine, [Router(echo)], polling=QUICK) as runner:
        await eventually(lambda: engine.streams("echo"))
        assert runner.stats["echo"].activated == 500
        await engine.all_ended(500)
    # Few large requests, each answered at once.
    assert len([asked for asked in engine.asked if asked.request_timeout == NOW]) < 60


async def test_a_stream_that_breaks_is_opened_again_and_polls_go_on_meanwhile() -> None:
    engine = JobEngine()
    engine.script("stream_jobs", *[EngineUnavailable("gone")] * 5)
    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(echo)], polling=QUICK) as runner:
            engine.add("echo", {"number": 1})
            await engine.all_ended(1)
            await eventually(lambda: engine.streams("echo") == 1)
            engine.break_streams("echo", EngineUnavailable("reset"))
            await eventually(lambda: runner.stats["echo"].streams == 7)
            engine.add("echo", {"number": 2})
            await engine.all_ended(2)
    broke = [line["failures"] for line in logs if line["event"] == "worker.stream_broke"]
    assert broke[:3] == [1, 2, 4]


async def test_places_held_by_a_long_poll_are_given_to_a_pushed_job() -> None:
    engine = JobEngine()
    engine.script("stream_jobs", *[EngineUnavailable("gone")] * 40)
    async with WorkerRunner(engine, [Router(echo)], polling=QUICK):
        engine.add("echo", {"number": 0})
        # The stream is away: the poll holds every place. Then it is back.
        await eventually(lambda: any(asked.request_timeout > timedelta(0) and asked.max_jobs == 32 for asked in engine.asked))
        await eventually(lambda: engine.streams("echo"))
        engine.add("echo", {"number": 1})
        await engine.all_ended(2, timeout=2)


async def test_an_engine_without_streams_is_polled() -> None:
    engine = JobEngine()
    engine.script("stream_jobs", NotSupported("no streams"))
    async with WorkerRunner(engine, [Router(echo)], polling=QUICK) as runner:
        await eventually(lambda: engine.asked)
        engine.add("echo", {"number": 1})
        await engine.all_ended(1)
        assert runner.stats["echo"].pushed == 0
        assert engine.streams("echo") == 0


async def test_a_worker_may_go_without_a_stream_and_for_its_own_tenants() -> None:
    engine = JobEngine()

    @worker("quiet", stream=False, tenants=["a", "b"])
    async def quiet() -> None: ...

    async with WorkerRunner(engine, [Router(quiet, echo)], polling=QUICK):
        await eventually(lambda: engine.streams("echo") and len(engine.asked) >= 3)
        assert engine.streams("quiet") == 0
    asked = {asked.type: asked for asked in engine.asked}
    assert (asked["quiet"].tenant_ids, asked["echo"].tenant_ids) == (("a", "b"), ())


async def test_stopping_gives_back_the_job_in_hand_and_those_on_their_way() -> None:
    engine = JobEngine()

    @worker("hold", max_running=1)
    async def hold() -> None:
        await asyncio.sleep(3600)

    async with WorkerRunner(engine, [Router(hold)], polling=QUICK, drain_timeout=timedelta(0)) as runner:
        await eventually(lambda: engine.streams("hold"))
        for _ in range(3):
            engine.add("hold")
        await eventually(lambda: runner.stats["hold"].running == 1 and runner.stats["hold"].pushed == 2)
    assert [(end.call, end.retries) for end in engine.ended] == [("fail", 3)] * 3
    assert engine.waiting("hold") == 0


async def test_a_job_that_waited_for_a_place_until_its_deadline_is_not_started() -> None:
    engine = JobEngine()
    release = asyncio.Event()
    runs: list[int] = []

    @worker("full", max_running=1, timeout=timedelta(seconds=0.1))
    async def full(number: int) -> None:
        runs.append(number)
        await release.wait()

    async with WorkerRunner(engine, [Router(full)], polling=QUICK) as runner:
        await eventually(lambda: engine.streams("full"))
        engine.add("full", {"number": 1})
        await eventually(lambda: runs)
        engine.add("full", {"number": 2})
        await asyncio.sleep(0.2)
        release.set()
        await eventually(lambda: runner.stats["full"].expired == 1)
    assert runs == [1]


async def test_the_same_job_delivered_twice_runs_once() -> None:
    engine = JobEngine()
    runs: list[int] = []
    release = asyncio.Event()

    @worker("twice")
    async def twice(number: int) -> None:
        runs.append(number)
        if number == 1:
            await release.wait()

    async with WorkerRunner(engine, [Router(twice)], polling=QUICK) as runner:
        key = engine.add("twice", {"number": 1})
        await eventually(lambda: runs)
        engine.deliver(engine.active[key])
        await eventually(lambda: runner.stats["twice"].duplicates == 1)
        release.set()
        await engine.all_ended(1)
        # A try that has failed comes back under the same key: that is no duplicate.
    assert runs == [1]
    assert runner.stats["twice"].running == 0


async def test_a_failed_job_that_comes_back_at_once_is_no_duplicate() -> None:
    engine = JobEngine()
    real = engine.fail_job
    runs: list[int] = []

    @worker("again")
    async def again(job_try: int = 0) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise OSError("away")

    async def fail_and_push(job_key: int, **options: Any) -> None:
        job = engine.active[job_key]
        await real(job_key, **options)
        # Before the answer to the command has been seen here.
        engine.deliver(job)
        await asyncio.sleep(0.01)

    engine.fail_job = fail_and_push  # type: ignore[method-assign]
    async with WorkerRunner(engine, [Router(again)], polling=QUICK) as runner:
        await eventually(lambda: engine.streams("again"))
        engine.add("again")
        await engine.all_ended(2)
        await eventually(lambda: runner.stats["again"].running == 0)
    assert [end.call for end in engine.ended] == ["fail", "complete"]


async def test_a_silent_worker_is_reported_makes_the_runner_unready_and_is_started_again() -> None:
    engine = JobEngine()
    real = engine.activate_jobs
    hang = True

    async def hanging(type: str, **options: Any) -> Any:
        if hang and type == "echo":
            await asyncio.sleep(3600)
        return await real(type, **options)

    engine.activate_jobs = hanging  # type: ignore[method-assign]

    @worker("other")
    async def other() -> None: ...

    polling = Polling(request_timeout=timedelta(seconds=0.05), silent_after=timedelta(seconds=0.3), streaming=False)
    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(echo, other)], polling=polling) as runner:
            assert runner.problems() == {}
            await eventually(lambda: any(line["event"] == "worker.silent" for line in logs))
            assert list(runner.problems()) == ["echo"]
            assert "no answer from the engine" in runner.problems()["echo"]
            hang = False
            await eventually(lambda: any(line["event"] == "worker.heard_again" for line in logs) or runner.problems() == {})
            engine.add("echo", {"number": 1})
            await engine.all_ended(1)
            assert runner.problems() == {}
        assert list(runner.problems()) == [""]


async def test_a_full_worker_is_not_silent() -> None:
    engine = JobEngine()
    release = asyncio.Event()

    @worker("full", max_running=1)
    async def full() -> None:
        await release.wait()

    polling = Polling(request_timeout=timedelta(seconds=0.05), silent_after=timedelta(seconds=0.1))
    engine.add("full")
    async with WorkerRunner(engine, [Router(full)], polling=polling) as runner:
        await eventually(lambda: runner.stats["full"].running == 1)
        engine.add("full")
        await asyncio.sleep(0.3)
        assert runner.problems() == {}
        release.set()
        await engine.all_ended(2)


async def test_a_denied_type_stops_no_other_and_is_named() -> None:
    engine = JobEngine()
    real = engine.activate_jobs

    async def denied(type: str, **options: Any) -> Any:
        if type == "forbidden":
            raise PermissionDenied("not for you")
        return await real(type, **options)

    engine.activate_jobs = denied  # type: ignore[method-assign]

    @worker("forbidden")
    async def forbidden() -> None: ...

    async with WorkerRunner(engine, [Router(forbidden, echo)], polling=QUICK) as runner:
        engine.add("echo", {"number": 1})
        await engine.all_ended(1)
        await eventually(lambda: runner.stats["forbidden"].failed_polls > 3)
        assert runner.problems() == {"forbidden": "the engine has not answered yet (not for you)"}
