"""What the gateway's two faces add to the engine's own time, what an unchanged pyzeebe gets through it, and what waiting costs."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from bench.gateway_bare import bare
from bench.result import Result
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.distribution import distribution_folder
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.warmup import PROCESS
from camunda_workers.settings import Settings
from tests.support.diagrams import ONE_TASK

_PYZEEBE = Path(__file__).parent / "peers" / "pyzeebe_one_task.py"
_POLLS = 200


Way = Callable[[], Awaitable[Any]]


async def _in_turns(ways: list[Way], count: int) -> list[float]:
    """The median of each way in milliseconds, one call of each after the other; the first hundred turns do not count."""
    took: list[list[float]] = [[] for _ in ways]
    for number in range(count + 100):
        for way, times in zip(ways, took, strict=True):
            begun = time.perf_counter()
            await way()
            if number >= 100:
                times.append((time.perf_counter() - begun) * 1000)
    return [statistics.median(times) for times in took]


@dataclass(frozen=True, slots=True)
class Overheads:
    """What a start costs more than over the bridge, in milliseconds, and what libraries alone add in the same arrangement, measured in a second pass.

    Attributes:
        over_grpc: through our gRPC.
        over_rest: through our REST.
        beside_grpc: the same two in the second pass: ours, and a handler of grpc.aio that does nothing but call the bridge.
        beside_rest: ours, and an ASGI application in uvicorn that does nothing but call the bridge.
    """

    over_grpc: float
    over_rest: float
    beside_grpc: tuple[float, float]
    beside_rest: tuple[float, float]


async def _overheads(count: int) -> Overheads:
    async with (
        EmbeddedEngine(state="rocksdb", rest_port=0) as engine,
        grpc.aio.insecure_channel(engine.grpc_address) as channel,
        httpx.AsyncClient(base_url=engine.rest_address) as rest,
    ):
        await engine.bridge.execute(commands.deploy([("warm-up.bpmn", PROCESS)]))
        stub: Any = GatewayStub(channel)
        request = pb.CreateProcessInstanceRequest(bpmnProcessId="warm-up", version=-1)

        async def over_bridge() -> None:
            await engine.bridge.execute(commands.create_instance(process_id="warm-up"))

        async def over_rest() -> None:
            (await rest.post("/v2/process-instances", json={"processDefinitionId": "warm-up"})).raise_for_status()

        ways: list[Way] = [over_bridge, lambda: stub.CreateProcessInstance(request), over_rest]
        bridge, over_grpc, rest_time = await _in_turns(ways, count)
        async with bare(over_bridge) as (grpc_address, rest_address):
            async with grpc.aio.insecure_channel(grpc_address) as bare_channel, httpx.AsyncClient(base_url=rest_address) as bare_rest:
                bare_stub: Any = GatewayStub(bare_channel)

                async def over_bare_rest() -> None:
                    (await bare_rest.post("/", json={"processDefinitionId": "warm-up"})).raise_for_status()

                ways += [lambda: bare_stub.CreateProcessInstance(request), over_bare_rest]
                again, *beside = await _in_turns(ways, count)
    ours_grpc, ours_rest, bare_grpc, bare_rest_time = (time - again for time in beside)
    return Overheads(over_grpc - bridge, rest_time - bridge, (ours_grpc, bare_grpc), (ours_rest, bare_rest_time))


@contextmanager
def _engine() -> Generator[tuple[str, str, int]]:
    """An engine as a process of its own: its addresses and process id."""
    starting = [sys.executable, "-m", "camunda_workers", "engine", "start", "--grpc-port", "0", "--rest-port", "0"]
    with subprocess.Popen(starting, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield ready["grpc"], ready["rest"], process.pid
        finally:
            process.terminate()


def _pyzeebe(address: str, count: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        diagram = Path(folder) / "one-task.bpmn"
        diagram.write_bytes(ONE_TASK)
        printed = ""
        run = [sys.executable, str(_PYZEEBE), address, str(diagram), str(count)]
        # The first time is for Java's compilers: an engine that serves runs for days.
        for _ in range(2):
            printed = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300).stdout
        rate, alone = map(float, printed.split())
        return rate, alone


def _on_ours(count: int) -> tuple[float, float]:
    with _engine() as (address, _, _):
        return _pyzeebe(address, count)


async def _on_the_broker(count: int) -> tuple[float, float]:
    """The same on a stock broker, without our search beside it, which would only cost it time."""
    with tempfile.TemporaryDirectory() as folder:
        async with BrokerEngine(Path(folder)) as broker:
            return await asyncio.to_thread(_pyzeebe, broker.grpc_address, count)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _idle_polls(seconds: float) -> float:
    """The share of a core that waiting polls cost the engine's process, beyond what it costs alone."""
    with _engine() as (address, _, process):

        async def measured() -> float:
            begun, at = _cpu_seconds(process), time.perf_counter()
            await asyncio.sleep(seconds)
            return 100 * (_cpu_seconds(process) - begun) / (time.perf_counter() - at)

        await asyncio.sleep(5)  # the virtual machine still compiles
        alone = await measured()
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = GatewayStub(channel)

            async def poll(number: int) -> None:
                wanted = pb.ActivateJobsRequest(
                    type=f"idle-{number}", worker="w", timeout=60_000, maxJobsToActivate=1, requestTimeout=int(seconds * 4000)
                )
                async for _ in stub.ActivateJobs(wanted):
                    pass

            polls = [asyncio.create_task(poll(number)) for number in range(_POLLS)]
            await asyncio.sleep(3)
            waiting = await measured()
            for task in polls:
                task.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
        return waiting - alone


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    overheads = asyncio.run(_overheads(500))
    yield Result("gRPC adds to a command (p50)", "ms", overheads.over_grpc, 1)
    yield Result("REST adds to a command (p50)", "ms", overheads.over_rest, 3)
    ours, alone = overheads.beside_grpc
    yield Result("gRPC adds, beside a handler of grpc.aio that only calls the bridge", "ms", ours, 1.5, peer=alone)
    ours, alone = overheads.beside_rest
    yield Result("REST adds, beside an ASGI application that only calls the bridge", "ms", ours, 1.5, peer=alone)
    rate, alone = _on_ours(2000)
    yield Result("one-task instances with result, unchanged pyzeebe", "1/s", rate, 300, at_most=False)
    yield Result("the same, one alone (p50)", "ms", alone, 10)
    settings = Settings()
    if (distribution_folder(settings.broker_version, settings.cache_dir) / "bin" / "broker").exists():
        peer_rate, peer_alone = asyncio.run(_on_the_broker(1000))
        beside = f"beside the real broker {settings.broker_version}"
        yield Result(f"one-task instances with result, unchanged pyzeebe, {beside}", "1/s", rate, 1, at_most=False, peer=peer_rate)
        yield Result(f"the same, one alone (p50), {beside}", "ms", alone, 1, peer=peer_alone)
    else:
        print("left out: no broker distribution in the cache; camunda-workers engine start --engine broker fetches it", file=sys.stderr)
    yield Result("200 idle long polls", "% of a core", asyncio.run(_idle_polls(10)), 2)
