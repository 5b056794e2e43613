"""The event log: how fast it takes records in, verifies, folds and answers, and what a record costs on disk.

``LOG_RECORDS`` sets how many (200,000 by default; 10,000,000 is what the figures in docs/event-log.md are from). PostgreSQL is measured where
its programs are installed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Final

from bench.result import Result
from camunda_workers.events import EventLog, ReadModel, case_story
from camunda_workers.events.chain.notary import Notary
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.subscription import subscribe

COUNT: Final = int(os.environ.get("LOG_RECORDS", "200000"))
BATCH: Final = 2000
RATE: Final = 5000
RATE_SECONDS: Final = 4
_DATA: Final = Path(__file__).parent.parent / "tests" / "data" / "records-paid.jsonl.gz"
_KEY: Final = re.compile(rb"(22517998136\d{5})")
_KEYS_APART: Final = 10_000


class Stream:
    """Records of one real case, told again and again with other keys and another business id."""

    def __init__(self) -> None:
        lines = gzip.decompress(_DATA.read_bytes()).splitlines()
        self._pieces: list[list[bytes | int]] = []
        for line in lines:
            raw = json.loads(line)
            if not raw["value"].get("processInstanceKey", -1) > 0 and raw["valueType"] != "JOB_BATCH":
                continue
            head, tail = line.split(b'"position":', 1)
            whole = head + b'"position":\0,' + tail.split(b",", 1)[1]
            parts: list[bytes | int] = []
            for part in _KEY.split(whole):
                parts.append(int(part) if _KEY.fullmatch(part) else part.replace(b"CLM-000123", b"CLM-\1"))
            self._pieces.append(parts)
        self._position = 0
        self.cases = 0
        self._left: Iterator[bytes] = iter(())

    def take(self, count: int) -> list[bytes]:
        """The next records."""
        found: list[bytes] = []
        while len(found) < count:
            line = next(self._left, None)
            if line is None:
                self._left = self._case()
                continue
            found.append(line)
        return found

    def _case(self) -> Iterator[bytes]:
        self.cases += 1
        offset, name = self.cases * _KEYS_APART, b"%09d" % self.cases
        for parts in self._pieces:
            self._position += 1
            text = b"".join(b"%d" % (part + offset) if isinstance(part, int) else part for part in parts)
            yield text.replace(b"\0", b"%d" % self._position, 1).replace(b"\1", name)


def _say(what: str, count: int, cpu: float) -> None:
    """The same per second of processor time: what a machine that does nothing else would come to."""
    print(f"    {what}: {count / cpu:,.0f} records for each second of processor time", file=sys.stderr)


async def _fill(log: EventLog, stream: Stream, count: int) -> float:
    """Records a second that the log took, making them not counted."""
    spent, used, done = 0.0, 0.0, 0
    notary = Notary(log, Signer("bench/log", bytes(range(32))))
    while done < count:
        lines = stream.take(min(BATCH, count - done))
        start, cpu = time.perf_counter(), time.process_time()
        await log.append(lines)
        await notary.catch_up()
        spent += time.perf_counter() - start
        used += time.process_time() - cpu
        done += len(lines)
    await notary.sign()
    _say("written", count, used)
    return count / spent


async def _lag(log: EventLog, stream: Stream) -> float:
    """The 99th percentile of the milliseconds from a record's being there to a subscriber's having it, at a steady rate."""
    made: dict[int, float] = {}
    late: list[float] = []
    size = await log.size()
    total = RATE * RATE_SECONDS

    async def listen() -> None:
        async with aclosing(subscribe(log, after=size - 1)) as records:
            async for one in records:
                late.append(time.perf_counter() - made[one.seq])
                if len(late) == total:
                    return

    listening = asyncio.create_task(listen())
    portions = [stream.take(RATE // 20) for _ in range(RATE_SECONDS * 20)]
    begin, seq = time.perf_counter(), size
    for number, lines in enumerate(portions):
        await asyncio.sleep(max(0.0, begin + number / 20 - time.perf_counter()))
        now = time.perf_counter()
        for _ in lines:
            made[seq] = now
            seq += 1
        await log.append(lines)
    await asyncio.wait_for(listening, 60)
    return statistics.quantiles(late, n=100)[98] * 1000


async def _queries(log: EventLog, cases: int) -> float:
    """The 99th percentile of the milliseconds that finding all records of one case takes."""
    took: list[float] = []
    chance = random.Random(1)
    for _ in range(300):
        name = f"CLM-{chance.randint(1, cases):09}"
        start = time.perf_counter()
        keys = await log.instances_of(name)
        found = [record async for record in log.records(process_instance_keys=keys)]
        took.append(time.perf_counter() - start)
        assert len(found) > 200
    return statistics.quantiles(took, n=100)[98] * 1000


def _memory() -> float:
    """Megabytes that this process has at most had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _sqlite(folder: Path) -> AsyncIterator[Result]:
    path, stream = folder / "events.db", Stream()
    async with EventLog.open(path) as log:
        await _fill(log, stream, min(COUNT, 50_000))
        before = _memory()
        rate = await _fill(log, stream, COUNT)
        yield Result("log: into SQLite, chained, in the tree and signed", "records/s", rate, 20_000, at_most=False)
        yield Result("log: more memory after all of it", "MB", _memory() - before, 64)
        size = await log.size()
        await log.database.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
        yield Result("log: bytes for a record (its text: 800)", "bytes", path.stat().st_size / size, 1600)
        start, cpu = time.perf_counter(), time.process_time()
        report = await verify_log(log, [Signer("bench/log", bytes(range(32))).verifier])
        spent = time.perf_counter() - start
        assert report.good, report.problems
        if size < 1_000_000:  # beyond that it is done by several processes
            _say("verified", size, time.process_time() - cpu)
        yield Result("log: verify", "records/s", size / spent, 200_000, at_most=False)
        yield Result("log: all records of one case, p99", "ms", await _queries(log, stream.cases - 1), 20)
        start = time.perf_counter()
        await case_story(log, f"CLM-{stream.cases // 2:09}")
        print(f"    its story told: {(time.perf_counter() - start) * 1000:.1f} ms", file=sys.stderr)
        yield Result(f"log: from written to read at {RATE} records/s, p99", "ms", await _lag(log, stream), 200)
        if size <= 2_000_000:
            start, cpu = time.perf_counter(), time.process_time()
            await ReadModel(log).catch_up()
            _say("folded", await log.size(), time.process_time() - cpu)
            yield Result(
                "log: fold all projections anew", "records/s", await log.size() / (time.perf_counter() - start), 50_000, at_most=False
            )


async def _postgresql(address: str) -> Result:
    async with EventLog.open(address) as log:
        stream = Stream()
        await _fill(log, stream, 10_000)
        rate = await _fill(log, stream, min(COUNT, 100_000))
    return Result("log: into PostgreSQL, chained, in the tree and signed", "records/s", rate, 10_000, at_most=False)


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    with tempfile.TemporaryDirectory() as name, asyncio.Runner() as runner:
        results = _sqlite(Path(name))

        async def following() -> Result | None:
            return await anext(results, None)

        while (result := runner.run(following())) is not None:
            yield result
    from tests.support.postgres_server import postgres_server

    try:
        with postgres_server() as server:
            yield asyncio.run(_postgresql(server.new_database()))
    except (RuntimeError, FileNotFoundError, OSError) as error:
        print(f"left out: PostgreSQL ({error})", file=sys.stderr)
