"""The event log at ten million records: what grows with its size, and what must not.

Takes about half an hour and 20 GB of disk on two cores, so it is not part of ``make bench``: ``python -m bench log_large``. ``LOG_RECORDS`` sets
another count; ``LOG_FOLDER`` keeps the log there, and measures one that is there already; ``LOG_DATABASE`` measures PostgreSQL at that address
(``postgresql://…``, an empty database), or with the value ``postgresql`` on a server of its own.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.log import one_by_one
from bench.log_measures import RATE, SIGNER, fill, lag, memory, queries, say
from bench.log_stream import Stream
from bench.result import Result
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.retention import archive
from camunda_workers.events.stats import log_stats

COUNT: Final = int(os.environ.get("LOG_RECORDS", "10000000"))
_FOLDER: Final = os.environ.get("LOG_FOLDER")
_DATABASE: Final = os.environ.get("LOG_DATABASE", "")
_DAYS: Final = 180
_ARCHIVED_DAYS: Final = 30
_MOST_MEGABYTES: Final = 64
_LAG_SECONDS: Final = 10
_NAME: Final = f"log of {COUNT / 1e6:g} million"


class _Watched:
    """How much memory came on top, at most."""

    def __init__(self) -> None:
        self._before = memory()
        self.most = 0.0

    def look(self) -> None:
        self.most = max(self.most, memory() - self._before)


@asynccontextmanager
async def _watched() -> AsyncGenerator[_Watched]:
    watched = _Watched()

    async def watch() -> None:
        while True:
            watched.look()
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(watch())
    try:
        yield watched
    finally:
        watching.cancel()


async def _measured(target: Path | str, folder: Path) -> AsyncIterator[Result]:
    stream = Stream(millis=_DAYS * 86_400_000 // COUNT)
    async with EventLog.open(target) as log:
        async for result in _filled(log, stream):
            yield result
        start = time.perf_counter()
        report = await verify_log(log, [SIGNER.verifier])
        assert report.good, report.problems
        yield Result(f"{_NAME}: verify", "records/s", await log.size() / (time.perf_counter() - start), 200_000, at_most=False)
        start = time.perf_counter()
        size = await log.size()
        async with _watched() as watched:
            if await ReadModel(log).catch_up():
                yield Result(
                    f"{_NAME}: fold all projections anew", "records/s", size / (time.perf_counter() - start), 50_000, at_most=False
                )
                yield Result(f"{_NAME}: more memory meanwhile", "MB", watched.most, _MOST_MEGABYTES)
        found = await queries(log, stream.whole_cases)
        yield Result(f"{_NAME}: all records of one case, p99", "ms", found.records, 20)
        yield Result(f"{_NAME}: the story of one case, p99", "ms", found.story, 20)
        late = await lag(log, stream, _LAG_SECONDS)
        yield Result(f"{_NAME}: from the engine to a subscriber at {RATE} records/s, p99", "ms", late.subscriber, 200)
        yield Result(f"{_NAME}: from the engine to searches at {RATE} records/s, p99", "ms", late.searchable, 200)
        start = time.perf_counter()
        stats = await log_stats(log)
        say(
            f"log stats: {time.perf_counter() - start:.1f} s, {stats['cases']:,} cases; {stats['bytesPerRecord']:,} bytes a record with the read model"
        )
        async for result in _archived(log, stream, folder):
            yield result


async def _filled(log: EventLog, stream: Stream) -> AsyncIterator[Result]:
    there = await log.size()
    for _ in range(there // 10_000):
        stream.take(10_000)
    stream.take(there % 10_000)
    if there >= COUNT:
        return
    early = max(COUNT // 20, 1)
    await fill(log, stream, early)
    watched = _Watched()
    rate = await fill(log, stream, COUNT - early, lambda done: watched.look() if done % 100_000 == 0 else None)
    yield Result(
        f"{_NAME}: writing, chained, in the tree and signed", "records/s", rate, 10_000 if log.path is None else 20_000, at_most=False
    )
    yield Result(f"{_NAME}: more memory meanwhile", "MB", watched.most, _MOST_MEGABYTES)
    if log.path is not None:
        await log.database.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
    stats = log.path.stat().st_size if log.path is not None else (await log_stats(log))["bytes"]
    yield Result(f"{_NAME}: bytes for a record (its text: 800)", "bytes", stats / await log.size(), 1600)


async def _archived(log: EventLog, stream: Stream, folder: Path) -> AsyncIterator[Result]:
    """A month goes into a file while somebody writes."""
    import pyarrow.parquet  # noqa: F401  # pyright: ignore  # the library itself is no growth

    waited: list[float] = []

    async def write() -> None:
        while True:
            lines = stream.take(20)
            start = time.perf_counter()
            await log.append(lines)
            waited.append(time.perf_counter() - start)
            await asyncio.sleep(0.05)

    phases = [time.perf_counter()]
    writing = asyncio.create_task(write())
    try:
        async with _watched() as watched:
            done = await archive(
                log,
                ReadModel(log),
                folder / "archive",
                datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=_ARCHIVED_DAYS),
                removing=lambda done, _: phases.append(time.perf_counter()) if len(phases) == 1 else None,
            )
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert done.path is not None, done.why
    count, end = done.end - done.begin, time.perf_counter()
    size = done.path.stat().st_size / count
    say(
        f"{count:,} records archived: {count / (phases[1] - phases[0]):,.0f}/s written, {count / (end - phases[1]):,.0f}/s removed; {size:.0f} bytes each"
    )
    yield Result(f"{_NAME}: archiving a month", "records/s", count / (end - phases[0]), 5_000, at_most=False)
    yield Result(f"{_NAME}: more memory meanwhile", "MB", watched.most, 256)
    yield Result(f"{_NAME}: longest that a writer waited meanwhile", "ms", max(waited) * 1000, 1000)


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    with ExitStack() as stack:
        folder = Path(_FOLDER or stack.enter_context(tempfile.TemporaryDirectory(prefix="camunda-workers-log-")))
        target: Path | str = folder / "events.db"
        if _DATABASE == "postgresql":
            from tests.support.postgres_server import postgres_server

            target = stack.enter_context(postgres_server()).new_database()
        elif _DATABASE:
            target = _DATABASE
        yield from one_by_one(_measured(target, folder))
