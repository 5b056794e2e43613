"""What was: every value of a variable, and what happened in each case; both are folds, and both are the same when they are folded anew."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from camunda_workers.cli.main import main
from camunda_workers.errors import InvalidArgument
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.chain.erase import erase, plan_erasure
from camunda_workers.events.facts import Fact, FactKind, Facts
from camunda_workers.events.histories import Histories
from camunda_workers.events.partitions import EveryPartition
from camunda_workers.events.projections import HISTORIES
from camunda_workers.events.projections.timeline import case_timeline
from camunda_workers.events.projector import ensure_tables, fold_some
from tests.support.recorded import CANCELLED, INCIDENT, PAID, WAITING, recorded

LINES = recorded()
TABLES = [table for projection in HISTORIES for table in projection.tables]


async def rows(log: EventLog) -> dict[str, list[Any]]:
    def read(connection: Any) -> dict[str, list[Any]]:
        return {table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))] for table in TABLES}

    return await log.database.read(read)


async def folded(batches: Sequence[Sequence[bytes]]) -> dict[str, list[Any]]:
    async with EventLog.open() as log:
        every = EveryPartition(log)
        for batch in batches:
            await log.append(batch)
            await every.catch_up()
        return await rows(log)


@pytest.fixture(scope="module")
def at_once() -> dict[str, list[Any]]:
    return asyncio.run(folded([LINES]))


# --- folds ---------------------------------------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(cuts=st.sets(st.integers(1, len(LINES) - 1), max_size=6))
def test_however_it_comes_the_fold_is_the_same(at_once: dict[str, list[Any]], cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(LINES)]
    assert asyncio.run(folded([LINES[begin:end] for begin, end in itertools.pairwise(edges)])) == at_once


@settings(max_examples=10, deadline=None)
@given(limits=st.lists(st.integers(1, 80), min_size=1, max_size=5), stop=st.integers(0, 8))
def test_a_fold_that_was_stopped_anywhere_goes_on_without_gap_or_double(
    at_once: dict[str, list[Any]], limits: list[int], stop: int
) -> None:
    async def interrupted() -> dict[str, list[Any]]:
        async with EventLog.open() as log:
            await log.append(LINES)
            for number in range(stop):  # each is a transaction of its own, behind which the process may be gone
                limit = limits[number % len(limits)]
                await log.database.write(lambda c: ensure_tables(c, HISTORIES))
                await log.database.write(lambda c, limit=limit: fold_some(c, HISTORIES, 1, limit))
            await EveryPartition(log).catch_up()
            return await rows(log)

    assert asyncio.run(interrupted()) == at_once


async def test_rebuilt_is_the_same(at_once: dict[str, list[Any]]) -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        await Facts(log).record(Fact(FactKind.APPROVAL, {"by": "ada"}, business_id=PAID))
        every = EveryPartition(log)
        await every.catch_up()
        before = await rows(log)
        assert before["variable_changes"] == at_once["variable_changes"]
        assert len(before["case_timeline"]) == len(at_once["case_timeline"]) + 1
        for projection in HISTORIES:
            await every.rebuild(projection.name)
            assert await rows(log) == before
        with pytest.raises(InvalidArgument, match=r"known are .*variable-history, case-timeline"):
            await every.rebuild("nothing")


async def test_an_engines_read_model_does_without_and_is_not_disturbed() -> None:
    async with EventLog.open() as log:
        model = ReadModel(log)
        await log.append(LINES[:900])
        await model.catch_up()
        await Histories(log).cases()
        await log.append(LINES[900:])
        await model.catch_up()
        assert len(await Histories(log).cases()) == 7
        assert (await model.search_process_instances())["page"]["totalItems"] == 8


def elsewhere(line: bytes) -> bytes:
    text = re.sub(rb"\b22517998136\d{5}\b", lambda match: b"%d" % (int(match[0]) + (1 << 51)), line)
    return text.replace(b'"partitionId":1,', b'"partitionId":2,').replace(b"CLM-000", b"CLM-002")


async def test_partitions_with_the_same_positions_do_not_overwrite_each_other(at_once: dict[str, list[Any]]) -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        await log.append([elsewhere(line) for line in LINES], partition=2)
        await EveryPartition(log).catch_up()
        assert {name: len(found) for name, found in (await rows(log)).items()} == {name: 2 * len(found) for name, found in at_once.items()}
        assert len(await Histories(log).variables(PAID.replace("CLM-000", "CLM-002"))) == len(await Histories(log).variables(PAID))


# --- reading -------------------------------------------------------------------------------------------------------------------------


async def test_every_value_that_a_variable_has_had() -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        said = [json.loads(line) for line in LINES]
        instances = set(await log.instances_of(PAID))
        expected = [
            (one["value"]["name"], one["intent"], one["value"]["value"])
            for one in said
            if one["valueType"] == "VARIABLE"
            and one["recordType"] == "EVENT"
            and one["intent"] in {"CREATED", "UPDATED"}
            and one["value"]["processInstanceKey"] in instances
        ]
        found = await Histories(log).variables(PAID)
        assert [(one.name, one.operation, one.value) for one in found] == expected
        assert len(found) > 5
        name = found[0].name
        assert [one.value for one in await Histories(log).variables(PAID, name=name)] == [text for n, _, text in expected if n == name]
        assert found[0].to_json()["value"] == json.loads(found[0].value or "")
        assert any(one.element_id is None for one in found)
        assert await Histories(log).variables("CLM-999999") == []


async def test_what_was_erased_is_gone_from_the_history_too() -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        histories = Histories(log)
        secret = (await histories.variables(PAID))[0].value or ""
        await erase(log, await plan_erasure(log, PAID))
        after = await histories.variables(PAID)
        assert {one.parsed for one in after} == {"(erased)"}
        assert len(secret) > 20
        kept = await log.database.read(lambda c: "".join(str(row) for table in TABLES for row in c.execute(select(table))))
        assert secret not in kept


async def test_the_timeline_says_what_and_who() -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        await Facts(log).record(Fact(FactKind.APPROVAL, {"by": "ada"}, business_id=PAID), Fact(FactKind.WORKER_RUN, business_id=PAID))
        await EveryPartition(log).catch_up()
        c = case_timeline.c
        told = await log.database.read(
            lambda connection: [
                tuple(row) for row in connection.execute(select(c.kind, c.actor, c.element_id).order_by(c.partition, c.position))
            ]
        )
    kinds = {kind for kind, _, _ in told}
    assert {
        "PROCESS_STARTED",
        "PROCESS_COMPLETED",
        "JOB_COMPLETED",
        "TASK_OPENED",
        "TASK_COMPLETED",
        "INCIDENT_RAISED",
        "APPROVAL",
    } <= kinds
    assert ("JOB_COMPLETED", "service", "check-policy") in told
    assert "WORKER_RUN" not in kinds


async def test_the_latest_cases() -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        histories = Histories(log)
        cases = await histories.cases()
        assert len(cases) == 7
        assert [one.last_time for one in cases] == sorted((one.last_time for one in cases if one.last_time), reverse=True)
        by = {one.business_id: one for one in cases}
        assert (by[PAID].state, by[PAID].last, by[PAID].process_id) == ("COMPLETED", "PROCESS_COMPLETED", "claim")
        assert by[CANCELLED].state == "TERMINATED"
        assert {one.business_id for one in await histories.cases(state="ACTIVE")} >= {WAITING}
        assert [one.business_id for one in await histories.cases(limit=2)] == [one.business_id for one in cases[:2]]
        assert INCIDENT in by


# --- commands ------------------------------------------------------------------------------------------------------------------------


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CAMUNDA_WORKERS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    async def fill() -> None:
        async with EventLog.open(tmp_path / "events.db") as log:
            await log.append(LINES)

    asyncio.run(fill())

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        assert not ended.value.code
        return capsys.readouterr().out

    assert re.search(rf"{PAID} +claim +completed .* process completed", run("case", "list"))
    listed = json.loads(run("case", "list", "--state", "active", "--json"))
    assert {one["state"] for one in listed} == {"ACTIVE"}
    shown = run("case", "show", PAID, "--variables")
    assert "Variables" in shown
    assert re.search(r"policy .* set to \{", shown)
    assert [one["name"] for one in json.loads(run("case", "show", PAID, "--variables", "--json"))["variables"]].count("policy") >= 1
    assert "variables" not in json.loads(run("case", "show", PAID, "--json"))
    assert "folded" in run("log", "rebuild", "case-timeline")
