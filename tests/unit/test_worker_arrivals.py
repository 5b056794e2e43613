"""Since when a job's time runs: jobs that were pushed into buffers which nobody looked into are older than they seem."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from camunda_workers import Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.arrivals import IN_BUFFERS, NOTICED, Arrivals
from camunda_workers.worker.polling import Polling
from camunda_workers.worker.pulse import Pulse
from tests.support.job_gateway import JobEngine, eventually

SMALL = pb.ActivatedJob(key=1, type="work", variables="x" * 200)
LARGE = pb.ActivatedJob(key=1, type="work", variables="x" * 100_000)


@pytest.fixture
def arrivals(monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    made = Arrivals(Pulse())
    made.clock = clock  # type: ignore[attr-defined]
    return made


def at(arrivals: Arrivals, moment: float) -> None:
    arrivals.clock[0] = moment  # type: ignore[attr-defined]


def read(arrivals: Arrivals, job: pb.ActivatedJob, asked: float, now: float) -> float:
    at(arrivals, now)
    return arrivals.of(job, asked, now)


def test_a_reader_that_is_never_held_up_gets_fresh_jobs(arrivals: Arrivals) -> None:
    now = 100.0
    for _ in range(5_000):
        # A thousand a second: none of them was waited for, and none has waited.
        now += 0.001
        assert read(arrivals, SMALL, now, now) == now
        arrivals.held(now)


def test_after_a_hold_up_jobs_may_be_as_old_as_it(arrivals: Arrivals) -> None:
    assert read(arrivals, SMALL, 99.0, 100.0) == 100.0
    at(arrivals, 160.0)
    arrivals.held(100.0)
    fill = IN_BUFFERS // SMALL.ByteSize()
    ages = [160.0 - read(arrivals, SMALL, 160.0, 160.0) for _ in range(fill + 10)]
    assert ages[0] == 60.0
    # By then everything has been read that can have lain there.
    assert ages[-1] == 0.0


def test_after_a_wait_jobs_are_fresh_again(arrivals: Arrivals) -> None:
    read(arrivals, SMALL, 99.0, 100.0)
    at(arrivals, 160.0)
    arrivals.held(100.0)
    assert read(arrivals, SMALL, 160.0, 160.0) == 100.0
    assert read(arrivals, SMALL, 160.0, 160.0 + 2 * NOTICED) == 160.0 + 2 * NOTICED


def test_a_large_job_is_not_taken_for_what_came_after_itself(arrivals: Arrivals) -> None:
    read(arrivals, LARGE, 99.0, 100.0)
    at(arrivals, 130.0)
    arrivals.held(100.0)
    assert read(arrivals, LARGE, 130.0, 130.0) == 100.0
    at(arrivals, 131.0)
    assert read(arrivals, LARGE, 131.0, 131.0) == 131.0


async def test_a_busy_worker_does_not_run_what_timed_out_in_its_buffers() -> None:
    """One place, a function that runs longer than the timeout of jobs: what lies in the buffer behind them is somebody else's by then."""
    engine = JobEngine()
    go_on = asyncio.Event()
    ran: list[int] = []

    @worker("work", max_running=1, timeout=timedelta(seconds=0.4))
    async def work(number: int) -> None:
        ran.append(number)
        await go_on.wait()

    async with WorkerRunner(engine, [Router(work)], polling=Polling(request_timeout=timedelta(seconds=5))) as runner:
        stats = runner.stats["work"]
        await eventually(lambda: stats.streams == 1)
        engine.add("work", {"number": 1})
        await eventually(lambda: ran == [1])
        for number in (2, 3, 4):
            engine.add("work", {"number": number})
        await asyncio.sleep(0.8)
        go_on.set()
        # The first was extended; the others lay there for twice their timeout.
        await eventually(lambda: stats.completed == 1 and stats.expired >= 2, timeout=10)
        go_on.clear()
        # The reader has to have waited: until then what comes counts as what was there.
        await asyncio.sleep(4 * NOTICED)
        engine.add("work", {"number": 5})
        await eventually(lambda: ran[-1] == 5, timeout=10)
        go_on.set()
        await eventually(lambda: stats.running == 0)
    assert 3 not in ran
    assert 4 not in ran
