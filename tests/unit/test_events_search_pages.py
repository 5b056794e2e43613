"""Pages of searches: in any order, cursors walk as offsets do; totals are counted so far and no further; lists are read off an index."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from camunda_workers.errors import InvalidArgument
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.entities import ELEMENT_INSTANCE, INCIDENT, PROCESS_INSTANCE, USER_TASK
from camunda_workers.events.entities_static import DECISION_INSTANCE, JOB
from camunda_workers.events.filters import Kind
from camunda_workers.events.search import Entity, search
from tests.support.paging import by_cursor, by_offset
from tests.support.recorded import recorded

ENTITIES = (PROCESS_INSTANCE, USER_TASK, ELEMENT_INSTANCE, JOB, INCIDENT, DECISION_INSTANCE)


@pytest.fixture(scope="module")
def log() -> Iterator[EventLog]:
    async def filled() -> EventLog:
        opened = EventLog.open()
        await opened.append(recorded())
        await ReadModel(opened).catch_up()
        return opened

    opened = asyncio.run(filled())
    yield opened
    asyncio.run(opened.close())


def orders() -> st.SearchStrategy[tuple[Entity, list[dict[str, str]]]]:
    def of(entity: Entity) -> st.SearchStrategy[tuple[Entity, list[dict[str, str]]]]:
        names = sorted(name for name, what in entity.fields.items() if what.kind not in {Kind.JSON, Kind.TEXTS})
        one = st.fixed_dictionaries({"field": st.sampled_from(names), "order": st.sampled_from(["ASC", "DESC"])})
        return st.tuples(st.just(entity), st.lists(one, max_size=3))

    return st.sampled_from(ENTITIES).flatmap(of)


@settings(max_examples=60, deadline=None)
@given(orders(), st.integers(min_value=3, max_value=30))
def test_cursors_walk_as_offsets_do(log: EventLog, order: tuple[Entity, list[dict[str, str]]], size: int) -> None:
    entity, sort = order

    def walk(connection: Connection) -> None:
        whole = [item[entity.key_field] for item in search(connection, entity, None, sort, {"limit": 1000})["items"]]
        assert len(whole) == len(set(whole)) > 0
        assert by_offset(connection, entity, sort, size) == whole
        assert by_cursor(connection, entity, sort, size) == (whole, whole)

    log.database.query(walk)


@pytest.mark.parametrize(
    ("page", "most", "total", "more"),
    [
        ({}, 8, 8, False),
        ({}, 7, 7, True),
        ({"limit": 3}, 8, 8, False),
        ({"limit": 3}, 5, 5, True),
        ({"limit": 0}, 5, 5, True),
        ({"limit": 0}, 100, 8, False),
        ({"limit": 10_000}, 5, 5, True),
        ({"from": 6}, 5, 5, True),
        ({"from": 6}, 100, 8, False),
        ({"from": 8, "limit": 3}, 100, 8, False),
        ({"from": 2**31 - 1}, 5, 5, True),
    ],
)
def test_no_more_is_counted_than_is_of_interest(log: EventLog, page: dict[str, int], most: int, total: int, more: bool) -> None:
    found = log.database.query(lambda connection: search(connection, PROCESS_INSTANCE, page=page, most=most))
    assert (found["page"]["totalItems"], found["page"]["hasMoreTotalItems"]) == (total, more)
    assert len(found["items"]) == min(page.get("limit", 100), max(0, 8 - page.get("from", 0)))


def test_a_page_by_cursor_says_the_same_total(log: EventLog) -> None:
    def pages(connection: Connection) -> None:
        cursor = search(connection, PROCESS_INSTANCE, page={"limit": 6})["page"]["endCursor"]
        for most, total, more in ((100, 8, False), (5, 5, True)):
            last = search(connection, PROCESS_INSTANCE, page={"limit": 6, "after": cursor}, most=most)
            assert (len(last["items"]), last["page"]["totalItems"], last["page"]["hasMoreTotalItems"]) == (2, total, more)

    log.database.query(pages)


def test_a_cursor_of_another_sort_is_refused(log: EventLog) -> None:
    def cursor(connection: Connection, field: str) -> str:
        return search(connection, PROCESS_INSTANCE, sort=[{"field": field}], page={"limit": 3})["page"]["endCursor"]

    def other(connection: Connection) -> None:
        by_state, by_start = cursor(connection, "state"), cursor(connection, "startDate")
        for field, given_cursor in (("startDate", by_state), ("state", by_start), ("processInstanceKey", by_state)):
            with pytest.raises(InvalidArgument, match="not a cursor of an answer to the same sort"):
                search(connection, PROCESS_INSTANCE, sort=[{"field": field}], page={"after": given_cursor})

    log.database.query(other)


NEWEST = {"field": "startDate", "order": "DESC"}


@pytest.mark.parametrize(
    ("entity", "filter", "sort", "index"),
    [
        (PROCESS_INSTANCE, {"state": "ACTIVE"}, NEWEST, "process_instances_by_state_and_start"),
        (PROCESS_INSTANCE, {"state": "COMPLETED"}, {"field": "endDate", "order": "DESC"}, "process_instances_by_state_and_end"),
        (PROCESS_INSTANCE, {"state": "ACTIVE", "processDefinitionId": "claim"}, None, "process_instances_by_state"),
        (PROCESS_INSTANCE, {"state": "ACTIVE", "processDefinitionId": "claim"}, NEWEST, "process_instances_by_process"),
        (PROCESS_INSTANCE, {"state": "ACTIVE", "processDefinitionKey": "7"}, NEWEST, "process_instances_by_definition"),
        (PROCESS_INSTANCE, None, NEWEST, "process_instances_by_start"),
        (USER_TASK, {"state": "CREATED"}, {"field": "creationDate", "order": "DESC"}, "user_tasks_by_state_and_creation"),
        (USER_TASK, {"state": "CREATED", "assignee": "bob"}, {"field": "creationDate"}, "user_tasks_by_state"),
        (JOB, {"state": "FAILED", "type": "pay"}, None, "jobs_by_state"),
        (INCIDENT, {"state": "ACTIVE"}, {"field": "creationTime", "order": "DESC"}, "incidents_by_state"),
    ],
)
def test_lists_are_read_off_an_index(log: EventLog, entity: Entity, filter: Any, sort: Any, index: str) -> None:
    plan, sorts = chosen(log, entity, filter, [sort] if sort else None)
    assert f"INDEX {index} " in f"{plan} "
    assert not sorts


@pytest.mark.parametrize(
    ("entity", "filter", "sort", "index"),
    [
        (PROCESS_INSTANCE, {"state": "ACTIVE", "businessId": "CLM-1"}, NEWEST, "process_instances_by_business_id"),
        (PROCESS_INSTANCE, {"state": "ACTIVE", "parentProcessInstanceKey": "7"}, NEWEST, "process_instances_by_parent"),
        (USER_TASK, {"state": "CREATED", "processInstanceKey": "7"}, {"field": "creationDate"}, "user_tasks_by_process_instance"),
        (JOB, {"state": "CREATED", "processInstanceKey": "7"}, None, "jobs_by_process_instance"),
        (INCIDENT, {"state": "ACTIVE", "processInstanceKey": "7"}, {"field": "creationTime"}, "incidents_by_process_instance"),
        (ELEMENT_INSTANCE, {"state": "ACTIVE", "processInstanceKey": "7"}, NEWEST, "element_instances_by_process_instance"),
    ],
)
def test_what_finds_few_is_looked_up_first(log: EventLog, entity: Entity, filter: Any, sort: Any, index: str) -> None:
    assert f"INDEX {index} " in f"{chosen(log, entity, filter, [sort] if sort else None)[0]} "


def chosen(log: EventLog, entity: Entity, filter: Any, sort: Any) -> tuple[str, bool]:
    """How SQLite finds the keys of a page, and whether it has to sort all that match for it."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
        statements.append((statement, parameters))

    event.listen(log.database.engine, "before_cursor_execute", note)
    try:
        log.database.query(lambda connection: search(connection, entity, filter, sort, {"limit": 2}))
    finally:
        event.remove(log.database.engine, "before_cursor_execute", note)
    statement, parameters = next(one for one in statements if one[0].startswith("SELECT"))
    plan = log.database.query(lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
    (listed,) = (row[0] for row in plan if row[3].startswith("LIST SUBQUERY") and any(_is_scan(one, row[0]) for one in plan))
    within = [row[3] for row in plan if row[1] == listed]
    return within[0], any("TEMP B-TREE" in step for step in within)


def _is_scan(row: Any, parent: int) -> bool:
    return row[1] == parent and row[3].startswith(("SEARCH", "SCAN"))
