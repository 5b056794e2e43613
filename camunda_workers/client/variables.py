"""Process variables: Python values to JSON text and back.

The engine keeps variables as JSON. What JSON cannot say is refused here, with the path of the value at fault, because the engine would
either refuse it with less to go on or quietly store something else. NaN and the infinities never reach the wire.

How values are written:

==============================  =========================================================
Python                          JSON
==============================  =========================================================
pydantic model                  object, by alias, what its own serialisers say
dataclass, mapping              object
list, tuple, set, frozenset     array (sets sorted where their members can be)
``datetime``, ``date``, ``time``  text in ISO 8601, which FEEL reads with ``date and time(...)`` and its sisters
``timedelta``                   text, an ISO 8601 duration (``PT48H``)
``Decimal``                     number, for FEEL calculates with numbers, not with text
``UUID``, path, URL, IP address text
``Enum``                        its value
==============================  =========================================================
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import AnyUrl, BaseModel, SecretBytes, SecretStr
from pydantic_core import MultiHostUrl, PydanticSerializationError, Url

from camunda_workers.errors import EngineFailure, InvalidArgument

MAX_DEPTH = 200
"""Levels of nesting. The engine's JSON reader stops at 1,000; nothing a diagram can work with comes near."""

_LEAST, _MOST = -(2**63), 2**63 - 1
_OFTEN = frozenset({dict, list})
_BINARY = (bytes, bytearray, memoryview)
_AS_TEXT = (UUID, PurePath, AnyUrl, Url, MultiHostUrl, IPv4Address, IPv6Address, IPv4Network, IPv6Network)


_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
"""Made once: ``json.dumps`` makes a new one for every call that asks for anything but its defaults. What it writes was walked before."""


class JsonObject(str):
    """The text of a JSON object that `to_json` has written: it may be sent as it is, however often."""

    __slots__ = ()


class WrittenVariables(dict[str, Any]):
    """Variables in plain JSON types together with their text: neither is made twice on the way to the gateway. Not to be changed."""

    __slots__ = ("text",)

    def __init__(self, variables: Mapping[str, Any]) -> None:
        super().__init__(variables)
        self.text = JsonObject(_WRITER.encode(self))


def to_json(variables: object, *, what: str = "variables") -> JsonObject:
    """Write variables as the JSON object the gateway wants.

    Args:
        variables: a mapping, a pydantic model, a dataclass instance, the text of a JSON object, or ``None`` for none.
        what: what they are, for error texts.

    Raises:
        InvalidArgument: something in them cannot be written; the text names its path, for example ``variables.claim.amount``.
    """
    if isinstance(variables, JsonObject):
        return variables
    if isinstance(variables, WrittenVariables):
        return variables.text
    if isinstance(variables, str):
        variables = _read(variables, what)
    return JsonObject(_WRITER.encode(to_jsonable(variables, what=what)))


def to_jsonable(variables: object, *, what: str = "variables") -> dict[str, Any]:
    """The same as plain ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``.

    Args:
        variables: a mapping, a pydantic model, a dataclass instance, or ``None`` for none.
        what: what they are, for error texts.

    Raises:
        InvalidArgument: something in them cannot be written; the text names its path.
    """
    if variables is None:
        return {}
    plain = plain_value(variables, what=what)
    if not isinstance(plain, dict):
        raise InvalidArgument(f"{what} must be an object with names and values, not {_name(variables)}")
    return cast("dict[str, Any]", plain)


def plain_value(value: object, *, what: str) -> Any:
    """One value of any kind as plain JSON types; see `to_jsonable`."""
    return _plain(value, what, 0, set())


def from_json(text: str) -> dict[str, Any]:
    """Read variables the engine sent; an empty text is none."""
    if not text:
        return {}
    value: Any = json.loads(text)
    if not isinstance(value, dict):
        raise EngineFailure(f"the engine sent variables that are not an object: {text[:80]}")
    return cast("dict[str, Any]", value)


def value_from_json(text: str) -> Any:
    """Read one value the engine sent; an empty text is ``None``."""
    return json.loads(text) if text else None


def _read(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidArgument(
            f"{what} must be an object with names and values, or its JSON text; this text is no JSON: {text[:80]!r}"
        ) from None


def _name(value: object) -> str:
    return type(value).__qualname__


def _is_plain(value: Any) -> bool:
    """Whether this is a scalar that can be written as it is. Most are, and this costs a tenth of the whole way."""
    kind = cast("object", type(value))
    if kind is str:
        return str.isascii(value)
    if kind is int:
        return _LEAST <= value <= _MOST
    if kind is float:
        return math.isfinite(value)
    return value is None or kind is bool


def _plain(value: object, path: str, depth: int, above: set[int]) -> Any:
    if _is_plain(value):
        return value
    if type(value) in _OFTEN or isinstance(value, BaseModel):
        return _container(value, path, depth, above)
    if isinstance(value, Enum):
        return _plain(value.value, path, depth, above)
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int | float | Decimal | numbers.Real):
        return _number(value, path)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return iso_duration(value)
    if isinstance(value, SecretStr | SecretBytes):
        raise InvalidArgument(f"{path} is a secret: variables can be read by everybody who sees the process; hand over a reference to it")
    if isinstance(value, _BINARY):
        raise InvalidArgument(
            f"{path} is binary: variables hold no binary data; store the document and hand over its id, or encode it as text"
        )
    if isinstance(value, _AS_TEXT):
        return _text(str(value), path)
    return _container(value, path, depth, above)


def _container(value: object, path: str, depth: int, above: set[int]) -> Any:
    if depth >= MAX_DEPTH:
        raise InvalidArgument(f"{_shortened(path)} is nested deeper than {MAX_DEPTH} levels")
    identity = id(value)
    if identity in above:
        raise InvalidArgument(f"{_shortened(path)} contains itself")
    above.add(identity)
    try:
        return _members(value, path, depth, above)
    finally:
        above.discard(identity)


def _members(value: object, path: str, depth: int, above: set[int]) -> Any:
    if isinstance(value, BaseModel):
        return _model(value, path, depth, above)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return _object(fields, path, depth, above)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value).items(), path, depth, above)
    if isinstance(value, AbstractSet):
        return _set(cast("AbstractSet[object]", value), path, depth, above)
    if isinstance(value, Sequence):
        items = enumerate(cast("Sequence[object]", value))
        return [item if _is_plain(item) else _plain(item, f"{path}[{index}]", depth + 1, above) for index, item in items]
    kind = type(cast("object", value)).__qualname__
    raise InvalidArgument(f"{path} is {kind}, which cannot be a variable: use a pydantic model, a dataclass, a mapping or a plain value")


def _model(value: BaseModel, path: str, depth: int, above: set[int]) -> Any:
    try:
        dumped = cast("object", value.model_dump(mode="python", by_alias=True))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{path} ({_name(value)}) cannot be serialised: {error}") from error
    if isinstance(dumped, Mapping):
        return _object(cast("Mapping[object, object]", dumped).items(), path, depth, above)
    # A root model: its one value stands for it.
    return _plain(dumped, path, depth, above)


def _object(items: Iterable[tuple[object, object]], path: str, depth: int, above: set[int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in items:
        name = key.value if isinstance(key, Enum) else key
        if not isinstance(name, str):
            raise InvalidArgument(f"{path} has the key {key!r} of type {_name(key)}: names in variables must be text")
        if not _is_plain(name):
            name = _text(name, f"a name in {path}")
        if name in result:
            raise InvalidArgument(f"{path} has the name '{name}' twice")
        result[name] = item if _is_plain(item) else _plain(item, f"{path}.{name}", depth + 1, above)
    return result


def _set(value: AbstractSet[object], path: str, depth: int, above: set[int]) -> list[Any]:
    items = [_plain(item, f"{path}{{}}", depth + 1, above) for item in value]
    # The order of a set differs from run to run; a stable one keeps records comparable.
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _text(value: str, path: str) -> str:
    # A plain str, whatever subclass of it comes in.
    text = str.__str__(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgument(f"{path} is text with half a character (a lone surrogate), which cannot be sent as UTF-8") from None
    return text


def _number(value: float | Decimal | numbers.Real, path: str) -> int | float:
    if isinstance(value, numbers.Integral):
        number = int(value)
        if not _LEAST <= number <= _MOST:
            raise InvalidArgument(f"{path} is {_digits(number)}: the engine keeps whole numbers of up to 64 bits; hand it over as text")
        return number
    if isinstance(value, Decimal):
        return _decimal(value, path)
    result = float(value)
    if not math.isfinite(result):
        raise InvalidArgument(f"{path} is {result}: JSON has no such number; use null, or leave it out")
    return result


def _decimal(value: Decimal, path: str) -> int | float:
    if not value.is_finite():
        raise InvalidArgument(f"{path} is {value}: JSON has no such number; use null, or leave it out")
    if value.adjusted() < 20 and value == value.to_integral_value():
        return _number(int(value), path)  # pyright: ignore[reportReturnType]
    number = float(value)
    if not math.isfinite(number):
        raise InvalidArgument(f"{path} is {value}, too large for a number of the engine; hand it over as text")
    return number


def _digits(number: int) -> str:
    return str(number) if number.bit_length() < 512 else f"a number of {number.bit_length()} bits"


def _shortened(path: str) -> str:
    return path if len(path) <= 120 else f"{path[:60]} … {path[-50:]}"


def iso_duration(value: timedelta) -> str:
    """A duration as ISO 8601 writes it and FEEL reads it: ``PT48H``, ``P3DT1.5S``, ``-PT1M``."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    seconds = value.seconds
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{seconds}{fraction}S" if seconds or fraction else "")
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"
