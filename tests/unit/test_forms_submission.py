"""A submission is checked on the server as form-js checks it in the browser, and cannot write what the browser would not let one write."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.errors import BadResource, MissingExtra
from camunda_workers.tasks import FormRejected
from camunda_workers.tasks.forms import NoFeel, Surroundings, check_form, check_submission, patterns, read_form
from camunda_workers.tasks.forms.data import MISSING, get
from camunda_workers.tasks.forms.messages import TEXTS
from camunda_workers.tasks.forms.options import same
from camunda_workers.tasks.forms.schema import COMPONENTS, Kind
from camunda_workers.tasks.forms.submission import initial

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}, "c", 1, True]


def form(*components: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": "f", "type": "default", "components": [{"id": f"field-{number}", **one} for number, one in enumerate(components)]}


def submit(components: Any, entered: Any, variables: Mapping[str, Any] | None = None, documents: Any = ()) -> dict[str, Any]:
    fields = cast("tuple[Mapping[str, Any], ...]", components) if isinstance(components, tuple) else (components,)
    around = Surroundings(variables or {}, NoFeel(), NOW, frozenset(documents))
    return check_submission(read_form(form(*fields)), entered, around)


def problems(components: Any, entered: Any, variables: Mapping[str, Any] | None = None) -> Mapping[str, tuple[str, ...]]:
    with pytest.raises(FormRejected) as rejected:
        submit(components, entered, variables)
    return rejected.value.problems


def field(type_: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "key": "x", **more}


CASES: list[tuple[dict[str, Any], list[Any], list[tuple[Any, str]]]] = [
    (field("textfield"), ["", "word", None], [(1, "text"), (["a"], "text"), ({}, "text"), ("two\nlines", "one line")]),
    (field("textarea"), ["two\nlines"], [(True, "text")]),
    (field("textfield", validate={"required": True}), ["x"], [("", "required"), (None, "required")]),
    (field("textfield", validate={"minLength": 2, "maxLength": 3}), ["ab", " abc ", "", "😀"], [("a", "at least"), ("abcd", "at most"), ("😀😀", "at most")]),
    (field("textfield", validate={"pattern": r"^\d{2}$"}), ["12"], [("123", "pattern"), ("12\n", "one line"), ("१२", "pattern")]),
    (field("textarea", validate={"pattern": r"^\d{2}$"}), ["12"], [("12\n", "pattern")]),
    (field("textfield", validate={"pattern": "^a", "patternErrorMessage": "begin with a"}), ["ab"], [("b", "begin with a")]),
    (field("textfield", validate={"validationType": "email"}), ["a@b.example", ""], [("a@", "email"), ("a b@c.example", "email")]),
    (field("textfield", validate={"validationType": "phone"}), ["+4930664040900"], [("030 664", "phone")]),
    (field("number"), [0, -1, 1.5, None], [("1", "number"), (True, "number"), (float("nan"), "number"), (float("inf"), "number")]),
    (field("number", serializeToString=True), ["1.50", "", None], [(1, "as text"), ("one", "as text"), ("1e9999", "as text")]),
    (field("number", decimalDigits=0), [2], [(2.5, "whole")]),
    (field("number", decimalDigits=2), [2.25], [(2.255, "2 decimal")]),
    (field("number", increment=0.1), [0.3, 1], [(0.35, "multiple of 0.1")]),
    (field("number", validate={"min": 1, "max": "10"}), [1, 10], [(0, "at least 1"), (10.5, "at most 10")]),
    (field("number", validate={"required": True}), [0], [(None, "required")]),
    (field("checkbox"), [True, False], [("true", "true or false"), (1, "true or false")]),
    (field("checkbox", validate={"required": True}), [True], [(False, "required")]),
    (field("radio", values=OPTIONS), ["a", "c", 1, True, None], [("d", "one of the options"), (["a"], "one of"), (1.5, "one of"), (False, "one of")]),
    (field("select", values=OPTIONS), ["b"], [("A", "one of the options")]),
    (field("checklist", values=OPTIONS), [["a", "b"], []], [("a", "list"), (["a", "z"], "some of"), (["a", "a"], "once")]),
    (field("taglist", values=OPTIONS, validate={"required": True}), [["a"]], [([], "required")]),
    (field("datetime", subtype="date"), ["2026-02-28", "", None], [("2026-02-30", "date"), ("28.2.2026", "date"), (5, "text")]),
    (field("datetime", subtype="date", disallowPassedDates=True), ["2026-03-01", "2026-03-02"], [("2026-02-27", "past")]),
    (field("datetime", subtype="time"), ["13:45"], [("25:00", "time"), ("13:45Z", "no time zone")]),
    (field("datetime", subtype="time", timeSerializingFormat="utc_normalized"), ["13:45Z"], [("13:45", "with Z")]),
    (
        field("datetime", subtype="datetime", timeSerializingFormat="utc_offset"),
        ["2026-03-01T13:45+02:00"],
        [("2026-03-01", "date and time"), ("2026-03-01T13:45", "offset")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("component", "good", "bad"), CASES, ids=[f"{case[0]['type']}-{number}" for number, case in enumerate(CASES)])
def test_each_kind_of_field_takes_what_it_takes(component: dict[str, Any], good: list[Any], bad: list[tuple[Any, str]]) -> None:
    for value in good:
        assert submit(component, {"x": value}) == {"x": value}, value
    for value, message in bad:
        found = problems(component, {"x": value})
        assert list(found) == ["x"], value
        assert message in " ".join(found["x"]), value


def test_options_come_from_a_variable() -> None:
    choice = field("select", valuesKey="garages")
    assert submit(choice, {"x": 7}, {"garages": [{"label": "Seven", "value": 7}]}) == {"x": 7}
    assert "one of the options" in problems(choice, {"x": 8}, {"garages": [7]})["x"][0]
    assert "one of the options" in problems(choice, {"x": 8}, {})["x"][0]


def test_what_a_person_cannot_change_a_request_cannot_either() -> None:
    fields = (
        {"type": "number", "key": "claim.amount", "readonly": True},
        {"type": "textfield", "key": "claim.note"},
        {"type": "textfield", "key": "claim.owner", "disabled": True},
    )
    before = {"claim": {"amount": 5, "note": "old", "owner": "ada"}, "secret": 1}
    # form-js sends read-only values along, and disabled ones not.
    assert submit(fields, {"claim": {"amount": 5, "note": "new"}}, before) == {"claim": {"amount": 5, "note": "new"}}
    assert submit(fields, {"claim": {"note": "new", "owner": "ada"}}, before) == {"claim": {"amount": 5, "note": "new"}}
    found = problems(fields, {"claim": {"amount": 6, "owner": "eve", "note": "x"}}, before)
    assert found == {
        "claim.amount": ("cannot be changed: the field is read only",),
        "claim.owner": ("cannot be set: the field is disabled",),
    }
    for unknown, path in (({"secret": 2}, "secret"), ({"claim": {"paid": True}}, "claim.paid"), ({"claim": 3}, "claim")):
        assert problems(fields, unknown, before) == {path: ("is not a field of this form",)}


def test_a_field_left_out_keeps_what_it_has_or_its_default() -> None:
    fields = ({"type": "number", "key": "a"}, {"type": "textfield", "key": "b", "defaultValue": "usual"}, {"type": "checkbox", "key": "c"})
    assert submit(fields, {}, {"a": 4}) == {"a": 4, "b": "usual", "c": False}
    assert problems(({"type": "number", "key": "a", "validate": {"required": True}}), {}) == {"a": ("is required",)}


def test_groups_and_lists_put_values_below_their_paths() -> None:
    items = {
        "type": "dynamiclist",
        "path": "items",
        "components": [
            {"type": "textfield", "key": "name", "id": "n", "validate": {"required": True}},
            {"type": "number", "key": "price", "id": "p", "readonly": True},
        ],
    }
    fields = ({"type": "group", "path": "order", "components": [items, {"type": "textarea", "key": "note", "id": "o"}]},)
    before = {"order": {"items": [{"name": "door", "price": 10}, {"name": "bumper", "price": 20}], "note": ""}}
    moved = {"order": {"items": [{"name": "bumper", "price": 20}, {"name": "lamp"}], "note": "n"}}
    assert submit(fields, moved, before) == {
        "order": {"items": [{"name": "bumper", "price": 20}, {"name": "lamp", "price": None}], "note": "n"}
    }
    bad = {"order": {"items": [{"name": "", "price": 20}, {"name": "lamp", "price": 1}, {"name": "x", "vip": 1}]}}
    assert problems(fields, bad, before) == {"order.items.0.vip": ("is not a field of this form",)}
    del bad["order"]["items"][2]
    assert set(problems(fields, bad, before)) == {"order.items.0.name", "order.items.1.price", "order.items"}
    assert "order.items" in problems(fields, {"order": {"items": "many"}}, before)
    fixed = {**items, "allowAddRemove": False}
    assert "2 rows" in problems((fixed,), {"items": [{"name": "one"}]}, before["order"])["items"][0]


@pytest.mark.parametrize(
    ("rows", "free", "fixed"),
    [
        ([("door", 10), ("bumper", 20)], True, True),
        ([("gold door", 10), ("bumper", 20)], True, True),
        ([("bumper", 20)], True, False),
        ([("new", None), ("bumper", 20), ("new", None)], True, False),
        ([("bumper", 20), ("door", 10)], False, False),
        ([("door", 20), ("bumper", 10)], False, False),
        ([("door", 20), ("bumper", 20)], False, False),
        ([("door", 10), ("bumper", None)], True, False),
        ([("door", 10), ("door", 10)], False, False),
    ],
)
def test_locked_values_stay_in_their_row(rows: list[tuple[str, Any]], free: bool, fixed: bool) -> None:
    before = {"items": [{"name": "door", "price": 10}, {"name": "bumper", "price": 20}]}
    for may_add, right in ((True, free), (False, fixed)):
        list_of = {
            "type": "dynamiclist",
            "path": "items",
            "allowAddRemove": may_add,
            "components": [
                {"type": "textfield", "key": "name", "id": "n"},
                {"type": "number", "key": "price", "id": "p", "readonly": True},
            ],
        }
        entered = {"items": [{"name": name, "price": price} for name, price in rows]}
        if right:
            assert submit((list_of,), entered, before) == entered
        else:
            assert "items" in problems((list_of,), entered, before)


def test_documents_must_have_been_attached() -> None:
    picker = field("filepicker")
    mine = {"camunda.document.type": "camunda", "documentId": "d1"}
    assert submit(picker, {"x": [mine]}, documents=["d1"]) == {"x": [mine]}
    assert "attached" in problems(picker, {"x": [{"documentId": "d2"}]})["x"][0]
    assert submit(picker, {"x": [mine]}, {"x": [mine]}) == {"x": [mine]}


def test_messages_come_in_the_readers_language() -> None:
    own = {"type": "textfield", "key": "y", "validate": {"pattern": "^a", "patternErrorMessage": "ours"}}
    with pytest.raises(FormRejected) as rejected:
        submit((field("number", validate={"min": 3}), own), {"x": 1, "y": "b"})
    assert rejected.value.in_language("de") == {"x": ["muss mindestens 3 sein"], "y": ["ours"]}
    assert rejected.value.in_language("fr") == {"x": ["must be at least 3"], "y": ["ours"]}
    assert {message.code for messages in rejected.value.problems.values() for message in messages} == {"min", "custom"}
    for texts in TEXTS.values():
        assert set(texts) == {"en", "de"}
        assert len({tuple(sorted(re.findall(r"{\w+}", text))) for text in texts.values()}) == 1


def test_hostile_shapes_are_refused() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"x": deep}
    assert "deep" in problems(field("textfield"), deep)[""][0]
    slow = field("textarea", validate={"pattern": "^(a|a?)+$"})
    assert "takes too long" in problems(slow, {"x": "a" * 3000 + "!"})["x"][0]
    for number in (10**400, -(10**400), math.inf, math.nan):
        assert "number" in problems(field("number"), {"x": number})["x"][0]


def test_a_thousand_slow_rows_are_no_slower_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "LONGEST_ALL", 0.02)
    tried: list[float] = []

    class Slow:
        def search(self, value: str, timeout: float) -> None:
            tried.append(timeout)
            time.sleep(timeout)
            raise TimeoutError

    def slow(pattern: str) -> Slow:
        return Slow()

    monkeypatch.setattr(patterns, "compiled", slow)
    rows = {"type": "dynamiclist", "path": "rows", "components": [field("textarea", validate={"pattern": "^(a|a?)+$"})]}
    found = problems((rows,), {"rows": [{"x": "a"}] * 1000})
    assert len(found) == 1000
    assert all("takes too long" in one[0] for one in found.values())
    # What is left is given to the next one, and then nobody is tried any more.
    assert 1 <= len(tried) <= 3


def test_a_form_with_conditions_is_refused_where_nothing_can_evaluate_them() -> None:
    with pytest.raises(MissingExtra, match="FEEL"):
        submit(field("textfield", conditional={"hide": "=a = 1"}), {"x": "y"}, {"a": 1})
    with pytest.raises(MissingExtra):
        check_form(form(field("textfield", conditional={"hide": "=a = 1"})), NoFeel())


def test_every_component_is_known_and_others_are_refused_by_name() -> None:
    for type_ in COMPONENTS:
        more = {"key": "k", "values": ["a"], "subtype": "date", "path": "p", "expression": "=1"} if type_ != "expression" else {"key": "k"}
        assert read_form(form({"type": type_, **more})).fields[0].type == type_
    with pytest.raises(BadResource, match="'field-0' is of the type 'signature'"):
        read_form(form({"type": "signature", "key": "s"}))
    (problem,) = check_form(form({"type": "group", "components": [{"type": "ball", "id": "b"}]}), NoFeel(), name="a.form")
    assert problem.startswith("a.form, element 'b'")


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ([field("textfield", validate={"pattern": "(["})], "pattern"),
        ([field("textfield", validate={"validationType": "iban"})], "iban"),
        ([field("number", validate={"min": 3, "max": 2})], "nothing fits"),
        ([field("select")], "no options"),
        ([field("datetime", subtype="week")], "week"),
        ([field("number", defaultValue="many")], "defaultValue"),
        ([field("textfield"), field("number")], "in each other's way"),
        ([field("textfield"), {"type": "number", "key": "x.y"}], "in each other's way"),
        ([{"type": "textfield", "id": "lost"}], "no key"),
        ([{"type": "textfield", "key": "a..b"}], "empty part"),
    ],
)
def test_a_form_that_cannot_work_is_named_before_it_is_deployed(components: list[Any], words: str) -> None:
    (problem,) = check_form(form(*components), NoFeel())
    assert words in problem


def test_the_forms_of_the_application_have_no_problems_but_need_feel() -> None:
    assert check_form(form(field("textfield"), {"type": "number", "key": "y"}), NoFeel()) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "list", "x"]), inner, max_size=3),
    max_leaves=8,
)
rules = st.fixed_dictionaries({}, optional={"required": st.booleans(), "min": st.integers(-5, 5), "maxLength": st.integers(0, 5)})
simple = st.fixed_dictionaries(
    {"type": st.sampled_from(["textfield", "textarea", "number", "checkbox", "radio", "checklist"]), "validate": rules},
    optional={"readonly": st.booleans(), "disabled": st.booleans(), "defaultValue": st.none()},
)


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    inner = [{**draw(simple), "key": key, "id": f"i-{key}", "values": ["a", 1]} for key in ("a", "b")]
    outer = [{**draw(simple), "key": key, "id": f"o-{key}", "values": ["a", 1]} for key in ("c.a", "x")]
    rows = {"type": "dynamiclist", "path": "list", "id": "list", "components": inner, "allowAddRemove": draw(st.booleans())}
    return {"id": "f", "components": [*outer, rows]}


data = st.dictionaries(st.sampled_from(["a", "c", "list", "x"]), json_values, max_size=4)


@given(forms(), data, data)
def test_whatever_is_sent_nothing_locked_is_written_and_nothing_breaks(
    schema: dict[str, Any], entered: dict[str, Any], before: dict[str, Any]
) -> None:
    model = read_form(schema)
    around = Surroundings(before, NoFeel(), NOW)
    try:
        result = check_submission(model, entered, around)
    except FormRejected:
        return
    # Only the form's own variables come out, and what a person cannot change is what it was before.
    assert set(result) <= {"c", "list", "x"}
    for one in model.root:
        if one.kind is Kind.KEYED and (one.readonly or one.disabled):
            now, was = get(result, one.own_path), initial(one, get(before, one.own_path))
            assert now is MISSING if one.disabled else same(now, was)
    # What was accepted is accepted again, unchanged: the check has no opinion of its own.
    assert check_submission(model, result, around) == result
