"""Java wakes the event loop through a pipe: from any thread, and never again once it was told to be silent."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.engine.embedded.jvm import start_jvm
from camunda_workers.settings import Settings

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def jvm() -> None:
    start_jvm(Settings())


def ring(bell: Any) -> None:
    thread = threading.Thread(target=bell.java.run)
    thread.start()
    thread.join()


async def test_it_wakes_the_loop_from_another_thread_once_for_many_rings() -> None:
    from camunda_workers.engine.embedded.outbox import Bell

    woken, rung = asyncio.Event(), 0

    def wake() -> None:
        nonlocal rung
        rung += 1
        woken.set()

    bell = Bell(asyncio.get_running_loop(), wake)
    for _ in range(3):
        ring(bell)
    await asyncio.wait_for(woken.wait(), 10)
    assert rung == 1
    woken.clear()
    ring(bell)
    await asyncio.wait_for(woken.wait(), 10)
    bell.silence()
    ring(bell)  # an engine's thread may come late
    await asyncio.sleep(0)
    assert rung == 2


async def test_silence_gives_its_files_back() -> None:
    from camunda_workers.engine.embedded.outbox import Bell

    def files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    Bell(asyncio.get_running_loop(), lambda: None).silence()  # what Java opens at its first time stays open
    before = files()
    for _ in range(20):
        Bell(asyncio.get_running_loop(), lambda: None).silence()
    assert files() == before


async def test_where_no_pipe_can_be_watched_java_calls_python(monkeypatch: pytest.MonkeyPatch) -> None:
    from camunda_workers.engine.embedded.outbox import Bell

    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def no_readers(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(loop, "add_reader", no_readers)
    bell = Bell(loop, woken.set)
    ring(bell)
    await asyncio.wait_for(woken.wait(), 10)
    bell.silence()
    ring(bell)
