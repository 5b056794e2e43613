"""Our own facts, subscriptions to the log, and how a log is opened."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine

from camunda_workers.errors import InvalidArgument, ReadModelError
from camunda_workers.events import EventLog, case_story
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.database import Database
from camunda_workers.events.facts import Fact, FactKind, Facts
from camunda_workers.events.migrations.run import config_for, upgrade
from camunda_workers.events.months import bounds, month_of
from camunda_workers.events.schema import VERSION, metadata
from camunda_workers.events.subscription import latest, parse_filter, subscribe
from tests.support.recorded import recorded

LINES = recorded()
AT = datetime(2026, 5, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
async def log() -> AsyncIterator[EventLog]:
    async with EventLog.open() as opened:
        yield opened


# --- facts ---------------------------------------------------------------------------------------------------------------------------


async def test_a_fact_is_a_record_of_partition_0(log: EventLog) -> None:
    fact = Fact(
        FactKind.AI_DECISION,
        {"model": "m-1", "confidence": 0.7},
        {"rationale": "two vehicles"},
        id="evidence-1",
        time=AT,
        business_id="CLM-1",
        process_instance_key=42,
        element_id="triage-claim",
        key=7,
    )
    assert await Facts(log).record(fact) == 1
    (found,) = [record async for record in log.records(partition=0)]
    assert (found.partition, found.position, found.value_type, found.intent, found.key) == (0, 1, "AI_DECISION", "DECIDED", 7)
    assert (found.business_id, found.process_instance_key, found.element_id) == ("CLM-1", 42, "triage-claim")
    assert found.time == AT
    assert found.value["content"] == {"rationale": "two vehicles"}
    assert found.value["confidence"] == 0.7
    assert (await verify_log(log)).contents == 1


async def test_a_named_fact_is_recorded_once(log: EventLog) -> None:
    facts = Facts(log)
    one, other = Fact(FactKind.APPROVAL, id="a"), Fact(FactKind.APPROVAL, id="b")
    assert await facts.record(one, one, other) == 2
    assert await facts.record(one) == 0
    assert await facts.record(Fact(FactKind.RELEASE), Fact(FactKind.RELEASE)) == 2
    assert await facts.record() == 0
    assert await log.position(0) == 4


async def test_facts_from_everywhere_at_once(log: EventLog) -> None:
    facts = Facts(log)
    await asyncio.gather(
        *(facts.record(Fact(FactKind.WORKER_RUN, {"n": n}, id=f"run-{n // 2}")) for n in range(40)),
        *(log.append(LINES[start : start + 50]) for start in range(0, 500, 50)),
    )
    assert [record.position async for record in log.records(partition=0)] == list(range(1, 21))
    assert (await verify_log(log)).good


@pytest.mark.parametrize(
    "fact", [Fact(FactKind.RELEASE, {"a": object()}), Fact(FactKind.RELEASE, {"a": float("nan")}), Fact(FactKind.RELEASE, id="")]
)
async def test_what_cannot_be_kept_is_refused(log: EventLog, fact: Fact) -> None:
    with pytest.raises(InvalidArgument):
        await Facts(log).record(Fact(FactKind.RELEASE, id="good"), fact)
    assert await log.size() == 0
    assert await Facts(log).record(Fact(FactKind.RELEASE, id="good")) == 1


# --- subscriptions -------------------------------------------------------------------------------------------------------------------


async def test_a_subscription_gives_everything_once_in_order(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "events.db") as log, EventLog.open(tmp_path / "events.db") as elsewhere:
        await log.append(LINES[:300])
        seen: list[int] = []

        async def listen() -> None:
            async with aclosing(subscribe(log, after=-1)) as found:
                async for one in found:
                    seen.append(one.seq)
                    if len(seen) == 1000:
                        return

        task = asyncio.create_task(listen())
        for start in range(300, 900, 60):
            await log.append(LINES[start : start + 60])
        await elsewhere.append(LINES[900:1000])  # another process, as far as this log can tell
        async with asyncio.timeout(20):
            await task
        assert seen == list(range(1000))


async def test_a_subscription_goes_on_behind_a_place(log: EventLog) -> None:
    await log.append(LINES)
    async with aclosing(subscribe(log, after=700, where=parse_filter(["valueType=JOB,INCIDENT"]))) as found:
        first = await anext(found)
    wanted = next(n for n, line in enumerate(LINES) if n > 700 and json.loads(line)["valueType"] in {"JOB", "INCIDENT"})
    assert first.seq == wanted
    tail, place = await latest(log, parse_filter(["businessId=CLM-000123"]), 5)
    assert [one.record.business_id for one in tail] == ["CLM-000123"] * 5
    assert place == len(LINES) - 1


async def test_from_now_on(log: EventLog) -> None:
    await log.append(LINES[:100])
    async with aclosing(subscribe(log)) as found:
        coming = asyncio.ensure_future(anext(found))
        while not coming.done():
            await log.append(LINES[: await log.size() + 1])
        assert (await coming).seq >= 100


# --- opening -------------------------------------------------------------------------------------------------------------------------


def tables_of(path: Path) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{path}")
    found = MetaData()
    found.reflect(engine)
    described: dict[str, Any] = {
        name: (
            [(column.name, str(column.type), column.nullable, column.primary_key) for column in table.columns],
            sorted((str(index.name), [column.name for column in index.columns], bool(index.unique)) for index in table.indexes),
        )
        for name, table in found.tables.items()
        if name in metadata.tables and name != "alembic_version"  # which alembic makes
    }
    engine.dispose()
    connection = sqlite3.connect(path)
    described["triggers"] = sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
    described["where"] = sorted(
        " ".join(str(row[0]).split("WHERE")[1:]).replace('"', "").split("\n")[0].strip()
        for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'")
    )
    connection.close()
    return described


async def test_migrations_come_to_the_same_tables_as_a_new_log(tmp_path: Path) -> None:
    await EventLog.open(tmp_path / "new.db").close()
    database = Database(tmp_path / "migrated.db")
    upgrade(database)
    await database.close()
    assert tables_of(tmp_path / "migrated.db") == tables_of(tmp_path / "new.db")
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(config_for()).get_current_head() == VERSION


async def test_a_log_that_was_only_migrated_works(tmp_path: Path) -> None:
    database = Database(tmp_path / "events.db")
    upgrade(database)
    await database.close()
    async with EventLog.open(tmp_path / "events.db") as log:
        assert len(log.log_id) == 32
        assert await log.append(LINES) == len(LINES)
        assert (await verify_log(log)).good


async def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    await EventLog.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ReadModelError, match="written by a newer version of camunda-workers"):
        EventLog.open(path)


async def test_a_log_keeps_its_name(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "events.db") as log, EventLog.open(tmp_path / "events.db") as again:
        assert len(log.log_id) == 32
        assert again.log_id == log.log_id


def test_months() -> None:
    assert month_of(0) is None
    assert month_of(10**17) is None
    assert month_of(int(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() * 1000)) == (2026, 12)
    first, last = bounds(2026, 12)
    assert month_of(first) == (2026, 12)
    assert month_of(last) == (2027, 1)
    assert month_of(last - 1) == (2026, 12)


# --- in the story --------------------------------------------------------------------------------------------------------------------


async def test_the_story_tells_what_the_engine_does_not_know(log: EventLog) -> None:
    await log.append(LINES)
    instance = (await log.instances_of("CLM-000123"))[0]
    at = (await case_story(log, "CLM-000123")).steps[3].time
    plain = len((await case_story(log, "CLM-000123")).steps)
    about: dict[str, Any] = {"time": at, "element_id": "triage-claim"}
    await Facts(log).record(
        Fact(FactKind.AI_DECISION, {"strategy": "model", "decision": "handed_over", "confidence": 0.41}, business_id="CLM-000123", **about),
        Fact(FactKind.APPROVAL, {"by": "ruth", "outcome": "approve"}, process_instance_key=instance, **about),
        Fact(FactKind.POLICY_DECISION, {"policy": "four-eyes", "decision": "deny", "action": "complete"}, business_id="CLM-000123"),
        Fact(FactKind.SLA_BREACH, business_id="CLM-000123", **about),
        Fact(FactKind.WORKER_RUN, business_id="CLM-000123", **about),
        Fact(FactKind.APPROVAL, {"by": "somebody"}, business_id="CLM-000999"),
    )
    story = await case_story(log, "CLM-000123")
    told = [(step.actor.value, step.who, step.what) for step in story.steps]
    assert len(told) == plain + 4
    assert ("agent", "model", "decided: handed over") in told
    assert ("person", "ruth", "approval: approve") in told
    assert ("rules", "four-eyes", "access deny to complete") in told
    assert ("timer", None, "deadline missed") in told
    assert [step.time for step in story.steps] == sorted(step.time for step in story.steps)
