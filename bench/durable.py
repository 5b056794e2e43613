"""How fast a durable engine is: to start, to take commands that are on disk before they are answered, and to come back."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.result import Result
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.durable.inspect import inspect_folder
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.warmup import PROCESS

STARTS = 6000


async def deploy(engine: EmbeddedEngine) -> None:
    """Deploy the process that is started: a job is created in each instance."""
    await engine.bridge.execute(commands.deploy([("warm-up.bpmn", PROCESS)]))


async def start_one(engine: EmbeddedEngine) -> float:
    """Start an instance; the seconds it took."""
    begun = time.perf_counter()
    await engine.bridge.execute(commands.create_instance(process_id="warm-up"))
    return time.perf_counter() - begun


async def start_many(engine: EmbeddedEngine, count: int, together: int = 100) -> float:
    """Start instances, so many at once; how many a second."""
    begun = time.perf_counter()
    for _ in range(count // together):
        await asyncio.gather(*(start_one(engine) for _ in range(together)))
    return count / (time.perf_counter() - begun)


async def _fresh(place: Path, count: int = 20) -> list[float]:
    took: list[float] = []
    async with EmbeddedEngine(data=place / "first"):
        for number in range(count):
            begun = time.perf_counter()
            engine = await EmbeddedEngine(data=place / f"fresh-{number}").start()
            took.append(time.perf_counter() - begun)
            await engine.stop()
    return took


async def _starts(place: Path) -> tuple[float, float, float]:
    async with EmbeddedEngine(data=place / "many", snapshot_interval=3600) as engine:
        await deploy(engine)
        await start_many(engine, 500)
        durable = await start_many(engine, STARTS)
        alone = statistics.median([await start_one(engine) for _ in range(300)])
        # What a crash leaves: the whole log and no snapshot.
        shutil.copytree(place / "many", place / "crashed", ignore=shutil.ignore_patterns("*-shm"))
    async with EmbeddedEngine(state="rocksdb") as engine:
        await deploy(engine)
        await start_many(engine, 500)
        memory = await start_many(engine, STARTS // 2)
    return durable, memory, alone


async def _replay(place: Path) -> float:
    records = inspect_folder(place / "crashed")["log"]["last_position"]
    async with EmbeddedEngine(state="rocksdb"):  # Java is there already
        begun = time.perf_counter()
        engine = await EmbeddedEngine(data=place / "crashed").start()
        took = time.perf_counter() - begun
        await engine.stop()
    return records / took


def _restart(data: Path) -> float:
    command = [sys.executable, "-m", "camunda_workers", "engine", "start", "--grpc-port", "0", "--rest-port", "0", "--data", str(data)]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        took = time.perf_counter() - begun
        process.send_signal(signal.SIGTERM)
    return took


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    place = Path(tempfile.mkdtemp(prefix="bench-durable-"))
    try:
        yield Result("fresh durable engine (p50)", "ms", statistics.median(asyncio.run(_fresh(place))) * 1000, 120)
        durable, memory, alone = asyncio.run(_starts(place))
        yield Result("durable instance starts, 100 at once", "1/s", durable, 300, at_most=False)
        yield Result("durable starts beside an engine that keeps nothing", "1/s", durable, 0.5, at_most=False, peer=memory)
        yield Result("durable instance start, one after the other (p50)", "ms", alone * 1000, 10)
        yield Result("replay after a crash", "records/s", asyncio.run(_replay(place)), 25_000, at_most=False)
        again = statistics.median(_restart(place / "many") for _ in range(3))
        yield Result(f"restart in a new process, snapshot of {STARTS:,} open instances (p50)", "s", again, 3)
    finally:
        shutil.rmtree(place, ignore_errors=True)
