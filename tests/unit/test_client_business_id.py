"""The business id as a tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.client import BUSINESS_ID_TAG, business_id_of
from camunda_workers.client.business_id import is_native, tags_with
from camunda_workers.errors import InvalidArgument


@given(st.from_regex(r"[A-Za-z0-9_\-:.]{1,89}", fullmatch=True))
def test_what_goes_in_comes_out(business_id: str) -> None:
    assert business_id_of(tags_with(business_id, ["first"], native=False)) == business_id


def test_no_business_id() -> None:
    assert business_id_of(["a", BUSINESS_ID_TAG]) is None
    assert tags_with(None, ["a", "a"], native=False) == ["a"]


@pytest.mark.parametrize("business_id", ["Ü", "has space", "x" * 90])
def test_what_does_not_fit_is_refused_where_it_must_be_a_tag(business_id: str) -> None:
    with pytest.raises(InvalidArgument, match=r"does not fit: engines older than 8\.9"):
        tags_with(business_id, [], native=False)
    assert tags_with(business_id, [], native=True) == []


@pytest.mark.parametrize("business_id", ["", "x" * 257])
@pytest.mark.parametrize("native", [True, False])
def test_length(business_id: str, native: bool) -> None:
    with pytest.raises(InvalidArgument, match="1 to 256 characters"):
        tags_with(business_id, [], native=native)


def test_tags_are_looked_at() -> None:
    with pytest.raises(InvalidArgument, match="'1a' is not allowed"):
        tags_with(None, ["1a"], native=False)
    with pytest.raises(InvalidArgument, match=r"11 tags are too many.*the business id takes one"):
        tags_with("x", [f"t{number}" for number in range(10)], native=False)
    assert len(tags_with("x", [f"t{number}" for number in range(10)], native=True)) == 10
    with pytest.raises(InvalidArgument, match="give it once"):
        tags_with("x", ["businessId:y"], native=False)
    assert tags_with("x", ["businessId:x"], native=False) == ["businessId:x"]


@pytest.mark.parametrize(
    ("version", "native"), [("8.8.21", False), ("8.9.0", True), ("8.10.2", True), ("8.9.0-alpha1", True), ("9.0.0", True), ("", True)]
)
def test_versions(version: str, native: bool) -> None:
    assert is_native(version) is native
