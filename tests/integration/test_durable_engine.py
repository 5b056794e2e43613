"""A durable engine goes on where it was, after a stop and after a crash, and says nothing before it is on disk."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import pack
from camunda_workers.engine.embedded.durable.folder import DataFolder
from camunda_workers.engine.embedded.durable.log_file import Batch, LogFile
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import AlreadyExists, ConfigurationError, NotFound, ReadModelError
from camunda_workers.events import EventLog
from camunda_workers.settings import Settings
from tests.support.durable_engine import HOUR_MS, activate, changes, complete, deploy, fill, later, snapshots, start, states

pytestmark = pytest.mark.engine


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


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


async def test_answers_to_what_an_earlier_run_was_asked_are_not_taken_for_those_of_this_one(data: Path, tmp_path: Path) -> None:
    """The folder is copied with 120 starts in its log that nothing has processed: the next run processes them beside its own."""

    async def numbered(engine: EmbeddedEngine, number: int) -> int:
        command = commands.create_instance(process_id="case", variables=pack({"number": number}))
        return int((await engine.bridge.execute(command)).value["processInstanceKey"])

    async with EmbeddedEngine(data=data) as engine:
        await deploy(engine)
        processor: Any = engine._wired.processor  # type: ignore[union-attr]
        processor.pauseProcessing().join()
        head = await _head(engine)
        starting = asyncio.gather(*(numbered(engine, -number) for number in range(1, 121)))
        await _eventually(lambda: _is_there(engine, head + 120))
        shutil.copytree(data, tmp_path / "crashed", ignore=shutil.ignore_patterns("*-shm"))
        processor.resumeProcessing()
        await starting
    async with EmbeddedEngine(data=tmp_path / "crashed") as engine:
        keys = await asyncio.gather(*(numbered(engine, number) for number in range(1, 41)))
        await engine.settle()
        found = await (await engine.read_model()).search_variables({"name": "number"}, page={"limit": 1000})
    numbers = {int(one["processInstanceKey"]): int(one["value"]) for one in found["items"]}
    assert len(numbers) == 160
    assert [numbers[key] for key in keys] == list(range(1, 41))


async def _is_there(engine: EmbeddedEngine, position: int) -> bool:
    return await _head(engine) >= position


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


async def test_one_engine_at_a_time(data: Path) -> None:
    async with EmbeddedEngine(data=data) as engine:
        with pytest.raises(ConfigurationError, match="is in use by another engine"):
            await EmbeddedEngine(data=data).start()
        await deploy(engine)


async def test_a_folder_of_another_version_is_refused_before_anything_is_touched(data: Path) -> None:
    await fill(data, 1)
    running = Settings().engine_version
    folder = DataFolder(data, running)
    folder.remember(engine="8.99.1")
    folder.close()
    before = changes(data)
    with pytest.raises(
        ConfigurationError, match=rf"was written by engine 8\.99\.1: engine {re.escape(running)} is older and cannot read it"
    ):
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
