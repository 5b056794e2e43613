"""A page of a list of tasks out of the database, and how many there are; of all tasks, or of those among which words were found."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from camunda_workers.client import UserTask
from camunda_workers.tasks.audience import Stream, Wanted, conditions_of, streams_of
from camunda_workers.tasks.effort import Effort
from camunda_workers.tasks.orders import Order, beyond, bound, cursor_of, orders_of, read_cursor
from camunda_workers.tasks.search import Matches
from camunda_workers.tasks.shown import shown
from camunda_workers.tasks.statements import TASKS, Part, is_postgresql, one, rows, source

FEW: Final = 5_000
"""Tasks. So many that were found are looked up one by one; more are met soon enough on the way through the list."""

_STRIDES: Final = (200, 1_000, 4_000, 12_000)
_NAMED: Final = re.compile(r"(?<!:):([a-z_][a-z_0-9]*)")

Found = tuple[list[UserTask], int, str | None]
"""Tasks, how many there are in all, and where the next page begins."""


def page_of(
    connection: Connection,
    wanted: Wanted,
    filter: Mapping[str, Any],
    sort: Sequence[str],
    limit: int,
    after: str | None,
    efforts: Mapping[tuple[str, str], Effort],
    count_to: int | None,
    among: Matches | None = None,
) -> Found:
    """A page.

    Args:
        connection: in a transaction.
        wanted: whose.
        filter: as for `Client.search_user_tasks`.
        sort: ``slack``, or fields.
        limit: how many at most.
        after: the cursor of the page before.
        efforts: how long tasks take.
        count_to: how far is counted in each part of the list; 0 for not at all.
        among: only these tasks.
    """
    orders = orders_of(connection, sort, efforts)
    edge = read_cursor(after, len(orders)) if after is not None else None
    conditions = conditions_of(connection, filter)
    streams = streams_of(connection, wanted)
    if among is None:
        total = sum(_count(connection, [stream.part, conditions], count_to) for stream in streams)
        found = _in_order(connection, streams, conditions, orders, edge, limit + 1)
    else:
        keys = among.first(FEW + 1)
        found = _met(connection, streams, conditions, orders, edge, limit + 1, among) if len(keys) > FEW else None
        total = 0
        if streams and (count_to != 0 or found is None):
            one_by_one = _one_by_one(connection, streams, keys if len(keys) <= FEW else among.all())
            total = _count(connection, [one_by_one, conditions], count_to)
            found = found if found is not None else _rows(connection, [one_by_one, conditions], orders, edge, limit + 1)
        found = found or []
    first = found[:limit]
    items = shown(connection, [row[-1] for row in first])
    return items, total, cursor_of(first[-1]) if len(found) > limit and first else None


def counts_of(connection: Connection, wanted: Sequence[Wanted], filter: Mapping[str, Any], most: int | None) -> list[int]:
    """How many tasks there are of each."""
    conditions = conditions_of(connection, filter)
    return [sum(_count(connection, [stream.part, conditions], most) for stream in streams_of(connection, each)) for each in wanted]


def _in_order(
    connection: Connection, streams: Sequence[Stream], conditions: Part, orders: Sequence[Order], edge: Sequence[Any] | None, needed: int
) -> list[tuple[Any, ...]]:
    """The first so many rows of all parts of a list, in order."""
    found = list[tuple[Any, ...]]()
    for stream in streams:
        asked = [stream.part, conditions]
        if edge is not None:
            asked.append(beyond(orders, edge))
        near = bound(connection, stream, asked, orders[0], edge, needed)
        found += _rows(connection, [stream.part, conditions, *([near] if near is not None else [])], orders, edge, needed)
    if len(streams) > 1:
        for number in reversed(range(len(orders))):
            found.sort(key=lambda row, number=number: row[number], reverse=orders[number].is_descending)
    return found[:needed]


def _rows(
    connection: Connection, parts: Sequence[Part], orders: Sequence[Order], edge: Sequence[Any] | None, limit: int
) -> list[tuple[Any, ...]]:
    asked = [*parts, *([beyond(orders, edge)] if edge is not None else [])]
    used = [*asked, *(order.part for order in orders)]
    columns, by = ", ".join(order.part.sql for order in orders), ", ".join(order.sql for order in orders)
    query = f"SELECT {columns} FROM {source(*used)} WHERE {' AND '.join(part.sql for part in asked)} ORDER BY {by} LIMIT :limit"
    return rows(connection, query, {name: value for part in used for name, value in part.values.items()} | {"limit": limit})


def _met(
    connection: Connection,
    streams: Sequence[Stream],
    conditions: Part,
    orders: Sequence[Order],
    edge: Sequence[Any] | None,
    needed: int,
    among: Matches,
) -> list[tuple[Any, ...]] | None:
    """The first rows of a list that are among many; ``None`` when they lie too far behind to be met on the way."""
    found = list[tuple[Any, ...]]()
    for stride in _STRIDES:
        some = _in_order(connection, streams, conditions, orders, edge, stride)
        found += [row for row in some if among.has(row[-1])]
        if len(found) >= needed or len(some) < stride:
            return found[:needed]
        edge = some[-1]
    return None


def _one_by_one(connection: Connection, streams: Sequence[Stream], keys: Sequence[int]) -> Part:
    """That a task is one of these and in one of the parts of a list: looked up by its key."""
    some, values = list[str](), dict[str, Any]()
    for number, stream in enumerate(streams):
        sql = _NAMED.sub(rf":\1_of_{number}", stream.part.sql)
        some.append(f"({sql})")
        values |= {f"{name}_of_{number}": value for name, value in stream.part.values.items()}
    if is_postgresql(connection):
        first, given = "unnest(CAST(:found AS bigint[])) AS found(value)", list[Any]([*keys])
    else:
        first, given = "json_each(:found) AS found", json.dumps(list(keys))
    # In this order, whatever the database believes of how many there are.
    return Part(f"{TASKS}.key = found.value AND ({' OR '.join(some) or '1 = 0'})", {**values, "found": given}, first=first)


def _count(connection: Connection, asked: Sequence[Part], most: int | None) -> int:
    if most == 0:
        return 0
    values = {name: value for part in asked for name, value in part.values.items()}
    query = f"FROM {source(*asked)} WHERE {' AND '.join(part.sql for part in asked)}"
    if most is None:
        return one(connection, f"SELECT count(*) {query}", values)
    return one(connection, f"SELECT count(*) FROM (SELECT 1 {query} LIMIT :most) AS found", {**values, "most": most})
