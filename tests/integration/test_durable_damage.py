"""A durable engine whose folder is damaged goes on with what is good, or names the place and refuses."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.durable.folder import in_use
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.java import java_class
from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog
from tests.support.durable_engine import activate, deploy, fill, flip, snapshots, start, states

pytestmark = pytest.mark.engine


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_a_damaged_snapshot_is_named_and_the_one_before_is_taken(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = await fill(data, 3)
    newest = next((snapshots(data)[-1] / "state").glob("MANIFEST-*"))
    flip(newest)
    with caplog.at_level(logging.WARNING):
        async with EmbeddedEngine(data=data) as engine:
            assert (
                f"{newest} is damaged or missing; the engine goes on from the snapshot of position {int(snapshots(data)[0].name)}"
                in caplog.text
            )
            assert len(await activate(engine)) == len(keys)
            keys += await start(engine)
            assert await states(engine) == dict.fromkeys(keys, "ACTIVE")


async def test_without_any_snapshot_the_whole_log_is_replayed(data: Path) -> None:
    keys = await fill(data, 1)
    shutil.rmtree(data / "snapshots")
    async with EmbeddedEngine(data=data) as engine:
        assert len(await activate(engine)) == len(keys)


async def test_when_neither_snapshots_nor_the_log_reach_back_it_is_refused(data: Path) -> None:
    await fill(data, 3)
    for snapshot in snapshots(data):
        flip(snapshot / "facts.json")
    for _ in range(2):  # the second try is refused for the same reason, not because the first one kept the lock
        with pytest.raises(
            ReadModelError, match=r"facts.json is damaged or missing; .* the log begins at .* restore the folder from a backup"
        ):
            await EmbeddedEngine(data=data).start()


@pytest.mark.parametrize("where", ["after the snapshot", "before the snapshot"])
async def test_a_damaged_log_is_named_where_it_matters(data: Path, where: str) -> None:
    await fill(data, 1)
    position = int(snapshots(data)[-1].name)
    after = where == "after the snapshot"
    with sqlite3.connect(data / "log.db") as db:
        ordered = "low > ? order by low" if after else "high < ? order by low desc"
        (low,) = db.execute(f"select low from batches where {ordered} limit 1", (position,)).fetchone()
        db.execute("update batches set crc = crc + 1 where low = ?", (low,))
    db.close()
    if after:
        for _ in range(2):
            with pytest.raises(ReadModelError, match=f"log.db is damaged at position {low}: restore the folder from a backup"):
                await EmbeddedEngine(data=data).start()
        return
    async with EmbeddedEngine(data=data) as engine:  # nothing needs that part any more
        assert len(await activate(engine)) == 3
        with pytest.raises(ReadModelError, match=f"log.db is damaged at position {low}"):
            await engine.records.read(0, 1000)


async def test_a_failed_start_leaves_nothing_behind(data: Path) -> None:
    await fill(data, 1)
    with sqlite3.connect(data / "log.db") as db:  # where nothing looks before Java does
        db.execute("update batches set crc = crc + 1 where low = (select min(low) from batches)")
    db.close()
    before = threading.active_count(), _java_threads()
    for _ in range(2):
        with pytest.raises(ReadModelError, match=r"log\.db is damaged at position 1: restore the folder from a backup"):
            await EmbeddedEngine(data=data).start()
    assert not in_use(data)
    async with asyncio.timeout(20):
        while threading.active_count() > before[0] + 1 or _java_threads() > before[1]:  # one more may be a Java thread of Python's
            await asyncio.sleep(0.01)


def _java_threads() -> int:
    """How many threads of engines there are."""
    threads = java_class("java.lang.Thread").getAllStackTraces().keySet()
    return sum(str(thread.getName()).startswith("zb-") for thread in threads)


async def test_a_log_that_lost_its_end_is_refused(data: Path) -> None:
    await fill(data, 1)
    with sqlite3.connect(data / "log.db") as db:
        db.execute("delete from batches where low = (select max(low) from batches)")
    db.close()
    with pytest.raises(ReadModelError, match="was acknowledged: restore the folder from a backup"):
        await EmbeddedEngine(data=data).start()


async def test_an_event_log_that_does_not_fit_is_refused(data: Path, tmp_path: Path) -> None:
    await fill(data, 3)
    async with EventLog.open(tmp_path / "other.db") as other:
        with pytest.raises(ReadModelError, match=r"other.db ends at position 0, the engine's log begins at \d+"):
            await EmbeddedEngine(data=data, log=other).start()
    async with EmbeddedEngine(data=tmp_path / "another") as engine:
        await deploy(engine)
        await start(engine, 20)
    shutil.copy2(tmp_path / "another" / "events.db", data / "events.db")
    with pytest.raises(ReadModelError, match="another engine"):
        await EmbeddedEngine(data=data).start()
