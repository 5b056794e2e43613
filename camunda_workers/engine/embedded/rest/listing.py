"""Filter, sort and page of rows that are in memory, in the words of the searches."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.events.search import DEFAULT_LIMIT, MAX_LIMIT

Row = dict[str, Any]

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, asked: value == asked,
    "$neq": lambda value, asked: value != asked,
    "$exists": lambda value, asked: (value is not None) == asked,
    "$in": lambda value, asked: isinstance(asked, list) and value in asked,
    "$notIn": lambda value, asked: isinstance(asked, list) and value not in asked,
}


def listed(
    rows: Sequence[Row],
    filter: Mapping[str, Any],
    sort: Sequence[Mapping[str, Any]],
    page: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
) -> Row:
    """Return the answer to a search in these rows.

    Args:
        names: filter and sort fields that are called otherwise in the rows.

    Raises:
        BadRequest: a field, operator, cursor or bound is not one.
    """
    names, known = names or {}, set(rows[0]) if rows else None
    chosen = list(rows)
    for field, asked in filter.items():
        name = _field(names.get(field, field), known)
        operators = cast("Mapping[str, Any]", asked) if isinstance(asked, dict) else {"$eq": asked}
        for operator, operand in operators.items():
            if operator not in _OPERATORS:
                raise BadRequest(f"filter.{field}: there is no operator '{operator}'; known are {', '.join(_OPERATORS)}")
            chosen = [row for row in chosen if _OPERATORS[operator](row[name], operand)]
    for one in reversed(sort):
        name = _field(names.get(str(one.get("field")), str(one.get("field"))), known)
        if str(one.get("order") or "ASC").upper() not in ("ASC", "DESC"):
            raise BadRequest(f"sort.order: expected ASC or DESC, got '{one.get('order')}'")
        descending = str(one.get("order")).upper() == "DESC"
        chosen.sort(key=lambda row: (row[name] is None, row[name] or ""), reverse=descending)
    start, end = _window(page, len(chosen))
    items = chosen[start:end]
    return {
        "items": items,
        "page": {
            "totalItems": len(chosen),
            "hasMoreTotalItems": False,
            "startCursor": _cursor(start) if items else None,
            "endCursor": _cursor(start + len(items) - 1) if items else None,
        },
    }


def _field(name: str, known: set[str] | None) -> str:
    if known is not None and name not in known:
        raise BadRequest(f"there is no field '{name}'; known are {', '.join(sorted(known))}")
    return name


def _window(page: Mapping[str, Any], count: int) -> tuple[int, int]:
    if unknown := set(page) - {"from", "limit", "after", "before"}:
        raise BadRequest(f"page.{sorted(unknown)[0]}: there is no such field; known are from, limit, after, before")
    limit = _whole(page.get("limit", DEFAULT_LIMIT), "limit", MAX_LIMIT)
    if page.get("after") is not None:
        start = _read(page["after"], "after") + 1
        return start, start + limit
    if page.get("before") is not None:
        end = min(_read(page["before"], "before"), count)
        return max(0, end - limit), end
    start = _whole(page.get("from", 0), "from", 2**31 - 1)
    return start, start + limit


def _whole(value: Any, name: str, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise BadRequest(f"page.{name}: expected a whole number from 0 to {highest}")
    return value


def _cursor(index: int) -> str:
    return base64.urlsafe_b64encode(f"[{index}]".encode()).decode()


def _read(cursor: Any, name: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
    except (TypeError, ValueError, binascii.Error):
        text = ""
    digits = text.removeprefix("[").removesuffix("]")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise BadRequest(f"page.{name}: this is not a cursor of an answer to the same sort")
    return int(digits)
