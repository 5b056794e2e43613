"""One search for every kind of thing: filter, sort, page, in the words and shapes of Camunda's REST API v2."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, FromClause, Label, Row, and_, func, literal, or_, select

from camunda_workers.errors import InvalidArgument
from camunda_workers.events.filters import Field, Kind, Special, where

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000

Filter = Mapping[str, Any]
Sort = Sequence[Mapping[str, Any]]
Page = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
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
    descending: bool


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
) -> dict[str, Any]:
    """Answer a search request.

    Args:
        filter: the request's filter object.
        sort: the request's sort list; absent values come last in either direction.
        page: ``{from, limit}``, ``{after, limit}`` or ``{before, limit}``; cursors are those of an answer to the same sort.
        conditions: further ones that must hold.

    Returns:
        ``{"items": [...], "page": {"totalItems", "hasMoreTotalItems", "startCursor", "endCursor"}}``.

    Raises:
        InvalidArgument: the request names something that is not there; the text says what is.
    """
    asked = [*entity.base, *conditions, *_conditions(entity, filter or {})]
    orders = _orders(entity, sort or ())
    window = _window(page or {}, len(orders))
    total = connection.scalar(select(func.count()).select_from(entity.source).where(*asked)) or 0
    rows = _rows(connection, entity, asked, orders, window)
    return {
        "items": [_shown(entity, row) for row in rows],
        "page": {
            "totalItems": total,
            "hasMoreTotalItems": False,
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
        column = entity.fields[name].column
        # Absent values last, whatever the direction: a comparison with NULL would lose them between two pages.
        if not entity.fields[name].always and name != entity.key_field:
            orders.append(_Order(column.is_(None), descending=False))
        orders.append(_Order(column, descending=order == "DESC"))
    # Keys in the direction of what comes before them, as an index has them.
    descending = orders[-1].descending if orders else False
    return [*orders, _Order(entity.fields[entity.key_field].column, descending=descending)]


def _window(page: Page, columns: int) -> _Window:
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
        _read_cursor(after, "page.after", columns) if after is not None else None,
        _read_cursor(before, "page.before", columns) if before is not None else None,
    )


def _count(value: Any, path: str, highest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        raise InvalidArgument(f"{path}: expected a whole number from 0 to {highest}, got {json.dumps(value, default=str)}")
    return value


def _rows(
    connection: Connection, entity: Entity, asked: list[ColumnElement[bool]], orders: list[_Order], window: _Window
) -> Sequence[Row[Any]]:
    columns: list[Label[Any]] = [what.column.label(name) for name, what in entity.fields.items()]
    cursors = [order.column.label(f"cursor_{number}") for number, order in enumerate(orders)]
    backwards = window.before is not None
    query = select(*columns, *cursors).select_from(entity.source).where(*asked).limit(window.limit)
    edge = window.before if backwards else window.after
    if edge is not None:
        query = query.where(_beyond(orders, edge, backwards=backwards))
    query = query.order_by(*(order.column.desc() if order.descending != backwards else order.column.asc() for order in orders))
    rows = connection.execute(query.offset(window.offset)).all()
    return rows[::-1] if backwards else rows


def _beyond(orders: Sequence[_Order], edge: Sequence[Any], *, backwards: bool) -> ColumnElement[bool]:
    """What lies behind (or before) a cursor: greater in one column, equal in all before it."""
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for order, value in zip(orders, edge, strict=True):
        if value is not None:
            further = order.column < value if order.descending != backwards else order.column > value
            alternatives.append(and_(*equal, further))
        equal.append(order.column.is_not_distinct_from(value))
    return or_(*alternatives)


def _cursor(row: Row[Any], orders: Sequence[_Order]) -> str:
    values = row[-len(orders) :]
    return base64.urlsafe_b64encode(json.dumps([int(v) if isinstance(v, bool) else v for v in values]).encode()).decode()


def _read_cursor(text: Any, path: str, columns: int) -> tuple[Any, ...]:
    try:
        values: Any = json.loads(base64.urlsafe_b64decode(text))
    except (TypeError, ValueError, RecursionError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or len(cast("list[Any]", values)) != columns
        or not all(_is_plain(one) for one in cast("list[Any]", values))
    ):
        raise InvalidArgument(f"{path}: this is not a cursor of an answer to the same sort")
    return tuple(cast("list[Any]", values))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**63)


def _shown(entity: Entity, row: Row[Any]) -> dict[str, Any]:
    return {name: what.shown(value) for (name, what), value in zip(entity.fields.items(), row, strict=False) if name not in entity.hidden}
