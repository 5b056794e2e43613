"""Variables: what may be written, what may not, and how the place is named."""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from ipaddress import ip_address
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, SecretStr
from pydantic.alias_generators import to_camel

from camunda_workers.client.variables import MAX_DEPTH, from_json, iso_duration, to_json, to_jsonable
from camunda_workers.errors import EngineFailure, InvalidArgument


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Odd(Enum):
    PAIR = ("a", 1)
    NAME = "red"


@dataclass
class Part:
    name: str
    others: list[Part] = field(default_factory=list["Part"])


class Claim(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    claim_id: str
    total_amount: Decimal = Decimal("10.50")
    at: datetime | None = None
    other_name: int = Field(default=1, alias="renamed")


class Numbers(RootModel[list[int]]):
    pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ANYTHING = st.recursive(
    st.none()
    | st.floats()
    | st.integers()
    | st.text(st.characters(exclude_categories=()))
    | st.decimals()
    | st.binary()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.fractions()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON))
def test_json_comes_back_as_it_went(variables: dict[str, Any]) -> None:
    assert from_json(to_json(variables)) == variables


@given(ANYTHING)
@example({"a": [float("nan")]})
@example({"a": Decimal("Infinity")})
@example({"a": "\ud800"})
def test_whatever_comes_is_strict_json_or_our_error(value: object) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    try:
        text = to_json({"value": value})
    except InvalidArgument as error:
        words = str(error)
        assert "variables" in words
    else:
        text.encode("utf-8")
        json.loads(text, parse_constant=refuse)


WRITTEN: list[tuple[object, object]] = [
    (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    (date(2026, 1, 2), "2026-01-02"),
    (time(3, 4), "03:04:00"),
    (timedelta(hours=49), "P2DT1H"),
    (Decimal("12"), 12),
    (Decimal("12.00"), 12),
    (Decimal("10.50"), 10.5),
    (Decimal("1E+30"), 1e30),
    (Fraction(1, 4), 0.25),
    (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Odd.PAIR, ["a", 1]),
    ((1, 2), [1, 2]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    (range(3), [0, 1, 2]),
    (OrderedDict[str, int](a=1), {"a": 1}),
    (MappingProxyType({"a": 1}), {"a": 1}),
    ({Colour.RED: 1}, {"red": 1}),
    (PurePosixPath("a/b"), "a/b"),
    (ip_address("::1"), "::1"),
    (AnyUrl("https://example.org/"), "https://example.org/"),
    (Part("a", [Part("b")]), {"name": "a", "others": [{"name": "b", "others": []}]}),
    (Claim(claim_id="C"), {"claimId": "C", "totalAmount": 10.5, "at": None, "renamed": 1}),
    (Numbers([1, 2]), [1, 2]),
    (True, True),
    (-0.0, 0),
]


@pytest.mark.parametrize(("value", "expected"), WRITTEN)
def test_what_values_become(value: object, expected: object) -> None:
    result = to_jsonable({"value": value})["value"]
    assert result == expected
    assert type(result) is type(expected) or value == 0


def test_booleans_and_subclasses_are_plain_in_the_end() -> None:
    class Text(str):
        __slots__ = ()

    class Whole(int):
        pass

    result = to_jsonable({Text("a"): Text("b"), "c": Whole(3), "d": True})
    assert [type(key) for key in result] == [str, str, str]
    assert [type(value) for value in result.values()] == [str, int, bool]


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"a": {"b": [0, math.nan]}}, r"variables\.a\.b\[1\] is nan"),
        ({"a": -math.inf}, r"variables\.a is -inf"),
        ({"a": Decimal("NaN")}, r"variables\.a is NaN"),
        ({"a": Decimal("sNaN")}, r"variables\.a is sNaN"),
        ({"a": Decimal("1E+999")}, r"variables\.a is 1E\+999, too large"),
        ({"a": 2**63}, r"variables\.a is 9223372036854775808: .* as text"),
        ({"a": 10**10000}, r"variables\.a is a number of \d+ bits"),
        ({"a": {1: 2}}, r"variables\.a has the key 1 of type int"),
        ({None: 2}, r"variables has the key None"),
        ({Odd.NAME: 1, "red": 2}, r"variables has the name 'red' twice"),
        ({"a": b"x"}, r"variables\.a is binary"),
        ({"a": SecretStr("x")}, r"variables\.a is a secret"),
        ({"a": object()}, r"variables\.a is object, which cannot be a variable"),
        ({"a": lambda: 1}, r"variables\.a is function"),
        ({"a": Part}, r"variables\.a is type"),
        ({"a": 1j}, r"variables\.a is complex"),
        ({"a": "x\udc00"}, r"variables\.a is text with half a character"),
        ({"a\ud800": 1}, r"a name in variables is text with half"),
        ([1], r"variables must be an object with names and values, not list"),
        ("text", r"variables must be an object .* no JSON: 'text'"),
        ("[1]", r"variables must be an object .* not list"),
        ('{"a": NaN}', r"variables\.a is nan"),
        ("[" * 100_000, r"no JSON"),
        (Numbers([1]), r"variables must be an object .* not Numbers"),
    ],
)
def test_what_is_refused_and_where(variables: object, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        to_json(variables)


def test_loops_are_refused_and_repetition_is_not() -> None:
    shared = {"x": 1}
    assert to_jsonable({"a": shared, "b": [shared, shared]}) == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}]}
    loop: dict[str, Any] = {}
    loop["self"] = [loop]
    with pytest.raises(InvalidArgument, match=r"variables\.self\[0\] contains itself"):
        to_json(loop)
    part = Part("a")
    part.others.append(part)
    with pytest.raises(InvalidArgument, match=r"variables\.p\.others\[0\] contains itself"):
        to_json({"p": part})


def test_depth_has_an_end_without_a_stack_overflow() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"n": value}
        return value

    to_json(nested(MAX_DEPTH))
    with pytest.raises(InvalidArgument, match="nested deeper than"):
        to_json(nested(MAX_DEPTH + 1))
    with pytest.raises(InvalidArgument, match="nested deeper than"):
        to_json(nested(10_000))


def test_a_model_that_holds_itself_is_refused() -> None:
    class Node(BaseModel):
        next: Any = None

    node = Node()
    node.next = node
    with pytest.raises(InvalidArgument, match=r"contains itself|cannot be serialised"):
        to_json({"node": node})


def test_text_is_sent_again_as_it_is() -> None:
    text = to_json('{"a": [1.50, "ü"]}')
    assert text == '{"a":[1.5,"ü"]}'
    assert to_json(text) is text


def test_none_is_no_variables() -> None:
    assert to_json(None) == "{}"
    assert from_json("") == {}


def test_an_engine_that_sends_no_object() -> None:
    with pytest.raises(EngineFailure):
        from_json("[1]")


@given(st.timedeltas(min_value=timedelta(days=-999), max_value=timedelta(days=999)))
def test_durations_are_iso(value: timedelta) -> None:
    found = re.fullmatch(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", iso_duration(value))
    assert found is not None
    days, hours, minutes = (int(found[group] or 0) for group in (2, 3, 4))
    seconds = Decimal(found[5] or 0)
    total = timedelta(days=days, hours=hours, minutes=minutes, microseconds=int(seconds * 1_000_000))
    assert (-total if found[1] else total) == value
