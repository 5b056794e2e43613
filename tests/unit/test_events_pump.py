"""The pump: from a source into the log, resumable at any moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, Pump, ReadModel
from tests.support.recorded import ListSource, changed, recorded


@pytest.fixture
async def log() -> AsyncIterator[EventLog]:
    async with EventLog.open() as opened:
        yield opened


async def count(log: EventLog) -> int:
    return len([record async for record in log.records()])


async def test_copies_until_there_is_nothing_new(log: EventLog) -> None:
    source = ListSource(recorded())
    pump = Pump(source, log, batch=100)
    assert await pump.catch_up() == len(recorded())
    assert await pump.catch_up() == 0
    assert await count(log) == len(recorded())


async def test_a_new_pump_goes_on_where_the_log_ends(log: EventLog) -> None:
    lines = recorded()
    await Pump(ListSource(lines[:300]), log).catch_up()
    source = ListSource(lines)
    assert await Pump(source, log, batch=50).catch_up() == len(lines) - 300
    assert min(after for after, _ in source.asked) == await position_before(lines[299])
    assert await count(log) == len(lines)


async def position_before(line: bytes) -> int:
    return json.loads(line)["position"] - 1


async def test_followers_have_folded_when_it_has_caught_up(log: EventLog) -> None:
    model = ReadModel(log)
    await Pump(ListSource(recorded()), log, followers=[model], batch=64).catch_up()
    assert await model.catch_up() == 0
    assert (await model.search_process_instances())["page"]["totalItems"] == 8


async def test_whoever_waits_for_a_position_does_not_wait_for_the_end_of_a_busy_source(log: EventLog) -> None:
    lines = recorded()
    wanted = json.loads(lines[99])["position"]
    pump = Pump(ListSource(lines), log, batch=64)
    assert await pump.catch_up(wanted) == 128
    assert pump.position >= wanted
    assert await pump.catch_up(wanted) == 0
    everything = asyncio.create_task(pump.catch_up())
    await asyncio.sleep(0)
    await pump.catch_up(json.loads(lines[150])["position"])
    assert not everything.done(), "it went on between two batches"
    await everything
    assert await count(log) == len(lines)


async def test_a_source_that_is_another_engine_is_refused(log: EventLog) -> None:
    lines = recorded()
    await log.append(lines[:100])
    other = [changed(line, timestamp=1) for line in lines]
    with pytest.raises(ReadModelError, match="belongs to another engine"):
        await Pump(ListSource(other), log).catch_up()
    with pytest.raises(ReadModelError, match=r"ends at position 100, where the engine has not come yet.*belongs to another engine"):
        await Pump(ListSource(other[:50]), log).catch_up()
    assert await count(log) == 100


async def test_a_source_that_is_still_empty_is_looked_at_again(log: EventLog) -> None:
    lines = recorded()
    await log.append(lines[:100])
    source = ListSource()
    pump = Pump(source, log)
    assert await pump.catch_up() == 0
    source.lines = [changed(line, timestamp=1) for line in lines[:20]]
    with pytest.raises(ReadModelError, match="another engine"):
        await pump.catch_up()


async def test_a_source_that_has_forgotten_its_beginning_is_fine(log: EventLog) -> None:
    lines = recorded()
    await log.append(lines[:100])
    assert await Pump(ListSource(lines[200:]), log).catch_up() == len(lines) - 200


async def test_a_source_that_goes_backwards_is_refused(log: EventLog) -> None:
    class Backwards(ListSource):
        async def read(self, after: int, limit: int) -> list[bytes]:
            return self.lines[:2]

    with pytest.raises(ReadModelError, match="asked for records after position 2, the source gave some up to 2"):
        await Pump(Backwards(recorded()), log).catch_up()


async def test_runs_until_stopped_woken_by_the_source(log: EventLog) -> None:
    lines = recorded()
    grown = asyncio.Event()

    class Growing(ListSource):
        async def wait(self, after: int, timeout: float) -> bool:
            await asyncio.wait_for(grown.wait(), timeout)
            grown.clear()
            return True

    source, stop = Growing(lines[:10]), asyncio.Event()
    task = asyncio.create_task(Pump(source, log).run(stop))
    try:
        async with asyncio.timeout(10):
            while await log.position() < 10:
                await asyncio.sleep(0.005)
            source.lines = list(lines)
            grown.set()
            while await count(log) < len(lines):
                await asyncio.sleep(0.005)
            stop.set()
            await task
    finally:
        task.cancel()


async def test_a_failing_source_ends_the_run_with_its_error(log: EventLog) -> None:
    class Broken(ListSource):
        async def wait(self, after: int, timeout: float) -> bool:
            raise ReadModelError("gone")

    with pytest.raises(ReadModelError, match="gone"):
        await Pump(Broken(recorded()), log).run()
    assert await count(log) == len(recorded())
