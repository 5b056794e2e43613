"""What lists of tasks are sorted by, where a page begins, and how the database is kept from sorting a whole queue for one page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from pydantic.alias_generators import to_camel
from sqlalchemy import Connection

from camunda_workers.errors import InvalidArgument
from camunda_workers.events.entities import USER_TASK
from camunda_workers.events.filters import Kind
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.tasks.audience import Stream
from camunda_workers.tasks.effort import Effort
from camunda_workers.tasks.looks import SLACK
from camunda_workers.tasks.statements import TASKS, Part, is_postgresql, one, source

_LAST: Final = 2**62  # what has no date comes last
_DUE: Final = f"{TASKS}.due_at"
_BORN: Final = f"{TASKS}.created_at"


@dataclass(frozen=True)
class Order:
    """What is sorted by.

    Attributes:
        part: the expression.
        is_descending: the direction.
        like: a column with an index, which differs from what is sorted by, where it has a value, by ``spread`` at most.
        spread: how much larger it is at most.
    """

    part: Part
    is_descending: bool
    like: str | None = None
    spread: int = 0

    @property
    def sql(self) -> str:
        """As it stands behind ``ORDER BY``."""
        return f"{self.part.sql} {'DESC' if self.is_descending else 'ASC'}"


def orders_of(connection: Connection, sort: Sequence[str], efforts: Mapping[tuple[str, str], Effort]) -> list[Order]:
    """What a list is sorted by; its last order is the key.

    Raises:
        InvalidArgument: there is no such field.
    """
    orders: list[Order] = []
    for number, name in enumerate(sort):
        name, down = name.removeprefix("-"), name.startswith("-")
        last = -_LAST if down else _LAST
        if name == SLACK:
            most = max((_millis(effort) for effort in efforts.values()), default=0)
            expected = _expected(efforts)
            part = Part(f"coalesce({_DUE} - {expected.sql}, {last})", expected.values)
            orders.append(Order(part, down, _DUE, most))
            continue
        field = USER_TASK.fields.get(to_camel(name))
        if field is None or field.kind in (Kind.JSON, Kind.TEXTS):
            raise InvalidArgument(f"tasks cannot be sorted by '{name}': there is no such field")
        table: Any = cast("Any", field.column).table
        column, is_wide = f'{table.name}."{cast("Any", field.column).name}"', table is not user_tasks
        if field.kind is Kind.TEXT:
            # By code points, as Python compares: pages of several parts are put together there.
            collation = "C" if is_postgresql(connection) else "BINARY"
            none = {f"none_{number}": "" if down else "\U0010ffff"}
            orders.append(Order(Part(f'coalesce({column}, :none_{number}) COLLATE "{collation}"', none, is_wide), down))
        else:
            like = {user_tasks.c.due_at: _DUE, user_tasks.c.created_at: _BORN}.get(cast("Any", field.column))
            orders.append(Order(Part(f"coalesce({like or column}, {last})", {}, is_wide), down, like))
    return [*orders, Order(Part(f"{TASKS}.key", {}), False)]


def _expected(efforts: Mapping[tuple[str, str], Effort]) -> Part:
    whens, values = list[str](), dict[str, Any]()
    for number, ((process, element), effort) in enumerate(efforts.items()):
        of_process = f"{TASKS}.bpmn_process_id = :process_{number} AND " if process else ""
        whens.append(f"WHEN {of_process}{TASKS}.element_id = :element_{number} THEN {_millis(effort)}")
        values |= {f"element_{number}": element} | ({f"process_{number}": process} if process else {})
    return Part(f"CASE {' '.join(whens)} ELSE 0 END" if whens else "0", values)


def _millis(effort: Effort) -> int:
    return round(effort.expected / timedelta(milliseconds=1))


def beyond(orders: Sequence[Order], edge: Sequence[Any]) -> Part:
    """What comes after a cursor: further in one column, equal in all before it."""
    alternatives, equal = list[str](), list[str]()
    values: dict[str, Any] = {}
    for number, order in enumerate(orders):
        further = f"{order.part.sql} {'<' if order.is_descending else '>'} :edge_{number}"
        alternatives.append(f"({' AND '.join([*equal, further])})")
        equal.append(f"{order.part.sql} = :edge_{number}")
        values |= {**order.part.values, f"edge_{number}": edge[number]}
    return Part(f"({' OR '.join(alternatives)})", values, any(order.part.is_wide for order in orders))


def bound(
    connection: Connection, stream: Stream, asked: Sequence[Part], first: Order, edge: Sequence[Any] | None, needed: int
) -> Part | None:
    """What keeps the database from sorting a whole queue for one page.

    The first so many by the indexed column are read from its index. What is sorted by is that column less something between 0 and the
    spread, so nothing that belongs on the page lies further than the spread behind the last of them. What has no index by this column (one
    person's tasks, a queue by anything but due dates) is looked at as a whole in any case.
    """
    like = first.like
    if like is None or not (stream.kind == "all" or (stream.kind == "queue" and like == _DUE)):
        return None
    before, values = list[str](), dict[str, Any]()
    down = first.is_descending
    if edge is not None and abs(edge[0]) < _LAST:
        # Where the page before ended, the index is entered.
        before.append(f"{like} <= :like" if down else f"{like} >= :like")
        values["like"] = edge[0] + first.spread if down else edge[0]
    conditions = " AND ".join([*(part.sql for part in asked), *before, f"{like} IS NOT NULL"])
    # Behind "is nobody's" PostgreSQL does not see that the index is sorted by what comes next, unless all of its columns are named.
    way, led = "DESC" if down else "ASC", (f"{TASKS}.assignee", f"{TASKS}.queue") if stream.kind == "queue" else ()
    by = ", ".join(f"{column} {way}" for column in (*led, like))
    query = f"SELECT {like} FROM {source(*asked)} WHERE {conditions} ORDER BY {by} LIMIT 1 OFFSET :needed"
    bindings = {name: value for part in asked for name, value in part.values.items()} | values
    last = one(connection, query, bindings | {"needed": needed - 1})
    if last is None:
        return None
    values["last"] = last - first.spread if down else last + first.spread
    return Part(" AND ".join([*before, f"{like} >= :last" if down else f"{like} <= :last"]), values)


def cursor_of(row: Sequence[Any]) -> str:
    """Where a page ends, for the next one to begin there."""
    return base64.urlsafe_b64encode(json.dumps(list(row)).encode()).decode()


def read_cursor(text: str, columns: int) -> Sequence[Any]:
    """What a cursor says.

    Raises:
        InvalidArgument: it is not one of this list.
    """
    try:
        values: Any = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, RecursionError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or len(cast("list[Any]", values)) != columns
        or not all(isinstance(one, str) or (type(one) is int and abs(one) < 2**63) for one in cast("list[Any]", values))
    ):
        raise InvalidArgument("this is not where a page of this list begins: look at the list from its start")
    return cast("list[Any]", values)
