"""A durable engine goes on where it was: after a stop, after a crash, with damaged parts, and says so when it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import pack
from camunda_workers.engine.embedded.durable.folder import DataFolder, in_use
from camunda_workers.engine.embedded.durable.log_file import Batch, LogFile
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.java import java_class
from camunda_workers.errors import AlreadyExists, ConfigurationError, NotFound, ReadModelError
from camunda_workers.events import EventLog
from tests.support.diagrams import process, sequence, service_task, timer

pytestmark = pytest.mark.engine

CASE = process("case", sequence(service_task("work", "work"), timer("pause", "PT48H")))
HOUR_MS = 3_600_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def deploy(engine: EmbeddedEngine) -> None:
    await engine.bridge.execute(commands.deploy([("case.bpmn", CASE)]))


async def start(engine: EmbeddedEngine, count: int = 1) -> list[int]:
    answers = [await engine.bridge.execute(commands.create_instance(process_id="case")) for _ in range(count)]
    return [answer.value["processInstanceKey"] for answer in answers]


async def activate(engine: EmbeddedEngine) -> list[int]:
    answer = await engine.bridge.execute(commands.activate_jobs("work", "test", HOUR_MS, 100, []))
    return list(answer.value["jobKeys"])


async def complete(engine: EmbeddedEngine, key: int) -> None:
    await engine.bridge.execute(commands.complete_job(key, pack({})))


async def later(engine: EmbeddedEngine, key: int) -> None:
    """Let a job wait for an hour before it is tried again."""
    await engine.bridge.execute(commands.fail_job(key, 1, "not now", HOUR_MS, pack({})))


async def states(engine: EmbeddedEngine) -> dict[int, str]:
    model = await engine.read_model()
    found = await model.search_process_instances(page={"limit": 1000})
    return {int(item["processInstanceKey"]): item["state"] for item in found["items"]}


def snapshots(data: Path) -> list[Path]:
    return sorted((data / "snapshots").glob("0*"))


def changes(data: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


async def fill(data: Path, rounds: int) -> list[int]:
    """An engine that was stopped as often, each time with a snapshot; returns the cases."""
    keys: list[int] = []
    for number in range(rounds):
        async with EmbeddedEngine(data=data) as engine:
            if not number:
                await deploy(engine)
            keys += await start(engine, 3)
    return keys


async def test_it_goes_on_after_a_stop(data: Path) -> None:
    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)
        first, second = await start(engine, 2)
        jobs = await activate(engine)
        await complete(engine, jobs[0])
        await later(engine, jobs[1])
        await engine.bridge.execute(commands.publish_message("go", "a", 9 * HOUR_MS, "message-1", pack({})))
        await engine.advance(timedelta(minutes=30))
        then, due = engine.now(), engine.next_due()
    async with EmbeddedEngine(data=data) as engine:
        assert then <= engine.now() < then + timedelta(minutes=5)
        assert engine.next_due() == due
        with pytest.raises(NotFound):
            await complete(engine, jobs[0])
        with pytest.raises(AlreadyExists):
            await engine.bridge.execute(commands.publish_message("go", "a", HOUR_MS, "message-1", pack({})))
        assert await activate(engine) == []
        await engine.advance(timedelta(minutes=31))
        assert await activate(engine) == [jobs[1]]
        await complete(engine, jobs[1])
        assert await states(engine) == {first: "ACTIVE", second: "ACTIVE"}
        await engine.advance(timedelta(hours=47))
        assert await states(engine) == {first: "COMPLETED", second: "ACTIVE"}
        await engine.advance(timedelta(hours=2))
        assert await states(engine) == {first: "COMPLETED", second: "COMPLETED"}


async def test_it_goes_on_from_what_a_crash_leaves(data: Path, tmp_path: Path) -> None:
    """The folder is copied while the engine runs: what a crash leaves, without a last snapshot."""
    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)
        keys = await start(engine, 3)
        jobs = await activate(engine)
        await complete(engine, jobs[0])
        await later(engine, jobs[2])
        await engine.bridge.execute(commands.publish_message("go", "a", 9 * HOUR_MS, "message-1", pack({})))
        while not await engine.is_idle():
            await asyncio.sleep(0)
        shutil.copytree(data, tmp_path / "crashed", ignore=shutil.ignore_patterns("*-shm"))
    async with EmbeddedEngine(data=tmp_path / "crashed") as engine:
        assert await states(engine) == dict.fromkeys(keys, "ACTIVE")
        assert await activate(engine) == []  # one is still with whoever has it
        with pytest.raises(NotFound):
            await complete(engine, jobs[0])
        with pytest.raises(AlreadyExists):
            await engine.bridge.execute(commands.publish_message("go", "a", HOUR_MS, "message-1", pack({})))
        await complete(engine, jobs[1])
        await engine.advance(timedelta(hours=1, minutes=1))
        assert await activate(engine) == [jobs[2]]
        await complete(engine, jobs[2])
        await engine.advance(timedelta(hours=49))
        assert await states(engine) == dict.fromkeys(keys, "COMPLETED")


async def test_the_log_is_cleaned_and_searches_still_know_everything(data: Path) -> None:
    keys = await fill(data, 3)
    async with EmbeddedEngine(data=data) as engine:
        assert len(snapshots(data)) == 2
        older = int(snapshots(data)[0].name)
        first = json.loads((await engine.records.read(0, 1))[0])["position"]
        assert 1 < first <= older
        assert await states(engine) == dict.fromkeys(keys, "ACTIVE")
        log = engine.event_log
        assert log is not None
        assert [record.position async for record in log.records()][:first] == list(range(1, first + 1))


async def test_snapshots_are_taken_on_an_interval(data: Path) -> None:
    async with EmbeddedEngine(data=data, snapshot_interval=0.05) as engine:
        await deploy(engine)
        async with asyncio.timeout(30):
            while len(snapshots(data)) < 2:
                await start(engine)


async def test_records_that_the_event_log_does_not_have_are_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)

    async def failing(*_: Any, **__: Any) -> int:
        raise ReadModelError("no room")

    for _ in range(3):
        async with EmbeddedEngine(data=data) as engine:
            with monkeypatch.context() as patched:
                patched.setattr(EventLog, "append", failing)
                await start(engine)
                await engine.stop()
    async with EmbeddedEngine(data=data) as engine:
        assert len(await states(engine)) == 3
        log = engine.event_log
        assert log is not None
        positions = [record.position async for record in log.records()]
        assert positions == list(range(1, positions[-1] + 1))


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


async def test_one_engine_at_a_time(data: Path) -> None:
    async with EmbeddedEngine(data=data) as engine:
        with pytest.raises(ConfigurationError, match="is in use by another engine"):
            await EmbeddedEngine(data=data).start()
        await deploy(engine)


async def test_a_folder_of_another_version_is_refused_before_anything_is_touched(data: Path) -> None:
    await fill(data, 1)
    folder = DataFolder(data, "8.8.21")
    folder.remember(engine="8.9.1")
    folder.close()
    before = changes(data)
    with pytest.raises(ConfigurationError, match=r"was written by engine 8\.9\.1: engine 8\.8\.21 is older and cannot read it"):
        await EmbeddedEngine(data=data).start()
    assert changes(data) == before


class SlowDisk:
    """Commits of the log wait until they are let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.allowed = threading.Semaphore(0)
        self.commits: list[list[Batch]] = []
        self.slow = False
        commit = LogFile.append

        def waiting(log: LogFile, batches: list[Batch]) -> None:
            if self.slow:
                assert self.allowed.acquire(timeout=20)
                self.commits.append(list(batches))
            commit(log, batches)

        monkeypatch.setattr(LogFile, "append", waiting)

    def open_wide(self) -> None:
        """Let everything through from now on."""
        self.slow = False
        for _ in range(100):
            self.allowed.release()


async def test_nothing_is_said_before_it_is_on_disk(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command first, before it is processed; then the events behind the answer, before the answer."""
    disk = SlowDisk(monkeypatch)
    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)
        await engine.settle()
        try:
            disk.slow = True
            head = await _head(engine)
            starting = asyncio.create_task(start(engine))
            await _eventually(lambda: engine.is_idle())
            assert await _head(engine) == head  # the engine has not seen the command
            assert not starting.done()
            disk.allowed.release()
            await _eventually(lambda: _is(len(disk.commits) == 1))
            await _eventually(lambda: _processed(engine, head))
            await engine.is_idle()
            assert await _head(engine) == head + 1  # the command is there, what it led to is not
            assert not starting.done()
            disk.allowed.release()
            (key,) = await asyncio.wait_for(starting, 10)
            assert await states(engine) == {key: "ACTIVE"}
        finally:
            disk.open_wide()


async def _head(engine: EmbeddedEngine) -> int:
    return json.loads((await engine.records.read(0, 100_000))[-1])["position"]


async def _processed(engine: EmbeddedEngine, head: int) -> bool:
    return await _head(engine) > head


async def _is(condition: bool) -> bool:
    return condition


async def _eventually(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.005)
