"""The disk of a durable engine is full: commands are refused and say why, reading goes on, and all is well when there is room again."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import pack
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import BackPressure
from camunda_workers.settings import Settings
from tests.support.diagrams import ONE_TASK

pytestmark = pytest.mark.engine

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)]
    if not sys.platform.startswith("linux") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: that takes root on Linux")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


class Ballast:
    """Takes the room on a disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._path = disk / "ballast"

    def take(self, *, leaving: int) -> None:
        """Fill the disk up to so many bytes."""
        with self._path.open("ab", buffering=0) as file:
            while (free := shutil.disk_usage(self._disk).free) > leaving:
                try:
                    file.write(bytes(min(free - leaving, MEGABYTE)))
                except OSError:
                    return

    def give_back(self) -> None:
        """Make room again."""
        self._path.unlink()


async def _start(engine: EmbeddedEngine, *, size: int = 10) -> int:
    variables = pack({"text": "x" * size})
    answer = await engine.bridge.execute(commands.create_instance(process_id="one-task", variables=variables))
    return answer.value["processInstanceKey"]


async def _active(engine: EmbeddedEngine) -> set[int]:
    model = await engine.read_model()
    found = await model.search_process_instances({"state": "ACTIVE"}, page={"limit": 1000})
    return {int(item["processInstanceKey"]) for item in found["items"]}


async def _refused(engine: EmbeddedEngine, started: Callable[[int], None], size: int) -> BackPressure:
    """Start instances until they are refused; return why."""
    async with asyncio.timeout(60):
        while True:
            try:
                started(await asyncio.wait_for(_start(engine, size=size), 2))
            except BackPressure as error:
                return error
            except TimeoutError:
                continue  # it was taken and waits for room; from now on others are refused


async def test_commands_are_refused_before_the_disk_is_full(small_disk: Path) -> None:
    ballast = Ballast(small_disk)
    keys: set[int] = set()
    async with EmbeddedEngine(data=small_disk / "data", settings=Settings(least_free_mb=32)) as engine:
        await engine.bridge.execute(commands.deploy([("one-task.bpmn", ONE_TASK)]))
        keys.add(await _start(engine))
        ballast.take(leaving=30 * MEGABYTE)
        why = await _refused(engine, keys.add, 10)
        assert "has only" in str(why)
        assert "32 MB are needed; reading goes on, commands are accepted again when there is room" in str(why)
        assert str(small_disk / "data") in str(why)
        assert await _active(engine) == keys
        assert engine.healthy()
        ballast.give_back()
        keys.add(await _accepted(engine))
        assert await _active(engine) == keys


async def test_a_full_disk_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    """The room goes faster than anybody can watch it: writes of the log fail."""
    ballast = Ballast(small_disk)
    keys: set[int] = set()
    async with EmbeddedEngine(data=small_disk / "data", settings=Settings(least_free_mb=1)) as engine:
        await engine.bridge.execute(commands.deploy([("one-task.bpmn", ONE_TASK)]))
        keys.add(await _start(engine))
        await _active(engine)
        ballast.take(leaving=0)
        why = await _refused(engine, keys.add, 200_000)
        assert "cannot be written: database or disk is full" in str(why) or "has only 0 MB left" in str(why)
        records = await engine.records.read(0, 10_000)
        assert len(records) > 10
        ballast.give_back()
        keys.add(await _accepted(engine))
        assert engine.healthy()
        async with asyncio.timeout(30):
            while not keys <= await _active(engine):
                await asyncio.sleep(0.1)
        everything = await _active(engine)
    async with EmbeddedEngine(data=small_disk / "data", settings=Settings(least_free_mb=1)) as engine:
        assert await _active(engine) == everything
        answer = await engine.bridge.execute(commands.activate_jobs("work", "test", 60_000, 100, []))
        assert {job["processInstanceKey"] for job in answer.value["jobs"]} == everything


async def _accepted(engine: EmbeddedEngine) -> int:
    async with asyncio.timeout(30):
        while True:
            try:
                return await _start(engine)
            except BackPressure:
                await asyncio.sleep(0.1)
