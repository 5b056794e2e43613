"""The event log of a durable engine is written in the time that the engine leaves, and at once when somebody waits for it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from camunda_workers.engine.embedded import follow
from camunda_workers.engine.embedded.follow import LogFollower, Unhurried
from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog


class Source:
    """Records with positions up to ``end`` that are no real ones: nobody parses them here."""

    def __init__(self, end: int, first: int = 1) -> None:
        self.end = end
        self.first = first
        self.asked: list[int] = []

    async def read(self, after: int = 0, limit: int = 1000) -> list[str]:
        self.asked.append(after)
        begin = max(after + 1, self.first)
        return [f'{{"position": {position}}}' for position in range(begin, min(begin + limit, self.end + 1))]

    async def wait(self, after: int, timeout: float) -> bool:
        return after < self.end

    async def first_position(self) -> int | None:
        return self.first


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_PAUSE_FACTOR", 1e12)
    monkeypatch.setattr(follow, "_LONGEST_PAUSE", 3600.0)


async def busy() -> bool:
    return False


async def idle() -> bool:
    return True


async def _some_turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("long_pauses")
async def test_it_pauses_while_there_is_more_and_not_when_somebody_waits() -> None:
    source = Source(end=20)
    unhurried = Unhurried(source, busy)
    assert len(await unhurried.read(0, 10)) == 10
    second = asyncio.create_task(unhurried.read(10, 10))
    await _some_turns()
    assert source.asked == [0]
    assert not second.done()
    with unhurried.hurry():
        assert len(await second) == 10
        assert await unhurried.read(20, 10) == []
    assert source.asked == [0, 10, 20]


@pytest.mark.usefixtures("long_pauses")
async def test_it_does_not_pause_for_an_engine_that_has_nothing_to_do() -> None:
    unhurried = Unhurried(Source(end=20), idle)
    assert len(await unhurried.read(0, 10)) == 10
    assert len(await unhurried.read(10, 10)) == 10


@pytest.mark.usefixtures("long_pauses")
async def test_it_does_not_pause_after_it_has_come_to_the_end() -> None:
    source = Source(end=5)
    unhurried = Unhurried(source, busy)
    await unhurried.read(0, 10)
    with unhurried.hurry():
        assert await unhurried.read(5, 10) == []
    source.end = 6
    assert len(await unhurried.read(5, 10)) == 1
    assert await unhurried.wait(5, 1)


@pytest.mark.usefixtures("long_pauses")
async def test_two_who_wait_are_both_waited_for() -> None:
    unhurried = Unhurried(Source(end=30), busy)
    await unhurried.read(0, 10)
    with unhurried.hurry():
        with unhurried.hurry():
            pass
        assert len(await unhurried.read(10, 10)) == 10
    paused = asyncio.create_task(unhurried.read(20, 10))
    await _some_turns()
    assert not paused.done()
    paused.cancel()


async def test_a_log_that_does_not_reach_back_to_the_first_record_is_refused() -> None:
    async with EventLog.open(":memory:") as log:
        with pytest.raises(ReadModelError, match="ends at position 0, the engine's log begins at 7: what is between was in the event log"):
            await LogFollower(log).start(cast(Any, Source(end=9, first=7)), busy)
