"""One search for every kind of thing: filter, sort, page, in the words and shapes of Camunda's REST API v2."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Label,
    Null,
    Row,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy import cast as sql_cast

from camunda_workers.errors import InvalidArgument
from camunda_workers.events.filters import Field, Kind, Special, where

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
MOST_COUNTED: Final = 10_000
"""Camunda's own bound: a search says of no more than so many how many there are."""

Filter = Mapping[str, Any]
Sort = Sequence[Mapping[str, Any]]
Page = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """Something that can be searched.

    Attributes:
        name: for messages: "user task".
        key_field: the field that identifies one; also the last sort criterion, which makes every order total.
        fields: by their REST name; all are shown, filtered and sorted by.
        source: the tables they come from.
        specials: filters that are no field.
        hidden: fields that are not shown in answers.
        base: conditions that always hold.
    """

    name: str
    key_field: str
    fields: Mapping[str, Field]
    source: FromClause
    specials: Mapping[str, Special] = field(default_factory=dict[str, Special])
    hidden: frozenset[str] = frozenset()
    base: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True, slots=True)
class _Order:
    column: ColumnElement[Any]
    kind: Kind
    descending: bool
    always: bool


@dataclass(frozen=True, slots=True)
class _Window:
    limit: int
    offset: int = 0
    after: tuple[Any, ...] | None = None
    before: tuple[Any, ...] | None = None


def search(
    connection: Connection,
    entity: Entity,
    filter: Filter | None = None,
    sort: Sort | None = None,
    page: Page | None = None,
    *,
    conditions: Sequence[ColumnElement[bool]] = (),
    most: int = MOST_COUNTED,
) -> dict[str, Any]:
    """Answer a search request.

    Args:
        filter: the request's filter object.
        sort: the request's sort list; absent values come last in either direction.
        page: ``{from, limit}``, ``{after, limit}`` or ``{before, limit}``; cursors are those of an answer to the same sort.
        conditions: further ones that must hold.
        most: how far is counted.

    Returns:
        ``{"items": [...], "page": {"totalItems", "hasMoreTotalItems", "startCursor", "endCursor"}}``; of more than ``most``, ``totalItems`` is
        ``most`` and ``hasMoreTotalItems`` is true.

    Raises:
        InvalidArgument: the request names something that is not there; the text says what is.
    """
    asked = [*entity.base, *conditions, *_conditions(entity, filter or {})]
    orders = _orders(entity, sort or ())
    window = _window(page or {}, orders)
    rows = _rows(connection, entity, asked, orders, window)
    total = _total(connection, entity, asked, window, len(rows), most)
    return {
        "items": [_shown(entity, row) for row in rows],
        "page": {
            "totalItems": min(total, most),
            "hasMoreTotalItems": total > most,
            "startCursor": _cursor(rows[0], orders) if rows else None,
            "endCursor": _cursor(rows[-1], orders) if rows else None,
        },
    }


def _conditions(entity: Entity, given: Filter) -> list[ColumnElement[bool]]:
    alternatives = given.get("$or")
    conditions = where(entity.fields, entity.specials, {name: asked for name, asked in given.items() if name != "$or"})
    if alternatives is not None:
        if (
            not isinstance(alternatives, Sequence)
            or isinstance(alternatives, str)
            or not all(isinstance(one, Mapping) for one in cast("Any", alternatives))
        ):
            raise InvalidArgument("filter.$or: expected a list of filter objects")
        some = [
            and_(*where(entity.fields, entity.specials, one, "filter.$or"), literal(True)) for one in cast("Sequence[Filter]", alternatives)
        ]
        if some:
            conditions.append(or_(*some))
    return conditions


def _orders(entity: Entity, sort: Sort) -> list[_Order]:
    orders: list[_Order] = []
    sortable = {name for name, what in entity.fields.items() if what.kind not in {Kind.JSON, Kind.TEXTS}}
    for one in cast("Sequence[Any]", sort):
        if not isinstance(one, Mapping) or not set(cast("Mapping[str, Any]", one)) <= {"field", "order"}:
            raise InvalidArgument("sort: expected objects with field and order")
        name, order = cast("Any", one).get("field"), str(cast("Any", one).get("order") or "ASC").upper()
        if not isinstance(name, str) or name not in sortable:
            raise InvalidArgument(f"sort.field: cannot sort {entity.name}s by '{name}'; known are {', '.join(sorted(sortable))}")
        if order not in {"ASC", "DESC"}:
            raise InvalidArgument(f"sort.order: expected ASC or DESC, got '{order}'")
        if not isinstance(entity.fields[name].column, Null):
            orders.append(_order(entity, name, descending=order == "DESC"))
        if name == entity.key_field:
            return orders
    # Keys in the direction of what comes before them, as an index has them.
    return [*orders, _order(entity, entity.key_field, descending=orders[-1].descending if orders else False)]


def _order(entity: Entity, name: str, *, descending: bool) -> _Order:
    what = entity.fields[name]
    # Cursors have a flag as a number, and PostgreSQL compares no truth with a number.
    column = sql_cast(what.column, Integer) if what.kind is Kind.FLAG else what.column
    return _Order(column, what.kind, descending, what.always or name == entity.key_field)


def _window(page: Page, orders: Sequence[_Order]) -> _Window:
    unknown = sorted(set(page) - {"from", "limit", "after", "before"})
    if unknown:
        raise InvalidArgument(f"page.{unknown[0]}: there is no such field; known are from, limit, after, before")
    given = {name: value for name, value in page.items() if value is not None}
    if sum(name in given for name in ("from", "after", "before")) > 1:
        raise InvalidArgument("page: give one of from, after and before")
    limit = _count(given.get("limit", DEFAULT_LIMIT), "page.limit", MAX_LIMIT)
    after, before = given.get("after"), given.get("before")
    return _Window(
        limit,
        _count(given.get("from", 0), "page.from", 2**31 - 1),
        _read_cursor(after, "page.after", orders) if after is not None else None,
        _read_cursor(before, "page.before", orders) if before is not None else None,
    )


def _count(value: Any, path: str, highest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        raise InvalidArgument(f"{path}: expected a whole number from 0 to {highest}, got {json.dumps(value, default=str)}")
    return value


def _rows(
    connection: Connection, entity: Entity, asked: list[ColumnElement[bool]], orders: list[_Order], window: _Window
) -> Sequence[Row[Any]]:
    if not window.limit:
        return []
    cursors = [order.column.label(f"cursor_{number}") for number, order in enumerate(orders)]
    backwards = window.before is not None
    edge = window.before if backwards else window.after
    conditions = asked if edge is None else [*asked, _beyond(orders, edge, backwards=backwards)]
    sorting = [_sorting(order, backwards=backwards) for order in orders]
    query = _everything(entity).add_columns(*cursors).order_by(*sorting)
    key = entity.fields[entity.key_field].column
    if isinstance(key, Column) and key.primary_key:
        # What a page shows is looked up for its rows only: a sort that no index has would else carry it along for everything that matches.
        found = select(key).select_from(entity.source).where(*conditions).order_by(*sorting).limit(window.limit).offset(window.offset)
        query = query.where(key.in_(found.correlate(None)))
    else:
        query = query.where(*conditions).limit(window.limit).offset(window.offset)
    rows = connection.execute(query).all()
    return rows[::-1] if backwards else rows


@cache
def _everything(entity: Entity) -> Select[Any]:
    columns: list[Label[Any]] = [what.column.label(name) for name, what in entity.fields.items()]
    return select(*columns).select_from(entity.source)


def _total(connection: Connection, entity: Entity, asked: list[ColumnElement[bool]], window: _Window, found: int, most: int) -> int:
    """How many match, as far as that is of interest: one more than ``most`` stands for all beyond it."""
    from_the_start = window.after is None and window.before is None
    if from_the_start and found < window.limit and (found or not window.offset):
        return window.offset + found  # the last page: there is nothing to count
    some = select(literal(1)).select_from(entity.source).where(*asked).limit(most + 1).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _sorting(order: _Order, *, backwards: bool) -> ColumnElement[Any]:
    column = order.column.desc() if order.descending != backwards else order.column.asc()
    if order.always:
        return column  # the databases' own place for absent values differs; an index has none other
    # Absent values last, whatever the direction.
    return column.nulls_first() if backwards else column.nulls_last()


def _beyond(orders: Sequence[_Order], edge: Sequence[Any], *, backwards: bool) -> ColumnElement[bool]:
    """What lies behind (or before) a cursor: further in one column, equal in all before it."""
    downwards = [order.descending != backwards for order in orders]
    if all(order.always for order in orders) and None not in edge and len(set(downwards)) == 1:
        # One comparison of all columns: a database goes straight to the place in an index.
        here = tuple_(*(order.column for order in orders))
        there = tuple_(*(literal(value, order.column.type) for order, value in zip(orders, edge, strict=True)))
        return here < there if downwards[0] else here > there
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for order, value, down in zip(orders, edge, downwards, strict=True):
        if value is not None:
            further = order.column < value if down else order.column > value
            alternatives.append(and_(*equal, further if order.always or backwards else or_(further, order.column.is_(None))))
        elif backwards:
            alternatives.append(and_(*equal, order.column.is_not(None)))
        equal.append(order.column.is_not_distinct_from(value))
    return or_(false(), *alternatives)


def _cursor(row: Row[Any], orders: Sequence[_Order]) -> str:
    values = row[-len(orders) :]
    return base64.urlsafe_b64encode(json.dumps([int(v) if isinstance(v, bool) else v for v in values]).encode()).decode()


def _read_cursor(text: Any, path: str, orders: Sequence[_Order]) -> tuple[Any, ...]:
    try:
        values: Any = json.loads(base64.urlsafe_b64decode(text))
    except (TypeError, ValueError, RecursionError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or len(cast("list[Any]", values)) != len(orders)
        or not all(_fits(one, order.kind) for one, order in zip(cast("list[Any]", values), orders, strict=True))
    ):
        raise InvalidArgument(f"{path}: this is not a cursor of an answer to the same sort")
    return tuple(cast("list[Any]", values))


def _fits(value: Any, kind: Kind) -> bool:
    if kind is Kind.TEXT:
        return value is None or isinstance(value, str)
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _shown(entity: Entity, row: Row[Any]) -> dict[str, Any]:
    return {name: what.shown(value) for (name, what), value in zip(entity.fields.items(), row, strict=False) if name not in entity.hidden}
