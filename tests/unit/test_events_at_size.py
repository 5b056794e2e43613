"""What is asked of a log every day must not cost more because the log has grown. Counted in the database's own steps, not in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import event

from bench.log_stream import Stream
from camunda_workers.errors import NotFound
from camunda_workers.events import EventLog, ReadModel, case_story
from camunda_workers.events.subscription import latest, parse_filter, subscribe

CASE = "CLM-000000001"


class Steps:
    """Counts what SQLite does in a log."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._count = 0
        event.listen(log.database.engine, "engine_connect", self._watch)

    def _watch(self, connection: Any) -> None:
        connection.connection.driver_connection.set_progress_handler(self._ten_more, 10)

    def _ten_more(self) -> int:
        self._count += 1
        return 0

    async def of(self, work: Callable[[EventLog], Awaitable[object]]) -> int:
        """What this takes, once everything has been looked at before."""
        await work(self.log)
        before = self._count
        await work(self.log)
        return (self._count - before) * 10


@pytest.fixture
async def small() -> AsyncIterator[Steps]:
    async with EventLog.open() as log:
        await log.append(Stream(abreast=2).take(1_200))
        await ReadModel(log).catch_up()
        yield Steps(log)


@pytest.fixture
async def large() -> AsyncIterator[Steps]:
    async with EventLog.open() as log:
        await log.append(Stream(abreast=2).take(6_000))
        await ReadModel(log).catch_up()
        yield Steps(log)


async def story(log: EventLog) -> object:
    return await case_story(log, CASE)


async def records_of_a_case(log: EventLog) -> object:
    keys = await log.instances_of(CASE)
    return [one async for one in log.records(process_instance_keys=keys)]


async def the_next_record(log: EventLog) -> object:
    async with aclosing(subscribe(log, after=await log.size() - 2)) as found:
        return await anext(found)


async def the_next_of_a_kind(log: EventLog) -> object:
    async with aclosing(subscribe(log, after=await log.size() - 300, where=parse_filter(["valueType=JOB"]))) as found:
        return await anext(found)


async def the_latest(log: EventLog) -> object:
    return await latest(log)


async def who_asks_for_a_job(log: EventLog) -> object:
    return await log.last_asked_for("pay-claim")


async def catching_up(log: EventLog) -> object:
    return await ReadModel(log).catch_up()


@pytest.mark.parametrize(
    "work", [story, records_of_a_case, the_next_record, the_next_of_a_kind, the_latest, who_asks_for_a_job, catching_up]
)
async def test_it_costs_the_same_in_a_log_five_times_as_large(
    work: Callable[[EventLog], Awaitable[object]], small: Steps, large: Steps
) -> None:
    assert await large.of(work) < 1.3 * await small.of(work) + 300


async def test_what_grows_is_seen(small: Steps, large: Steps) -> None:
    async def everything(log: EventLog) -> object:
        return [one async for one in log.records()]

    assert await large.of(everything) > 4 * await small.of(everything)


async def test_a_case_that_is_not_there_is_told_its_neighbours_and_the_latest(large: Steps) -> None:
    assert (await large.log.business_ids(3))[0] > "CLM-000000010"
    with pytest.raises(NotFound, match=r"did you mean 'CLM-0000000\d\d'"):
        await case_story(large.log, "CLM-00000001")


async def test_who_asked_for_a_job_and_who_never_did(large: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await large.log.last_asked_for("pay-claim") or 0) > 5_000
    assert await large.log.last_asked_for("pay-claims") == 0
    assert await large.log.last_asked_for("pay-claim", partition=2) == 0
    monkeypatch.setattr("camunda_workers.events.log._REQUESTS", 3)
    assert await large.log.last_asked_for("pay-claims") is None
