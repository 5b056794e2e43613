"""A durable engine with 100,000 open instances: as fast as with few, in bounded memory. Takes minutes: ``python -m bench durable_large``."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.durable import deploy, start_many, start_one
from bench.result import Result
from camunda_workers.engine.embedded.engine import EmbeddedEngine

FEW = 1_000
MANY = 100_000


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _p99(engine: EmbeddedEngine, count: int = 2000) -> float:
    """Starts as they come in, eight under way at any time."""
    took: list[float] = []

    async def some() -> None:
        took.extend([await start_one(engine) for _ in range(count // 8)])

    await asyncio.gather(*(some() for _ in range(8)))
    return sorted(took)[int(len(took) * 0.99)]


async def _measure(place: Path) -> tuple[float, float, float, float]:
    # A snapshot every half minute: some fall into the time that is measured.
    async with EmbeddedEngine(data=place / "large", snapshot_interval=30) as engine:
        await deploy(engine)
        await start_many(engine, FEW)
        few, memory_few = await _p99(engine), _memory()
        await start_many(engine, MANY - FEW)
        many = await _p99(engine, 12_000)
        return few, many, memory_few, _memory()


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    place = Path(tempfile.mkdtemp(prefix="bench-durable-"))
    try:
        few, many, memory_few, memory_many = asyncio.run(_measure(place))
        yield Result(f"durable start with {FEW:,} open instances (p99)", "ms", few * 1000, 50)
        yield Result(f"durable start with {MANY:,} open instances (p99)", "ms", many * 1000, 50)
        yield Result(f"memory with {FEW:,} open instances", "MB", memory_few, 1500)
        yield Result(f"memory with {MANY:,} open instances", "MB", memory_many, 2500)
    finally:
        shutil.rmtree(place, ignore_errors=True)
