"""Things go wrong in tests: each is said clearly, none hangs, none reaches the next test."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from camunda_workers import worker
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import ConfigurationError, EngineUnavailable
from camunda_workers.testing import CamundaTest, ExpectationFailed, expect
from camunda_workers.testing.broker import BrokerGround, BrokerSession
from camunda_workers.testing.cluster import ClusterGround
from camunda_workers.testing.embedded import EmbeddedGround
from tests.testing.processes import ORDER, REVIEW


@worker("price")
async def hanging() -> None:
    await asyncio.sleep(600)


async def test_a_hanging_worker_is_named_and_does_not_hold_up_the_next_test() -> None:
    async def hangs() -> None:
        async with CamundaTest(timeout=0.5) as camunda:
            await camunda.deploy(ORDER)
            camunda.worker(hanging)
            order = await camunda.start("order")
            with pytest.raises(ExpectationFailed, match=r"not within 0\.5 s; still with or for a worker: price"):
                await expect(order).to_be_completed()
            with pytest.raises(ExpectationFailed, match="jobs still with or for a worker: price"):
                await camunda.settle()

    begun = time.perf_counter()
    with pytest.warns(ResourceWarning, match="the worker for 'price' was still at work"):
        await hangs()
    assert time.perf_counter() - begun < 300  # the worker sleeps for 600


async def test_an_engine_stopped_in_mid_test() -> None:
    ground = EmbeddedGround()
    async with CamundaTest(ground) as camunda:
        await camunda.deploy(ORDER)
        order = await camunda.start("order")
        await ground.engine.stop()
        with pytest.raises(ExpectationFailed, match="stopped in mid-test"):
            await expect(order).to_be_completed()
        with pytest.raises(ExpectationFailed, match="stopped in mid-test"):
            await camunda.start("order")


async def test_an_engine_stopped_while_an_expectation_waits() -> None:
    ground = EmbeddedGround()
    async with CamundaTest(ground) as camunda:
        await camunda.deploy(ORDER)
        order = await camunda.start("order")
        waiting = asyncio.create_task(expect(order, timeout=20).to_be_completed())
        await asyncio.sleep(0.1)
        await ground.engine.stop()
        with pytest.raises(ExpectationFailed, match="stopped in mid-test"):
            await asyncio.wait_for(waiting, 10)


async def test_a_listener_without_a_worker_is_named() -> None:
    async with CamundaTest(timeout=0.3) as camunda:
        await camunda.deploy(REVIEW)
        review = await camunda.start("reviewing")
        task = await camunda.task(review, "review")
        with pytest.raises(ExpectationFailed, match="no worker took the job of type 'check-review'"):
            await task.complete()


async def test_a_test_cancelled_by_a_timeout_leaves_nothing_behind() -> None:
    async def endless() -> None:
        async with CamundaTest() as camunda:
            await camunda.deploy(ORDER)
            camunda.mock_job("price")
            await expect(await camunda.start("order"), timeout=60).to_be_completed()

    tasks_before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(endless(), 1)
    await asyncio.sleep(0.05)
    left = [task for task in asyncio.all_tasks() - tasks_before if not task.done() and "camunda" in repr(task)]
    assert not left


async def test_two_tests_at_once_share_no_port_and_a_port_that_is_taken_is_named() -> None:
    async with CamundaTest() as one, CamundaTest() as other:
        addresses = {await kit.ground.rest_address() for kit in (one, other)} | {kit.client.settings.grpc_address for kit in (one, other)}
        assert len(addresses) == 4
        taken = int(one.client.settings.grpc_address.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=f"port {taken} is taken"):
            await EmbeddedEngine(grpc_port=taken).start()
        await one.deploy(ORDER)
        await expect(await one.start("order")).to_be_waiting_at("price")


DYING = """
import pytest
from camunda_workers.testing import expect

async def test_dies(camunda):
    import jpype
    jpype.JPackage("java").lang.Runtime.getRuntime().halt(7)

@pytest.mark.parametrize("number", range(3))
async def test_lives(camunda, number):
    assert camunda.journal is not None
"""


def test_a_virtual_machine_that_dies_in_mid_test_takes_only_its_test_along(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (tmp_path / "test_it.py").write_text(DYING)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=170, env=os.environ, check=False)
    assert done.returncode == 1, done.stdout
    assert "crashed while running 'test_it.py::test_dies'" in done.stdout
    assert "1 failed, 3 passed" in done.stdout


@pytest.mark.broker
async def test_a_broker_without_searches_is_refused_by_address_and_one_that_dies_in_mid_test_is_said() -> None:
    session = BrokerSession()
    await asyncio.to_thread(session.start)
    try:
        with pytest.raises(ConfigurationError, match="tests read a cluster by its searches"):
            await CamundaTest(ClusterGround(session.engine.rest_address)).__aenter__()
        async with CamundaTest(BrokerGround(session), timeout=5) as camunda:
            await camunda.deploy(ORDER)
            order = await camunda.start("order")
            os.kill(session.engine.pid, signal.SIGKILL)
            with pytest.raises(ExpectationFailed, match="stopped in mid-test"):
                await expect(order, timeout=5).to_be_completed()
        with pytest.raises(EngineUnavailable, match="the broker ended with exit code"):
            await CamundaTest(BrokerGround(session)).__aenter__()
    finally:
        await asyncio.to_thread(session.stop)


async def test_misuse_is_refused() -> None:
    camunda = CamundaTest()
    with pytest.raises(EngineUnavailable, match="async with CamundaTest"):
        await camunda.deploy(ORDER)
    async with camunda:
        with pytest.raises(ConfigurationError, match="used once"):
            await camunda.__aenter__()
        with pytest.raises(ConfigurationError, match="neither a worker nor a router"):
            camunda.worker(lambda: None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_another_event_loop_is_refused() -> None:
    async def main() -> None:
        async with CamundaTest() as camunda:
            raised: list[BaseException] = []

            def elsewhere() -> None:
                try:
                    asyncio.run(camunda.deploy(ORDER))
                except ConfigurationError as error:
                    raised.append(error)

            thread = threading.Thread(target=elsewhere)
            thread.start()
            await asyncio.to_thread(thread.join)
            assert "another event loop" in str(raised[0])

    asyncio.run(main())


async def test_many_tests_one_after_the_other_leave_no_threads_and_little_memory() -> None:
    import resource

    async def one() -> None:
        async with CamundaTest() as camunda:
            await camunda.deploy(ORDER)
            camunda.mock_job("price", returns={"amount": 1})
            await expect(await camunda.start("order")).to_be_waiting_at("approve")

    def threads() -> int:
        """Threads other than those of the two pools of fixed size and gRPC's one poller, which come when they are needed."""
        names = [thread.name for thread in threading.enumerate()]
        assert sum("_poll_wrapper" in name for name in names) <= 1
        return sum(not name.startswith(("asyncio_", "camunda-java_")) and "_poll_wrapper" not in name for name in names)

    for _ in range(5):
        await one()
    before, memory = threads(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(30):
        await one()
    # Thirty tests came and went; a few threads of pools that grow when they are needed are no leak.
    assert threads() <= before + 3, sorted(thread.name for thread in threading.enumerate())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 60_000  # kB
