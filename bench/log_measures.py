"""What is measured of an event log, whatever its size and database."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.log_stream import Stream
from camunda_workers.events import EventLog, Pump, ReadModel, case_story
from camunda_workers.events.chain.notary import Notary
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.subscription import subscribe

BATCH: Final = 2000
RATE: Final = 5000
"""Records a second at which the lag is measured."""
SIGNER: Final = Signer("bench/log", bytes(range(32)))
_PORTIONS: Final = 50
"""A second's records come in so many portions."""
_ASKED: Final = 300


def say(text: str) -> None:
    """A figure beside those in the table."""
    print(f"    {text}", file=sys.stderr, flush=True)


def per_cpu(what: str, count: int, cpu: float) -> None:
    """The same per second of processor time: what a machine that does nothing else would come to."""
    say(f"{what}: {count / cpu:,.0f} records for each second of processor time")


def memory() -> float:
    """Megabytes of memory that this process has now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:  # not Linux: what it has at most had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def p99(seconds: Sequence[float]) -> float:
    """The 99th percentile, in milliseconds."""
    return statistics.quantiles(seconds, n=100)[98] * 1000


async def fill(log: EventLog, stream: Stream, count: int, watch: Callable[[int], None] | None = None) -> float:
    """Records a second that the log took, chained, in the tree and signed; making them is not counted.

    Args:
        log: where they go.
        stream: where they come from.
        count: how many.
        watch: told after each batch how many there are.
    """
    spent, used, done = 0.0, 0.0, 0
    notary = Notary(log, SIGNER)
    while done < count:
        lines = stream.take(min(BATCH, count - done))
        start, cpu = time.perf_counter(), time.process_time()
        await log.append(lines)
        await notary.catch_up()
        spent += time.perf_counter() - start
        used += time.process_time() - cpu
        done += len(lines)
        if watch is not None:
            watch(done)
    await notary.sign()
    per_cpu("written", count, used)
    return count / spent


@dataclass(frozen=True, slots=True)
class Queried:
    """The 99th percentiles of the milliseconds that one case takes."""

    records: float
    story: float


async def queries(log: EventLog, cases: int) -> Queried:
    """Find all records of one case, and tell its story; each time another case, anywhere in the log."""
    found: list[float] = []
    told: list[float] = []
    chance = random.Random(1)
    for _ in range(_ASKED):
        name = f"CLM-{chance.randint(1, cases):09}"
        start = time.perf_counter()
        keys = await log.instances_of(name)
        count = len([record async for record in log.records(process_instance_keys=keys)])
        found.append(time.perf_counter() - start)
        assert count > 200, f"{name} has {count} records"
        name = f"CLM-{chance.randint(1, cases):09}"
        start = time.perf_counter()
        story = await case_story(log, name)
        told.append(time.perf_counter() - start)
        assert len(story.steps) > 20, f"{name} has {len(story.steps)} steps"
    say(f"one case, medians: its records {statistics.median(found) * 1000:.1f} ms, its story {statistics.median(told) * 1000:.1f} ms")
    return Queried(p99(found), p99(told))


class _Source:
    """Records that come at a steady rate, as an engine's do."""

    def __init__(self, lines: list[bytes], first: int) -> None:
        self._lines = lines
        self._first = first
        self._begin = 0.0

    def begin(self) -> None:
        self._begin = time.perf_counter()

    def made(self, position: int) -> float:
        """When the record at a position was there."""
        return self._begin + ((position - self._first) * _PORTIONS // RATE + 1) / _PORTIONS

    def _there(self) -> int:
        return min(int((time.perf_counter() - self._begin) * _PORTIONS) * RATE // _PORTIONS, len(self._lines))

    async def read(self, after: int, limit: int) -> list[bytes]:
        at = after + 1 - self._first
        return self._lines[at : min(at + limit, self._there())]

    async def wait(self, after: int, timeout: float) -> bool:
        at = after + 1 - self._first
        if at >= len(self._lines):
            await asyncio.sleep(timeout)
            return False
        await asyncio.sleep(max(0.0, self.made(after + 1) - time.perf_counter()))
        return True


class _Meter:
    """Follows the read model: what it has by then can be searched for."""

    def __init__(self, source: _Source, model: ReadModel, first: int) -> None:
        self._source = source
        self._model = model
        self._next = first
        self.pump: Pump | None = None
        self.late: list[float] = []
        self._caught_up = asyncio.Condition()

    async def all_of(self, count: int) -> None:
        """Waits until so many records can be searched for."""
        async with self._caught_up:
            await self._caught_up.wait_for(lambda: len(self.late) >= count)

    async def catch_up(self) -> int:
        await self._model.catch_up()
        now = time.perf_counter()
        while self.pump is not None and self._next <= self.pump.position:
            self.late.append(now - self._source.made(self._next))
            self._next += 1
        async with self._caught_up:
            self._caught_up.notify_all()
        return 0


@dataclass(frozen=True, slots=True)
class Lag:
    """The 99th percentiles of the milliseconds that a record is late: with a subscriber, and in searches."""

    subscriber: float
    searchable: float


async def lag(log: EventLog, stream: Stream, seconds: int) -> Lag:
    """From a record's being in the engine to a subscriber's having it, and to the read model's having it, at a steady rate."""
    total = RATE * seconds
    model = ReadModel(log)
    await model.catch_up()
    first = await log.position() + 1
    size = await log.size()
    source = _Source(stream.take(total), first)
    meter = _Meter(source, model, first)
    pump = meter.pump = Pump(source, log, followers=[meter, Notary(log, SIGNER)])
    heard: list[float] = []
    # No overlap to compare: the stream keeps nothing of what it gave.
    pump._position = first - 1  # pyright: ignore[reportPrivateUsage]

    async def listen() -> None:
        async with aclosing(subscribe(log, after=size - 1)) as records:
            async for one in records:
                if one.partition:
                    heard.append(time.perf_counter() - source.made(one.record.position))
                if len(heard) == total:
                    return

    listening = asyncio.create_task(listen())
    source.begin()
    pumping = asyncio.create_task(pump.run())
    try:
        await asyncio.wait_for(listening, seconds + 60)
        await asyncio.wait_for(meter.all_of(total), 60)
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
    say(
        f"at {RATE} records/s, medians: heard after {statistics.median(heard) * 1000:.0f} ms, searchable after {statistics.median(meter.late) * 1000:.0f} ms"
    )
    return Lag(p99(heard), p99(meter.late))
