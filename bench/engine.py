"""How fast Camunda's engine starts, stops and takes commands inside a Python process."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.result import Result
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.jars import engine_folder
from camunda_workers.engine.embedded.warmup import PROCESS
from camunda_workers.settings import Settings

_COLD = """
import asyncio, sys
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.warmup import PROCESS
async def first():
    async with EmbeddedEngine() as engine:
        await engine.bridge.execute(commands.deploy([("warm-up.bpmn", PROCESS)]))
        await engine.bridge.execute(commands.create_instance(process_id="warm-up"))
        print("started", flush=True)
asyncio.run(first())
"""


def _cold(*, archive: bool) -> float:
    """Seconds from the process's birth to the first instance started."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if not archive:
            # The same files in a cache folder of their own, where nobody has made an archive.
            settings = Settings()
            there, here = (engine_folder(settings.engine_version, cache) for cache in (settings.cache_dir, Path(folder)))
            here.mkdir(parents=True)
            for part in ("jars", "native"):
                (here / part).symlink_to(there / part)
            environment["CAMUNDA_WORKERS_CACHE_DIR"] = folder
        begun = time.perf_counter()
        command = [sys.executable, "-c", _COLD]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            took = time.perf_counter() - begun
            assert line.strip() == b"started", "the cold engine did not start"
    return took


async def _fresh(count: int) -> tuple[list[float], list[float]]:
    starts: list[float] = []
    stops: list[float] = []
    async with EmbeddedEngine():
        for _ in range(count):
            begun = time.perf_counter()
            engine = await EmbeddedEngine().start()
            await engine.bridge.execute(commands.deploy([("warm-up.bpmn", PROCESS)]))
            starts.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await engine.stop()
            stops.append(time.perf_counter() - begun)
    return starts, stops


async def _commands(together: int, count: int) -> float:
    async with EmbeddedEngine(state="rocksdb") as engine:
        await engine.bridge.execute(commands.deploy([("warm-up.bpmn", PROCESS)]))

        async def start_one() -> None:
            await engine.bridge.execute(commands.create_instance(process_id="warm-up"))

        for _ in range(100):
            await start_one()
        begun = time.perf_counter()
        for _ in range(count // together):
            await asyncio.gather(*(start_one() for _ in range(together)))
        return count / (time.perf_counter() - begun)


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    yield Result("cold process to first instance, with archive", "s", statistics.median(_cold(archive=True) for _ in range(5)), 1.3)
    yield Result("cold process to first instance, without", "s", statistics.median(_cold(archive=False) for _ in range(3)), 3.5)
    starts, stops = asyncio.run(_fresh(50))
    yield Result("further fresh engine, first deployment included (p50)", "ms", statistics.median(starts) * 1000, 60)
    yield Result("stop an engine (p50)", "ms", statistics.median(stops) * 1000, 50)
    yield Result("instance starts one after the other", "1/s", asyncio.run(_commands(1, 500)), 250, at_most=False)
    yield Result("instance starts, 100 at once", "1/s", asyncio.run(_commands(100, 2000)), 450, at_most=False)
