"""The event log: how fast it takes records in, verifies, folds and answers, and what a record costs on disk.

``LOG_RECORDS`` sets how many (200,000 by default). PostgreSQL is measured where its programs are installed. `bench.log_large` does the same with
ten million.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from bench.log_measures import RATE, SIGNER, fill, lag, memory, per_cpu, queries
from bench.log_stream import Stream
from bench.result import Result
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.worker.collector import calm_collector

COUNT: Final = int(os.environ.get("LOG_RECORDS", "200000"))
_ON_POSTGRESQL: Final = min(COUNT, 100_000)
_SECONDS: Final = 8


async def _sqlite(folder: Path) -> AsyncIterator[Result]:
    path, stream = folder / "events.db", Stream()
    async with EventLog.open(path) as log:
        await fill(log, stream, min(COUNT, 50_000))
        before = memory()
        rate = await fill(log, stream, COUNT)
        yield Result("log: into SQLite, chained, in the tree and signed", "records/s", rate, 20_000, at_most=False)
        yield Result("log: more memory after all of it", "MB", memory() - before, 64)
        size = await log.size()
        await log.database.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
        yield Result("log: bytes for a record (its text: 800)", "bytes", path.stat().st_size / size, 1600)
        start, cpu = time.perf_counter(), time.process_time()
        report = await verify_log(log, [SIGNER.verifier])
        spent = time.perf_counter() - start
        assert report.good, report.problems
        if size < 200_000:  # beyond that it is done by several processes
            per_cpu("verified", size, time.process_time() - cpu)
        yield Result("log: verify", "records/s", size / spent, 200_000, at_most=False)
        start, cpu = time.perf_counter(), time.process_time()
        await ReadModel(log).catch_up()
        spent = time.perf_counter() - start
        per_cpu("folded", size, time.process_time() - cpu)
        yield Result("log: fold all projections anew", "records/s", size / spent, 50_000, at_most=False)
        async for result in _answers(log, stream, ""):
            yield result


async def _answers(log: EventLog, stream: Stream, where: str) -> AsyncIterator[Result]:
    queried = await queries(log, stream.whole_cases)
    yield Result(f"log{where}: all records of one case, p99", "ms", queried.records, 20)
    yield Result(f"log{where}: the story of one case, p99", "ms", queried.story, 20)
    late = await lag(log, stream, _SECONDS)
    yield Result(f"log{where}: from the engine to a subscriber at {RATE} records/s, p99", "ms", late.subscriber, 200)
    yield Result(f"log{where}: from the engine to searches at {RATE} records/s, p99", "ms", late.searchable, 200)


async def _postgresql(address: str) -> AsyncIterator[Result]:
    async with EventLog.open(address) as log:
        stream = Stream()
        await fill(log, stream, 10_000)
        rate = await fill(log, stream, _ON_POSTGRESQL)
        yield Result("log: into PostgreSQL, chained, in the tree and signed", "records/s", rate, 10_000, at_most=False)
        start = time.perf_counter()
        await ReadModel(log).catch_up()
        yield Result(
            "log in PostgreSQL: fold all projections anew",
            "records/s",
            await log.size() / (time.perf_counter() - start),
            50_000,
            at_most=False,
        )
        async for result in _answers(log, stream, " in PostgreSQL"):
            yield result


def one_by_one(results: AsyncIterator[Result]) -> Iterator[Result]:
    """Results as they come; measured as the processes that keep a log run."""

    async def following() -> Result | None:
        return await anext(results, None)

    with asyncio.Runner() as runner, calm_collector():
        while (result := runner.run(following())) is not None:
            yield result


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    with tempfile.TemporaryDirectory() as name:
        yield from one_by_one(_sqlite(Path(name)))
    from tests.support.postgres_server import postgres_server

    try:
        with postgres_server() as server:
            yield from one_by_one(_postgresql(server.new_database()))
    except (RuntimeError, FileNotFoundError, OSError) as error:
        print(f"left out: PostgreSQL ({error})", file=sys.stderr)
