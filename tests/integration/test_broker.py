"""A real Zeebe broker as a child process: what it acknowledged survives, nobody else can reach it, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from camunda_workers.client import Client
from camunda_workers.client.deploy import Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.distribution import ensure_distribution
from camunda_workers.errors import ConfigurationError, EngineFailure, EngineUnavailable, NotFound, NotSupported, SetupError
from camunda_workers.settings import Settings
from tests.support.diagrams import ONE_TASK, process, sequence, service_task, timer

pytestmark = pytest.mark.broker

TWO_DAYS_LATER = process("two-days-later", sequence(timer("two-days", "PT48H"), service_task("late", "late")))


@pytest.fixture(scope="module", autouse=True)
def distribution() -> Path:
    settings = Settings()
    try:
        return ensure_distribution(settings.broker_version, settings.cache_dir)
    except SetupError as error:
        pytest.skip(f"no broker: {error}")


def client_of(engine: BrokerEngine) -> Client:
    return Client(engine.grpc_address, engine.rest_address)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def eventually(condition: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        await asyncio.sleep(0.05)


async def complete_all(client: Client, job_type: str, expected: int) -> set[int]:
    """Complete jobs until that many are done; the process instances they belong to."""
    done: set[int] = set()
    async with asyncio.timeout(60):
        while len(done) < expected:
            for job in await client.activate_jobs(job_type, worker="test", timeout=timedelta(minutes=1), max_jobs=100):
                await client.complete_job(job.key, {"done": True})
                assert job.processInstanceKey not in done
                done.add(job.processInstanceKey)
    return done


def sockets_of(pid: int) -> set[tuple[str, str, int]]:
    """Protocol, address and port of everything that a process listens on, as ``ss`` says it."""
    listed = subprocess.run(["ss", "-ltnupH"], capture_output=True, text=True, check=True).stdout
    found: set[tuple[str, str, int]] = set()
    for line in listed.splitlines():
        if f"pid={pid}," in line:
            protocol, _, _, _, local, *_ = line.split()
            address, _, port = local.rpartition(":")
            found.add((protocol, address, int(port)))
    return found


def command_lines() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


async def test_acknowledged_work_survives_kill_9(tmp_path: Path) -> None:
    engine = BrokerEngine(tmp_path / "data")
    await engine.start()
    try:
        first_address, first_pid = engine.grpc_address, engine.pid
        async with client_of(engine) as client:
            await client.deploy(Resource("one-task.bpmn", ONE_TASK))
            started = {
                instance.process_instance_key for instance in await asyncio.gather(*(client.start("one-task", {"n": n}) for n in range(30)))
            }
            done: set[int] = set()
            for job in await client.activate_jobs("work", worker="test", timeout=timedelta(minutes=1), max_jobs=10):
                await client.complete_job(job.key)
                done.add(job.processInstanceKey)
            assert len(done) == 10
            started.add((await client.start("one-task", {"n": 30})).process_instance_key)
            await engine.kill()  # with an acknowledgement just received
        assert not runs(first_pid)
        assert not await engine.healthy()

        left = {path.name for path in (tmp_path / "data" / "tmp").iterdir()}
        await engine.start()
        assert left
        assert not left & {path.name for path in (tmp_path / "data" / "tmp").iterdir()}, "what a killed broker left is removed"
        assert engine.grpc_address != first_address
        assert await engine.healthy()
        async with client_of(engine) as client:
            assert await complete_all(client, "work", 21) == started - done
            for key in started:
                with pytest.raises(NotFound):  # completed before or after, and gone
                    await client.cancel(key)
            after = (await client.start("one-task")).process_instance_key

        await engine.stop()
        await engine.start()  # after an orderly end as after a crash
        async with client_of(engine) as client:
            assert await complete_all(client, "work", 1) == {after}
    finally:
        await engine.stop()


async def test_it_is_alone_in_its_folder_and_on_loopback(tmp_path: Path) -> None:
    async with BrokerEngine(tmp_path / "data") as engine:
        assert await engine.healthy()
        async with client_of(engine) as client:
            topology = await client.topology()
        assert (topology.gateway_version, topology.partitions_count) == (engine.version, 1)
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{engine.rest_address}/v2/topology")).json()["gatewayVersion"] == engine.version
            assert (await http.get(f"{engine.management_address}/actuator/health")).json()["status"] == "UP"
            assert (await http.get(f"{engine.management_address}/actuator/exporters")).json() == []
        with pytest.raises(NotSupported, match="--controlled-clock"):
            await engine.clock.advance(timedelta(hours=1))
        with pytest.raises(ConfigurationError, match=f"in use by the broker of process {os.getpid()}"):
            await BrokerEngine(tmp_path / "data").start()
        with pytest.raises(ConfigurationError, match="already running"):
            await engine.start()
        assert await engine.healthy()

        internal = json.loads((engine.data / "broker.yaml").read_text())["zeebe.broker.network.internalApi.port"]
        if shutil.which("ss"):
            sockets = sockets_of(engine.pid)
            assert len(sockets) == 6
            # The broker binds its internal port's UDP side to every interface and has no setting for it.
            assert {(protocol, port) for protocol, address, port in sockets if "127.0.0.1" not in address} == {("udp", internal)}
        # What that socket hears from others is dropped unread: it does not begin with the number of this start's secret name.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            preamble = java_hash("zeebe-cluster")  # the name that every cluster has unless told otherwise
            stranger.sendto((preamble & 0xFFFFFFFF).to_bytes(4, "big") + (4).to_bytes(4, "big") + b"evil", ("127.0.0.1", internal))
        await eventually(lambda: "outside of the cluster. Ignoring the message" in engine.log_file.read_text())

        pid, began = engine.pid, time.monotonic()
    assert time.monotonic() - began < 15
    assert not runs(pid)
    assert "Broker shut down" in engine.log_file.read_text()
    with pytest.raises(EngineUnavailable):
        _ = engine.pid


def java_hash(text: str) -> int:
    """``String.hashCode()``, modulo 2^32."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value


async def test_its_clock_is_moved_and_stays_moved(tmp_path: Path) -> None:
    engine = BrokerEngine(tmp_path / "data", controlled_clock=True)
    await engine.start()
    try:
        async with client_of(engine) as client:
            await client.deploy(Resource("two-days-later.bpmn", TWO_DAYS_LATER))
            early = await client.start("two-days-later")
            await engine.clock.advance(timedelta(hours=47))
            assert not await client.activate_jobs(
                "late", worker="test", timeout=timedelta(minutes=1), max_jobs=10, request_timeout=timedelta(seconds=1)
            )
            await engine.advance(timedelta(hours=2))
            assert await complete_all(client, "late", 1) == {early.process_instance_key}
            assert timedelta(hours=49) <= engine.clock.now() - datetime.now(UTC) + timedelta(seconds=1)
            later = await client.start("two-days-later")
        await engine.kill()
        with pytest.raises(ConfigurationError, match="would jump back"):
            await BrokerEngine(tmp_path / "data").start()
        await engine.start()
        async with httpx.AsyncClient(trust_env=False) as http:
            told = (await http.get(f"{engine.management_address}/actuator/clock")).json()["epochMilli"] / 1000
        assert abs(told - engine.clock.now().timestamp()) < 5
        async with client_of(engine) as client:
            await engine.clock.advance(timedelta(hours=48))
            assert await complete_all(client, "late", 1) == {later.process_instance_key}
    finally:
        await engine.stop()


async def test_a_broker_that_dies_while_it_starts_says_why(tmp_path: Path) -> None:
    engine = BrokerEngine(tmp_path / "data", properties={"zeebe.broker.cluster.partitionsCount": "many"})
    with pytest.raises(EngineFailure, match=r"(?s)exit code 1 while it was starting.*zeebe\.log.*many") as raised:
        await engine.start()
    assert len(str(raised.value).splitlines()) < 15
    with pytest.raises(EngineFailure, match=r"(?s)exit code 1 while it was starting.*[Hh]eap"):
        await BrokerEngine(tmp_path / "data", heap_mb=1).start()


async def test_a_broker_that_is_not_ready_in_time_is_not_left_behind(tmp_path: Path) -> None:
    engine = BrokerEngine(tmp_path / "data", start_timeout=timedelta(seconds=1))
    with pytest.raises(EngineFailure, match="not ready within 1 s: its gateway does not answer"):
        await engine.start()
    assert str(tmp_path) not in command_lines()


async def test_a_broker_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    async with BrokerEngine(tmp_path / "data") as engine:
        waiting = asyncio.ensure_future(engine.wait())
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineFailure, match=r"the broker ended with exit code -9\. Its last words"):
            async with asyncio.timeout(5):
                await waiting
        assert not await engine.healthy()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
async def test_the_command_leaves_no_broker_behind(tmp_path: Path, number: signal.Signals) -> None:
    options = ["--engine", "broker", "--data", str(tmp_path / "data"), "--grpc-port", "0", "--rest-port", "0", "--controlled-clock"]
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "camunda_workers", "engine", "start", *options, stdout=asyncio.subprocess.PIPE
    )
    assert command.stdout is not None
    try:
        async with asyncio.timeout(300):
            ready = json.loads(await command.stdout.readline())
        assert (ready["engine"], ready["pid"], ready["data"]) == ("broker", command.pid, str((tmp_path / "data").resolve()))
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["management"])
        async with Client(ready["grpc"], ready["rest"]) as client:
            await client.deploy(Resource("one-task.bpmn", ONE_TASK))
            key = (await client.start("one-task")).process_instance_key
        command.send_signal(number)
        async with asyncio.timeout(30):
            code = await command.wait()
        assert code == (0 if number == signal.SIGTERM else -9)
        if number == signal.SIGTERM:
            assert not runs(ready["broker_pid"])
        # After SIGKILL the broker is just ending; a start on its folder waits for that.
        async with BrokerEngine(tmp_path / "data") as engine, client_of(engine) as client:
            assert not runs(ready["broker_pid"])
            assert await complete_all(client, "work", 1) == {key}
    finally:
        if command.returncode is None:
            command.kill()
            await command.wait()
