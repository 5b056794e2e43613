"""Workers are killed, stopped and asked to end (rows 1, 4, 11 of the fault list)."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import pytest

from camunda_workers import JobContext, Router, WorkerRunner, worker
from tests.faults.conftest import Cases
from tests.support.worker_process import worker_process

pytestmark = pytest.mark.engine


async def test_1_a_worker_killed_between_its_effect_and_its_report(cases: Cases) -> None:
    options = {"address": cases.engine.grpc_address, "ledger": str(cases.ledger.path)}
    async with worker_process(**options, hold=3600.0, timeout=1.5) as first:  # pyright: ignore[reportArgumentType]
        await cases.start()
        key = int((await first.line("effect")).split()[1])
        first.send(signal.SIGKILL)
        await first.wait(10)
        async with worker_process(**options, timeout=10.0):  # pyright: ignore[reportArgumentType]
            verdict = await cases.settled()
    assert cases.ledger.runs_of(key) >= 2
    assert (verdict.effects, verdict.finished) == (1, 1)
    assert await cases.jobs("TIMED_OUT") >= 1


async def test_4_a_stopped_process_that_goes_on_later_changes_nothing(cases: Cases) -> None:
    """SIGSTOP freezes a worker beyond its job's timeout, another does the work, and the first goes on with a result that is too late."""
    options = {"address": cases.engine.grpc_address, "ledger": str(cases.ledger.path)}
    async with worker_process(**options, hold=0.3, timeout=1.5) as first:  # pyright: ignore[reportArgumentType]
        await cases.start()
        key = int((await first.line("effect")).split()[1])
        first.send(signal.SIGSTOP)
        async with worker_process(**options, timeout=10.0):  # pyright: ignore[reportArgumentType]
            await cases.settled()
            first.send(signal.SIGCONT)
            # It is alive again, says its late word, and works as before.
            await cases.start(20)
            verdict = await cases.settled()
        first.send(signal.SIGTERM)
        assert await first.wait(15) == 0
    assert cases.ledger.runs_of(key) == 2
    assert (verdict.effects, verdict.finished) == (21, 21)
    assert await cases.jobs("COMPLETED") == 21
    assert await cases.jobs("FAILED") == 0


async def test_4_a_function_that_outlives_its_timeout_keeps_its_job(cases: Cases) -> None:
    """Extended before its timeout ends, so that nobody else is given the job."""

    @worker("work", timeout=timedelta(seconds=5))
    async def slow(number: int, job: JobContext) -> None:
        cases.ledger.ran(job.element_instance_key, number)
        cases.ledger.effect(job.element_instance_key, number)
        await asyncio.sleep(7)

    async with WorkerRunner(cases.client, [Router(slow)]) as runner:
        await cases.start(3)
        verdict = await cases.settled()
        assert runner.stats["work"].extended >= 3
    assert (verdict.runs, verdict.effects, verdict.finished) == (3, 3, 3)
    assert await cases.jobs("TIMED_OUT") == 0


async def test_4_jobs_that_reach_a_frozen_process_are_not_run_when_it_wakes(cases: Cases) -> None:
    """They are pushed into its buffers while it cannot look, time out there, are done by another worker, and are old when it looks at last."""
    options = {"address": cases.engine.grpc_address, "ledger": str(cases.ledger.path)}
    async with worker_process(**options, timeout=1.5) as first:  # pyright: ignore[reportArgumentType]
        await cases.start()
        await cases.settled()
        first.send(signal.SIGSTOP)
        await cases.start(5)
        async with worker_process(**options, timeout=10.0) as second:  # pyright: ignore[reportArgumentType]
            await cases.settled()
            assert await cases.jobs("TIMED_OUT") >= 1
            second.send(signal.SIGTERM)
            await second.wait(15)
        first.send(signal.SIGCONT)
        # It works as before, on what is new.
        await cases.start(5)
        verdict = await cases.settled()
    assert (verdict.runs, verdict.effects, verdict.finished) == (11, 11, 11)


@pytest.mark.parametrize("hold", [0.2, 3600.0], ids=["jobs that end", "jobs that never end"])
async def test_11_sigterm_under_load_finishes_or_returns_every_job(cases: Cases, hold: float) -> None:
    options = {"address": cases.engine.grpc_address, "ledger": str(cases.ledger.path), "cap": 8}
    async with worker_process(**options, hold=hold, timeout=600.0, drain=1.0) as first:  # pyright: ignore[reportArgumentType]
        await cases.start(30)
        for _ in range(8):
            await first.line("effect")
        began = asyncio.get_running_loop().time()
        first.send(signal.SIGTERM)
        assert await first.wait(20) == 0
        assert asyncio.get_running_loop().time() - began < 8
    # Nothing waits for its timeout of ten minutes: the next worker gets the rest at once.
    async with worker_process(**options, hold=0.0, timeout=600.0):  # pyright: ignore[reportArgumentType]
        verdict = await cases.settled(cap=8)
    assert (verdict.effects, verdict.finished) == (30, 30)
    assert await cases.jobs("TIMED_OUT") == 0
    assert (await cases.counts())["incident"] == 0
