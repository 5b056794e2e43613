"""The broker's process and its guard, with small scripts in the broker's place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from camunda_workers.engine.broker.diary import Diary
from camunda_workers.engine.broker.lock import FolderLock
from camunda_workers.engine.broker.process import BrokerProcess
from camunda_workers.errors import SetupError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

WAITS = "import signal; print('up', flush=True); signal.pause()"
IGNORES = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: time.sleep(1)"
# A Python process of its own that starts a broker and says both process ids and the launcher's.
PARENT = """
import asyncio, os, pathlib, sys, time
from datetime import timedelta
from camunda_workers.engine.broker.lock import FolderLock
from camunda_workers.engine.broker.process import BrokerProcess
async def main(folder):
    lock = FolderLock(folder)
    assert lock.acquire()
    broker = await BrokerProcess.start([sys.executable, "-c", {script!r}], folder=folder, output=folder / "output",
        environment=dict(os.environ), grace=timedelta(seconds=10), keep=[lock.descriptor])
    while "up" not in (folder / "output").read_text():
        await asyncio.sleep(0.01)
    if {fork}:
        if os.fork() == 0:
            os.close(1)
            time.sleep(20)  # a forked child has the other side of the guard's input too
            os._exit(0)
    print(broker.pid, broker._launcher.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or ") Z" not in state.read_text()


async def eventually(condition: Callable[[], bool], within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        await asyncio.sleep(0.02)


async def start(script: str, folder: Path, *, grace: float = 10.0, keep: tuple[int, ...] = ()) -> BrokerProcess:
    broker = await BrokerProcess.start(
        [sys.executable, "-c", script],
        folder=folder,
        output=folder / "output",
        environment=dict(os.environ),
        grace=timedelta(seconds=grace),
        keep=keep,
    )
    if script in (WAITS, IGNORES):
        await eventually(lambda: "up" in (folder / "output").read_text())
    return broker


async def test_it_is_asked_to_end(tmp_path: Path) -> None:
    broker = await start(WAITS, tmp_path)
    assert runs(broker.pid)
    assert not broker.ended
    assert await broker.wait(0.05) is None
    assert await broker.stop() == -signal.SIGTERM
    assert broker.ended
    assert not runs(broker.pid)
    assert await broker.stop() == -signal.SIGTERM  # once more does no harm


async def test_it_is_forced_to_end_when_it_does_not_listen(tmp_path: Path) -> None:
    broker = await start(IGNORES, tmp_path, grace=0.3)
    began = time.monotonic()
    assert await broker.stop() == -signal.SIGKILL
    assert 0.2 < time.monotonic() - began < 5


async def test_it_is_killed_at_once(tmp_path: Path) -> None:
    broker = await start(IGNORES, tmp_path)
    assert await broker.kill() == -signal.SIGKILL


async def test_it_ends_by_itself(tmp_path: Path) -> None:
    broker = await start("print('farewell'); raise SystemExit(7)", tmp_path)
    assert await broker.wait() == 7
    assert (tmp_path / "output").read_text() == "farewell\n"


async def test_it_cannot_be_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"Java could not be started \(.*no-such-java"):
        await BrokerProcess.start(
            [str(tmp_path / "no-such-java")], folder=tmp_path, output=tmp_path / "output", environment={}, grace=timedelta(seconds=1)
        )


async def test_a_hanging_guard_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camunda_workers.engine.broker.process.SLACK", 0.2)
    broker = await start(WAITS, tmp_path, grace=0.1)
    os.kill(broker._launcher.pid, signal.SIGSTOP)  # pyright: ignore[reportPrivateUsage]
    await broker.stop()
    await eventually(lambda: not runs(broker.pid))


@pytest.mark.parametrize(("script", "fork"), [(WAITS, False), (WAITS, True)], ids=["alone", "with a fork"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_it_ends_with_the_process_that_started_it(tmp_path: Path, script: str, fork: bool, number: signal.Signals) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT.format(script=script, fork=fork), str(tmp_path), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    try:
        broker, launcher = map(int, (await parent.stdout.readline()).split())
        lock = FolderLock(tmp_path)
        assert not lock.acquire()
        assert lock.holder() == parent.pid
        parent.send_signal(number)
        await parent.wait()
        await eventually(lambda: not runs(broker))
        await eventually(lambda: not runs(launcher))
        if not fork:  # else the fork, a part of that process, still has its files
            await eventually(lock.acquire)
            lock.release()
    finally:
        os.killpg(parent.pid, signal.SIGKILL) if fork else None
        if parent.returncode is None:
            parent.kill()
        await parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child whose parent was killed")
async def test_it_ends_even_when_its_guard_is_killed(tmp_path: Path) -> None:
    broker = await start(IGNORES, tmp_path)
    os.kill(broker._launcher.pid, signal.SIGKILL)  # pyright: ignore[reportPrivateUsage]
    await eventually(lambda: not runs(broker.pid))
    await broker.stop()


async def test_a_folder_stays_locked_while_its_broker_lives(tmp_path: Path) -> None:
    lock, other = FolderLock(tmp_path), FolderLock(tmp_path)
    assert lock.acquire()
    assert not other.acquire()
    assert other.holder() == os.getpid()
    assert lock.descriptor is not None
    broker = await start(WAITS, tmp_path, keep=(lock.descriptor,))
    lock.release()
    assert not other.acquire()  # the broker has it too
    await broker.stop()
    assert other.acquire()
    other.release()


def test_a_diary_tells_what_was_written_since(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    diary.open()
    diary.log.write_text("of an earlier start\n")
    diary.open()
    assert "(nothing)" in str(diary.ended("it ended"))
    with diary.log.open("a") as log:
        log.write("\n".join(["old", *(f"line {number}" for number in range(20)), "  at java.Thread.run", "  ... 30 more", ""]))
    diary.output.write_text("Error: no heap\n")
    said = str(diary.ended("it ended", lines=3))
    assert said == f"it ended. Its last words ({diary.log}):\n  line 17\n  line 18\n  line 19"
    assert "no heap" in diary.text()
    assert "earlier" not in diary.text()
    diary.log.write_text("new\n")  # rotated: shorter than where this start began
    assert "new" in diary.text()
