"""JSON texts and MessagePack documents are the same thing said twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.engine.embedded.documents import EMPTY, to_document, to_json, unpack
from camunda_workers.errors import InvalidArgument

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), values, max_size=5))
def test_a_json_object_survives_the_way_there_and_back(value: dict[str, Any]) -> None:
    document = to_document(json.dumps(value))
    assert unpack(document) == value
    assert json.loads(to_json(document)) == value


@pytest.mark.parametrize("text", ["", "{}"])
def test_nothing_is_an_empty_document(text: str) -> None:
    assert to_document(text) == EMPTY
    assert to_json(EMPTY) == "{}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "'ARRAY'"),
        ('"a"', "'STRING'"),
        ("{", "Invalid JSON value: {"),  # Camunda's gateway says no more
        ('{"x": NaN}', "NaN"),
        ('{"x": -Infinity}', "Infinity"),
        ('{"x": 99999999999999999999999}', "variables"),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "deep"),
        ('{"x": "\\ud800"}', "variables"),
    ],
)
def test_what_is_no_document_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=r"variables|Invalid JSON value") as refused:
        to_document(text)
    assert words in str(refused.value)
