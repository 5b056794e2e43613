"""Lists of tasks out of our own event log: a page, how many there are in all, and where the next page begins, however many are done or open.

Everything that a list is chosen, counted and ordered by is in one index over the open tasks (`camunda_workers.events.projections.user_tasks`),
so a million tasks that are done cost nothing, and a page costs as much as the queue it is taken from is long.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar, cast

from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, Connection, and_, case, collate, func, or_, select, true

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.entities import USER_TASK
from camunda_workers.events.filters import Kind
from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.events.projections import PROJECTIONS
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.events.projector import is_current
from camunda_workers.events.schema import heads
from camunda_workers.events.search import search
from camunda_workers.tasks.audience import Wanted, conditions_of, streams_of
from camunda_workers.tasks.effort import Effort, Efforts

T = TypeVar("T")

SLACK: Final = "slack"
"""Sorts by time left minus expected work: what has to be begun first comes first."""

LONGEST_PAGE: Final = 10_000
_t = user_tasks.c
_LAST: Final = 2**62  # what has no date comes last


@dataclass(frozen=True)
class TaskList:
    """A page of tasks.

    Attributes:
        items: the tasks, in order.
        total: how many there are in all, or as far as was to be counted.
        cursor: where the next page begins; ``None`` on the last one.
    """

    items: Sequence[UserTask]
    total: int
    cursor: str | None


@dataclass(frozen=True)
class _Behind:
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class _Order:
    """What is sorted by.

    Attributes:
        like: a column with an index, which differs from what is sorted by, where it has a value, by ``spread`` at most.
        spread: how much larger it is at most.
    """

    column: ColumnElement[Any]
    descending: bool
    like: ColumnElement[Any] | None = None
    spread: int = 0


class TaskQueue:
    """Reads lists of tasks from the event log's read model.

    Args:
        log: the event log; whoever follows the engine writes it.
        catch_up: makes the log follow the engine at once, where it is pumped in this process.
        expected: how long tasks take, by ``element`` or ``process/element``; measured in the log for all others.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        catch_up: Callable[[], Awaitable[object]] | None = None,
        expected: Mapping[str, timedelta] | None = None,
    ) -> None:
        self._log = log
        self._catch_up = catch_up
        self._models: dict[int, ReadModel] = {}
        self._efforts = Efforts(expected)

    async def page(
        self,
        wanted: Wanted,
        *,
        filter: Mapping[str, Any] | None = None,
        sort: Sequence[str] = (SLACK,),
        limit: int = 50,
        after: str | None = None,
        count_to: int | None = None,
    ) -> TaskList:
        """A page of tasks.

        Args:
            wanted: whose.
            filter: as for `Client.search_user_tasks`; open tasks only, unless it names a state.
            sort: ``slack``, or fields of `UserTask`, ``-field`` for descending; what has no value comes last.
            limit: how many at most.
            after: the cursor of the page before, of the same list.
            count_to: count no further than this in each part of the list; all of a long queue takes longer than its page.

        Raises:
            InvalidArgument: there is no such field, or the cursor is not of this list.
        """
        if not 1 <= limit <= LONGEST_PAGE:
            raise InvalidArgument(f"a page has 1 to {LONGEST_PAGE:,} tasks")
        efforts: Mapping[tuple[str, str], Effort] = {}
        if any(one.removeprefix("-") == SLACK for one in sort):
            efforts = await self.efforts()
        return await self._read(lambda connection: _page(connection, wanted, filter or {}, sort, limit, after, efforts, count_to))

    async def efforts(self) -> Mapping[tuple[str, str], Effort]:
        """How long tasks take, by process id and element id."""
        return await self._efforts.of(self._read)

    def forget(self) -> None:
        """Measure anew how long tasks take."""
        self._efforts.forget()

    async def count(self, *wanted: Wanted, filter: Mapping[str, Any] | None = None, count_to: int | None = None) -> Sequence[int]:
        """How many tasks there are in all, of each; see `page`."""

        def read(connection: Connection) -> Sequence[int]:
            conditions = conditions_of(filter or {})
            return [sum(_count(connection, [*one, *conditions], count_to) for one in streams_of(connection, each)) for each in wanted]

        return await self._read(read)

    async def _read(self, read: Callable[[Connection], T]) -> T:
        """Read after everything that is in the log, of every partition."""
        if self._catch_up is not None:
            await self._catch_up()
        found = await self._log.database.read(partial(_attempt, read)) if self._models else _Behind((1,))
        if not isinstance(found, _Behind):
            return found
        for partition in sorted({*found.partitions, *(await self._log.heads())} - {FACTS_PARTITION}):
            await self._models.setdefault(partition, ReadModel(self._log, partition=partition)).catch_up()
        # What has come since is for the next one who asks: a log that never rests must not keep anybody waiting.
        return await self._log.database.read(read)


def _attempt(read: Callable[[Connection], T], connection: Connection) -> T | _Behind:
    """Look whether the lists are up to date, and read, in one go."""
    partitions = [one for one in connection.scalars(select(heads.c.partition)) if one != FACTS_PARTITION]
    behind = tuple(one for one in partitions if not is_current(connection, PROJECTIONS, one))
    return _Behind(behind) if behind else read(connection)


def _page(
    connection: Connection,
    wanted: Wanted,
    filter: Mapping[str, Any],
    sort: Sequence[str],
    limit: int,
    after: str | None,
    efforts: Mapping[tuple[str, str], Effort],
    count_to: int | None,
) -> TaskList:
    orders = _orders(sort, efforts, "C" if connection.dialect.name == "postgresql" else "BINARY")
    edge = _read_cursor(after, len(orders)) if after is not None else None
    conditions = conditions_of(filter)
    total, rows = 0, list[tuple[Any, ...]]()
    for stream in streams_of(connection, wanted):
        asked = [*stream, *conditions]
        total += _count(connection, asked, count_to)
        if edge is not None:
            asked.append(_beyond(orders, edge))
        asked += _bound(connection, asked, orders[0], edge, limit + 1)
        query = select(*(order.column for order in orders)).select_from(_source(asked, orders)).where(*asked)
        query = query.order_by(*(order.column.desc() if order.descending else order.column.asc() for order in orders))
        rows += [tuple(row) for row in connection.execute(query.limit(limit + 1))]
    for number in reversed(range(len(orders))):
        rows.sort(key=lambda row, number=number: row[number], reverse=orders[number].descending)
    shown = rows[:limit]
    keys = [row[-1] for row in shown]
    items = _shown(connection, keys)
    return TaskList(items, total, _cursor(shown[-1]) if len(rows) > limit and shown else None)


def _shown(connection: Connection, keys: Sequence[int]) -> list[UserTask]:
    if not keys:
        return []
    found = search(connection, USER_TASK, page={"limit": len(keys)}, conditions=[_t.key.in_(keys)])["items"]
    by_key = {int(one["userTaskKey"]): UserTask.model_validate(one) for one in found}
    return [by_key[key] for key in keys if key in by_key]


def _count(connection: Connection, asked: Sequence[ColumnElement[bool]], most: int | None) -> int:
    found = select(_t.key).select_from(_source(asked, ())).where(*asked).limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(found)) or 0


def _source(asked: Sequence[ColumnElement[bool]], orders: Sequence[_Order]) -> Any:
    """The table alone, unless names or cases are asked for: those are in others."""
    used = [*asked, *(order.column for order in orders)]
    alone = all(table is user_tasks for one in used for table in one._from_objects)  # pyright: ignore[reportPrivateUsage]
    return user_tasks if alone else USER_TASK.source


def _orders(sort: Sequence[str], efforts: Mapping[tuple[str, str], Effort], collation: str) -> list[_Order]:
    orders: list[_Order] = []
    for one in sort:
        name, down = one.removeprefix("-"), one.startswith("-")
        if name == SLACK:
            most = max((_millis(effort) for effort in efforts.values()), default=0)
            orders.append(_Order(func.coalesce(_t.due_at - _expected(efforts), -_LAST if down else _LAST), down, _t.due_at, most))
            continue
        field = USER_TASK.fields.get(to_camel(name))
        if field is None or field.kind in (Kind.JSON, Kind.TEXTS):
            raise InvalidArgument(f"tasks cannot be sorted by '{name}': there is no such field")
        if field.kind is Kind.TEXT:
            # By code points, as Python compares: pages of several parts are put together there.
            orders.append(_Order(collate(func.coalesce(field.column, "" if down else "\U0010ffff"), collation), down))
        else:
            like = field.column if any(field.column is one for one in (_t.due_at, _t.created_at)) else None
            orders.append(_Order(func.coalesce(field.column, -_LAST if down else _LAST), down, like))
    return [*orders, _Order(_t.key, False)]


def _expected(efforts: Mapping[tuple[str, str], Effort]) -> Any:
    whens = [
        (
            and_(_t.bpmn_process_id == process if process else true(), _t.element_id == element),
            _millis(effort),
        )
        for (process, element), effort in efforts.items()
    ]
    return case(*whens, else_=0) if whens else 0


def _beyond(orders: Sequence[_Order], edge: Sequence[Any]) -> ColumnElement[bool]:
    """What comes after a cursor: further in one column, equal in all before it."""
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for order, value in zip(orders, edge, strict=True):
        alternatives.append(and_(*equal, order.column < value if order.descending else order.column > value))
        equal.append(order.column == value)
    return or_(*alternatives)


def _bound(
    connection: Connection, asked: Sequence[ColumnElement[bool]], first: _Order, edge: Sequence[Any] | None, needed: int
) -> list[ColumnElement[bool]]:
    """What keeps the database from sorting a whole queue for one page.

    The first so many by the indexed column are read from its index. What is sorted by is that column less something between 0 and the
    spread, so nothing that belongs on the page lies further than the spread behind the last of them.
    """
    like, before = first.like, list[ColumnElement[bool]]()
    if like is None:
        return []
    if edge is not None and abs(edge[0]) < _LAST:
        # Where the page before ended, the index is entered.
        before.append(like <= edge[0] + first.spread if first.descending else like >= edge[0])
    query = select(like).select_from(_source(asked, ())).where(*asked, *before, like.is_not(None))
    last = connection.scalar(query.order_by(like.desc() if first.descending else like).offset(needed - 1).limit(1))
    if last is None:
        return []
    return [*before, like >= last - first.spread if first.descending else like <= last + first.spread]


def _millis(effort: Effort) -> int:
    return round(effort.expected / timedelta(milliseconds=1))


def _cursor(row: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(row)).encode()).decode()


def _read_cursor(text: str, columns: int) -> Sequence[Any]:
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
