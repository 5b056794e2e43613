"""Projections: fold and rebuild are the same, however the log is cut."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from camunda_workers.errors import InvalidArgument, ReadModelError
from camunda_workers.events import EventLog, ReadModel, parse_record
from camunda_workers.events.projections import PROJECTIONS
from camunda_workers.events.projections.base import Patch, Put
from camunda_workers.events.projections.work import jobs
from camunda_workers.events.projector import Changes, ensure_tables, fold_some
from tests.support.recorded import changed, recorded

LINES = recorded()
TABLES = [table for projection in PROJECTIONS for table in projection.tables]


async def rows(log: EventLog) -> dict[str, list[Any]]:
    def read(connection: Any) -> dict[str, list[Any]]:
        return {table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in TABLES}

    return await log.database.read(read)


async def folded(batches: Sequence[Sequence[bytes]]) -> dict[str, list[Any]]:
    async with EventLog.open() as log:
        model = ReadModel(log)
        for batch in batches:
            await log.append(batch)
            await model.catch_up()
        return await rows(log)


@pytest.fixture(scope="module")
def at_once() -> dict[str, list[Any]]:
    return asyncio.run(folded([LINES]))


async def test_everything_is_projected(at_once: dict[str, list[Any]]) -> None:
    assert {name: len(found) for name, found in at_once.items()} == {
        "process_instances": 8,
        "element_instances": 65,
        "user_tasks": 6,
        "incidents": 2,
        "incident_scopes": 5,
        "variables": 37,
        "jobs": 22,
        "process_definitions": 2,
        "element_names": len(at_once["element_names"]),
        "forms": 1,
        "decision_requirements": 1,
        "decision_definitions": 1,
        "decision_instances": 6,
        "sequence_flows": 48,
        "message_subscriptions": 8,
        "correlated_messages": 2,
        "user_task_operations": len(at_once["user_task_operations"]),
    }


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, len(LINES) - 1), max_size=6))
def test_batches_split_anywhere_give_the_same(at_once: dict[str, list[Any]], cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(LINES)]
    batches = [LINES[start:end] for start, end in itertools.pairwise(edges)]
    assert asyncio.run(folded(batches)) == at_once


@settings(max_examples=10, deadline=None)
@given(limit=st.integers(1, 60))
def test_transactions_of_any_size_give_the_same(at_once: dict[str, list[Any]], limit: int) -> None:
    async def run() -> dict[str, list[Any]]:
        async with EventLog.open() as log:
            await log.append(LINES)
            await log.database.write(lambda connection: ensure_tables(connection, PROJECTIONS))
            more = True
            while more:
                _, more = await log.database.write(lambda connection: fold_some(connection, PROJECTIONS, 1, limit))
            return await rows(log)

    assert asyncio.run(run()) == at_once


@settings(max_examples=10, deadline=None)
@given(start=st.integers(0, len(LINES) - 1), cut=st.integers(1, 200))
def test_a_log_that_begins_in_the_middle_is_folded_the_same_way(start: int, cut: int) -> None:
    lines = LINES[start:]
    assert asyncio.run(folded([lines[:cut], lines[cut:]])) == asyncio.run(folded([lines]))


@pytest.mark.parametrize("name", [None, *(projection.name for projection in PROJECTIONS)])
async def test_fold_is_rebuild(at_once: dict[str, list[Any]], name: str | None) -> None:
    async with EventLog.open() as log:
        model = ReadModel(log)
        for start in range(0, len(LINES), 100):
            await log.append(LINES[start : start + 100])
            await model.catch_up()
        await model.rebuild(name)
        assert await rows(log) == at_once


async def test_an_unknown_projection_is_refused_by_name() -> None:
    async with EventLog.open() as log:
        with pytest.raises(InvalidArgument, match="no projection 'tasks'; known are instances, user-tasks"):
            await ReadModel(log).rebuild("tasks")


async def test_another_version_of_a_fold_is_built_anew(at_once: dict[str, list[Any]]) -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        await ReadModel(log).catch_up()
        await log.database.write(lambda connection: connection.execute(text("DELETE FROM user_tasks")))
        newer = [replace(projection, version=99) if projection.name == "user-tasks" else projection for projection in PROJECTIONS]
        await ReadModel(log, projections=newer).catch_up()
        assert await rows(log) == at_once


async def test_two_read_models_on_one_log_do_not_fold_twice(at_once: dict[str, list[Any]]) -> None:
    async with EventLog.open() as log:
        await log.append(LINES)
        first, second = ReadModel(log), ReadModel(log)
        counts = await asyncio.gather(first.catch_up(), second.catch_up())
        assert min(counts) == 0
        assert await rows(log) == at_once


async def test_a_record_that_is_not_what_it_says_is_named() -> None:
    async with EventLog.open() as log:
        await log.append(
            [
                changed(
                    recorded()[0],
                    recordType="EVENT",
                    valueType="USER_TASK",
                    intent="CREATED",
                    value={"formKey": 1, "candidateGroupsList": {}},
                )
            ]
        )
        await ReadModel(log).catch_up()  # odd, but it can be read
    async with EventLog.open() as log:
        await log.append(
            [changed(recorded()[0], recordType="EVENT", valueType="INCIDENT", intent="CREATED", value={"elementInstancePath": 7})]
        )
        with pytest.raises(ReadModelError, match="projection 'incidents' cannot read the INCIDENT CREATED at position 1"):
            await ReadModel(log).catch_up()


async def test_commands_and_rejections_change_nothing() -> None:
    refused = [changed(line, recordType="COMMAND_REJECTION") for line in LINES]
    assert not any((await folded([refused])).values())


change = st.tuples(
    st.booleans(), st.integers(1, 3), st.dictionaries(st.sampled_from(["type", "worker", "state"]), st.sampled_from(["a", "b"]), min_size=1)
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(change, max_size=10), cut=st.integers(0, 10))
def test_merging_changes_is_the_same_as_writing_them_one_by_one(steps: list[tuple[bool, int, dict[str, str]]], cut: int) -> None:
    ordered = [(Put if makes else Patch)(jobs, key, values) for makes, key, values in steps]

    async def written(batches: Sequence[Sequence[Put | Patch]]) -> list[Any]:
        async with EventLog.open() as log:
            await log.database.write(lambda connection: ensure_tables(connection, PROJECTIONS))
            for batch in batches:
                changes = Changes()
                for one in batch:
                    changes.add(one)
                await log.database.write(changes.write)
            return (await rows(log))["jobs"]

    async def all_ways() -> None:
        one_by_one = await written([[one] for one in ordered])
        assert await written([ordered]) == one_by_one
        assert await written([ordered[:cut], ordered[cut:]]) == one_by_one

    asyncio.run(all_ways())


def test_folds_are_pure() -> None:
    for line in LINES:
        record = parse_record(line)
        for projection in PROJECTIONS:
            if record.is_event and (fold := projection.folds.get(record.value_type)) is not None:
                assert list(fold(record)) == list(fold(record))
