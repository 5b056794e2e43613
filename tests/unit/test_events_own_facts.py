"""Facts of our own kinds, and the writer that nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, fact_writer
from camunda_workers.events.fact_writer import FactWriter
from camunda_workers.events.facts import Fact, FactKind, Facts
from camunda_workers.events.own_facts import About, FlagExposure, Release, SlaBreach, WorkerRun

DUE = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))
CASE = About(business_id="CLM-1", process_instance_key=7, element_id="assess-claim", key=9)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[EventLog]:
    async with EventLog.open(tmp_path / "events.db") as opened:
        yield opened


async def written(log: EventLog) -> list[tuple[str, str, dict[str, Any]]]:
    return [(record.value_type, record.intent, dict(record.value)) async for record in log.records(partition=0)]


async def test_a_promise_is_broken_once(log: EventLog) -> None:
    breach = SlaBreach("assess-in-two-days", DUE, action="escalated")
    facts = Facts(log)
    assert await facts.record(breach.fact(CASE)) == 1
    assert await facts.record(breach.fact(CASE, datetime(2026, 4, 1, tzinfo=UTC))) == 0
    assert await facts.record(SlaBreach("assess-in-two-days", DUE, "warning").fact(CASE)) == 1
    assert await facts.record(SlaBreach("assess-in-two-days", DUE + timedelta(days=1)).fact(CASE)) == 1
    assert await facts.record(breach.fact(About(business_id="CLM-2"))) == 1
    kind, intent, value = (await written(log))[0]
    assert (kind, intent) == ("SLA_BREACH", "BREACHED")
    expected = {
        "policy": "assess-in-two-days",
        "due": "2026-03-01T11:00:00.000Z",
        "severity": "breach",
        "scope": "task",
        "action": "escalated",
    }
    assert value.items() >= expected.items()
    assert (value["businessId"], value["processInstanceKey"], value["elementId"]) == ("CLM-1", 7, "assess-claim")


async def test_an_exposure_counts_once_for_each_unit_and_variant(log: EventLog) -> None:
    facts = Facts(log)
    shown = FlagExposure("new-triage", "b", "CLM-1", experiment="triage-2026", reason="SPLIT")
    await facts.record(
        shown.fact(CASE), shown.fact(), FlagExposure("new-triage", "a", "CLM-1").fact(), FlagExposure("new-triage", "b", "CLM-2").fact()
    )
    rows = await written(log)
    assert [(value["variant"], value["unit"]) for _, _, value in rows] == [("b", "CLM-1"), ("a", "CLM-1"), ("b", "CLM-2")]
    assert (rows[0][0], rows[0][1], rows[0][2]["experiment"], rows[0][2]["flagReason"]) == (
        "FLAG_EXPOSURE",
        "EXPOSED",
        "triage-2026",
        "SPLIT",
    )
    assert "experiment" not in rows[1][2]


async def test_a_release_goes_step_by_step(log: EventLog) -> None:
    facts = Facts(log)
    resources = {"claims.bpmn": "ab" * 32}
    for step, by in (("proposed", "ada"), ("approved", "grace"), ("approved", "linus"), ("approved", "grace"), ("applied", "ci")):
        await facts.record(Release("r-1", step, resources, "production", by, "because").fact())  # type: ignore[arg-type]
    rows = await written(log)
    assert [intent for _, intent, _ in rows] == ["PROPOSED", "APPROVED", "APPROVED", "APPLIED"]
    assert rows[1][2]["resources"] == resources
    assert rows[1][2]["content"] == {"by": "grace", "comment": "because"}
    assert {kind for kind, _, _ in rows} == {"RELEASE"}


async def test_names_that_are_long_are_still_told_apart(log: EventLog) -> None:
    facts = Facts(log)
    for unit in ("x" * 300 + "1", "x" * 300 + "2", "x" * 300 + "1"):
        await facts.record(FlagExposure("f", "v", unit).fact())
    assert len(await written(log)) == 2


# --- the writer ----------------------------------------------------------------------------------------------------------------------


def run_of(number: int) -> Fact:
    return WorkerRun("pay", "w", "completed", 0.1, 3).fact(About(key=number))


async def test_at_the_end_everything_is_in_the_log(log: EventLog) -> None:
    async with FactWriter(log) as writer:
        for number in range(2500):
            writer.put(run_of(number))
    assert len(await written(log)) == 2500
    assert [record.key async for record in log.records(partition=0)] == list(range(2500))


async def test_what_is_being_written_at_the_end_is_written_once(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fact_writer, "GATHER", 0.0)
    started, go_on = asyncio.Event(), asyncio.Event()
    write = log.database.write

    async def slow(work: Callable[[Connection], Any], *, durable: bool = False) -> Any:
        result = await write(work, durable=durable)
        started.set()
        await go_on.wait()
        return result

    monkeypatch.setattr(log.database, "write", slow)

    async def use() -> None:
        async with FactWriter(log) as writer:
            writer.put(run_of(1))
            await started.wait()
            asyncio.get_running_loop().call_soon(go_on.set)

    await asyncio.wait_for(use(), 10)
    assert [record.key async for record in log.records(partition=0)] == [1]


async def test_it_is_written_soon_by_itself(log: EventLog) -> None:
    async with FactWriter(log) as writer, asyncio.timeout(10):
        for number in range(2):
            writer.put(run_of(number))
            while await log.size() < number + 1:
                await asyncio.sleep(0.01)


async def test_one_that_is_not_json_does_not_take_the_others_with_it(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    async with FactWriter(log) as writer:
        writer.put(run_of(1))
        writer.put(Fact(FactKind.WORKER_RUN, {"seconds": float("nan")}))
        writer.put(run_of(2))
    assert [record.key async for record in log.records(partition=0)] == [1, 2]
    assert "a fact cannot be written" in caplog.text


async def test_it_waits_for_a_log_that_cannot_be_written(
    log: EventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fact_writer, "GATHER", 0.0)
    monkeypatch.setattr(fact_writer, "_RETRY", 0.01)
    monkeypatch.setattr(fact_writer, "MOST", 3)
    full = True
    write = log.database.write

    async def refuse(work: Callable[[Connection], Any], *, durable: bool = False) -> Any:
        if full:
            raise ReadModelError("the event log cannot be used: database or disk is full")
        return await write(work, durable=durable)

    monkeypatch.setattr(log.database, "write", refuse)
    async with FactWriter(log) as writer, asyncio.timeout(10):
        for number in range(5):
            writer.put(run_of(number))
        while "facts wait for the log" not in caplog.text:
            await asyncio.sleep(0.01)
        assert writer.lost == 2
        full = False
        while await log.size() < 3:
            await asyncio.sleep(0.01)
    with caplog.at_level(logging.ERROR):
        full = True
        async with FactWriter(log) as writer:
            writer.put(run_of(9))
    assert "1 facts are lost, for the log cannot be written" in caplog.text
