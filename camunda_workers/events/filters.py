"""REST v2 filters as SQL conditions. Every value is bound; a name or operator that is not known is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, func, literal, not_, or_, select

from camunda_workers.errors import InvalidArgument
from camunda_workers.events.dates import to_iso, to_millis
from camunda_workers.events.dialects import common, like


class Kind(Enum):
    """What a field's values are, in requests and in answers."""

    TEXT = "text"
    KEY = "a key (a number, as text or not)"
    INTEGER = "a whole number"
    DATE = "an ISO 8601 date and time"
    FLAG = "true or false"
    JSON = "JSON"
    TEXTS = "a list of texts"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity: where its value comes from and what may be done with it."""

    column: ColumnElement[Any]
    kind: Kind
    default: Any = None
    """Shown instead of an absent value."""
    always: bool = False
    """Whether there always is a value: sorting by it can then use an index."""
    common: bool = False
    """Whether many have the same value, as a state: what else is asked for finds fewer."""
    values: tuple[str, ...] = ()
    """Every value that there can be, where that is known: asking for another is a mistake and no search that finds nothing."""

    def shown(self, value: Any) -> Any:
        """The value as REST shows it."""
        if value is None:
            return self.default
        match self.kind:
            case Kind.KEY:
                return str(value)
            case Kind.DATE:
                return to_iso(value)
            case Kind.FLAG:
                return bool(value)
            case Kind.JSON | Kind.TEXTS:
                return json.loads(value)
            case Kind.TEXT | Kind.INTEGER:
                return value


Special = Callable[[Any, str], ColumnElement[bool]]
"""A filter that is more than one column: from what was asked for and its path in the request to a condition."""

_COMPARISONS: Mapping[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "$gt": lambda column, value: column > value,
    "$gte": lambda column, value: column >= value,
    "$lt": lambda column, value: column < value,
    "$lte": lambda column, value: column <= value,
}
_OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("$eq", "$neq", "$exists", "$in", "$notIn", "$like"),
    Kind.KEY: ("$eq", "$neq", "$exists", "$in", "$notIn"),
    Kind.INTEGER: ("$eq", "$neq", "$exists", "$in", *_COMPARISONS),
    Kind.DATE: ("$eq", "$neq", "$exists", "$in", *_COMPARISONS),
    Kind.FLAG: ("$eq", "$neq", "$exists"),
}


def where(
    fields: Mapping[str, Field], specials: Mapping[str, Special], given: Mapping[str, Any], path: str = "filter"
) -> list[ColumnElement[bool]]:
    """The conditions that a filter object means; a field that is null counts as not given.

    Raises:
        InvalidArgument: a field, operator or value is not one; the text names it and what is known.
    """
    conditions: list[ColumnElement[bool]] = []
    for name, asked in given.items():
        if asked is None:
            continue
        if name in specials:
            conditions.append(specials[name](asked, f"{path}.{name}"))
        elif name in fields and fields[name].kind in _OPERATORS:
            what = fields[name]
            if what.values:
                one_of(what.values, asked, f"{path}.{name}")
            if what.common and isinstance(asked, str):
                conditions.append(common(_operation(what.column, what.kind, "$eq", asked, f"{path}.{name}")))
            else:
                conditions.append(matches(what.column, what.kind, asked, f"{path}.{name}"))
        else:
            known = sorted({*specials, *(field for field, what in fields.items() if what.kind in _OPERATORS)})
            raise InvalidArgument(f"{path}.{name}: there is no such filter field; known are {', '.join(known)}")
    return conditions


def one_of(values: Sequence[str], asked: Any, path: str) -> None:
    """Refuse values that an enumeration does not have, in the words of Camunda's gateway; what is no text is refused elsewhere.

    Raises:
        InvalidArgument: one is not among them.
    """
    operators = cast("Mapping[str, Any]", asked) if isinstance(asked, Mapping) else {"$eq": asked}
    for name in operators.keys() & {"$eq", "$neq", "$in", "$notIn"}:
        operand = operators[name]
        for text in cast("Sequence[Any]", operand) if isinstance(operand, list) else (operand,):
            if isinstance(text, str) and text not in values:
                known = ", ".join(values)
                raise InvalidArgument(
                    f"{path}: Unexpected value '{text}' for an enumerated field. Use any of the following values: [{known}]"
                )


def matches(column: ColumnElement[Any], kind: Kind, asked: Any, path: str) -> ColumnElement[bool]:
    """The condition for one field: a plain value (equality) or an object of operators, all of which must hold."""
    operators = cast("Mapping[str, Any]", asked) if isinstance(asked, Mapping) else {"$eq": asked}
    return and_(
        *(_operation(column, kind, name, operand, path) for name, operand in operators.items() if operand is not None), literal(True)
    )


def _operation(column: ColumnElement[Any], kind: Kind, name: str, operand: Any, path: str) -> ColumnElement[bool]:
    if name not in _OPERATORS[kind]:
        raise InvalidArgument(f"{path}: there is no operator '{name}' for {kind.value}; known are {', '.join(_OPERATORS[kind])}")
    if name in _COMPARISONS:
        return _COMPARISONS[name](column, _value(kind, operand, path))
    match name:
        case "$exists":
            return column.is_not(None) if flag(operand, f"{path}.$exists") else column.is_(None)
        case "$in":
            return column.in_(_values(kind, operand, path))
        case "$notIn":
            return or_(column.is_(None), column.not_in(_values(kind, operand, path)))
        case "$like":
            return like(column, _text(operand, path))
        case "$neq":
            return column.is_distinct_from(_value(kind, operand, path))
        case _:
            return column == _value(kind, operand, path)


def _values(kind: Kind, operand: Any, path: str) -> list[Any]:
    if not isinstance(operand, Sequence) or isinstance(operand, str | bytes):
        raise InvalidArgument(f"{path}: expected a list of values, got {_shown(operand)}")
    return [_value(kind, item, path) for item in cast("Sequence[Any]", operand)]


def _value(kind: Kind, operand: Any, path: str) -> Any:
    match kind:
        case Kind.KEY:
            return key_value(operand, path)
        case Kind.INTEGER if isinstance(operand, int) and not isinstance(operand, bool):
            if abs(operand) < 2**63:
                return operand
        case Kind.FLAG:
            return int(flag(operand, path))
        case Kind.TEXT:
            return _text(operand, path)
        case Kind.DATE if isinstance(operand, str):
            try:
                return to_millis(operand)
            except (ValueError, OverflowError):
                pass
        case _:
            pass
    raise InvalidArgument(f"{path}: expected {kind.value}, got {_shown(operand)}")


def key_value(operand: Any, path: str) -> int:
    """A key, as a number or as text.

    Raises:
        InvalidArgument: it is not one.
    """
    if isinstance(operand, str) and len(operand) <= 19 and operand.isascii() and operand.removeprefix("-").isdigit():
        operand = int(operand)
    if isinstance(operand, int) and not isinstance(operand, bool) and abs(operand) < 2**63:
        return operand
    raise InvalidArgument(f"{path}: expected {Kind.KEY.value}, got {_shown(operand)}")


def flag(operand: Any, path: str) -> bool:
    """True or false, nothing that looks like it.

    Raises:
        InvalidArgument: it is not one.
    """
    if isinstance(operand, bool):
        return operand
    raise InvalidArgument(f"{path}: expected true or false, got {_shown(operand)}")


def _text(operand: Any, path: str) -> str:
    if isinstance(operand, str):
        if "\x00" in operand:
            raise InvalidArgument(f"{path}: text cannot hold the character U+0000")
        return operand
    raise InvalidArgument(f"{path}: expected text, got {_shown(operand)}")


def any_of(column: ColumnElement[Any], asked: Any, path: str) -> ColumnElement[bool]:
    """Whether one of the texts in a JSON list matches."""
    entries = func.json_each(column).table_valued("value")
    # A negation means the whole list: "not in group x" is no entry that is x.
    operators = cast("Mapping[str, Any]", asked) if isinstance(asked, Mapping) else {"$eq": asked}
    negated = {"$neq": "$eq", "$notIn": "$in"}
    conditions: list[ColumnElement[bool]] = []
    for name, operand in operators.items():
        if name == "$exists":
            filled = func.json_array_length(column) > 0
            conditions.append(filled if flag(operand, path) else not_(filled))
        elif name in negated:
            conditions.append(not_(_some(entries, {negated[name]: operand}, path)))
        else:
            if name == "$eq":
                conditions.append(_holds(column, operand))
            conditions.append(_some(entries, {name: operand}, path))
    return and_(*conditions, literal(True))


def _holds(column: ColumnElement[Any], text: Any) -> ColumnElement[bool]:
    """Whether a JSON list may have this entry: a look at its text, far cheaper than reading it, that lets through all that do."""
    return func.instr(column, json.dumps(text)) > 0 if isinstance(text, str) else literal(True)


def _some(entries: Any, operators: Mapping[str, Any], path: str) -> ColumnElement[bool]:
    return select(literal(1)).select_from(entries).where(matches(entries.c.value, Kind.TEXT, operators, path)).exists()


def all_of(column: ColumnElement[Any], asked: Any, path: str) -> ColumnElement[bool]:
    """Whether all of these texts are in a JSON list."""
    return and_(*(any_of(column, {"$eq": text}, path) for text in _values(Kind.TEXT, asked, path)), literal(True))


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
