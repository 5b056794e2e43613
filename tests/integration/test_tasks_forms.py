"""Forms with conditions and expressions, evaluated by the engine's own FEEL."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camunda_workers.errors import DeadlineExceeded, InvalidArgument
from camunda_workers.tasks import FormRejected
from camunda_workers.tasks.forms import EngineFeel, Surroundings, check_form, check_submission, read_form
from camunda_workers.tasks.forms import feel as feel_module

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[2]
FEEL = EngineFeel()
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def submit(components: list[dict[str, Any]], entered: Any, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    schema = {"id": "f", "components": [{"id": f"field-{number}", **one} for number, one in enumerate(components)]}
    assert check_form(schema, FEEL) == []
    return check_submission(read_form(schema), entered, Surroundings(variables or {}, FEEL, NOW))


def problems(components: list[dict[str, Any]], entered: Any, variables: Mapping[str, Any] | None = None) -> Mapping[str, tuple[str, ...]]:
    with pytest.raises(FormRejected) as rejected:
        submit(components, entered, variables)
    return rejected.value.problems


@pytest.mark.parametrize("file", sorted((ROOT / "forms").glob("*.form")), ids=lambda file: file.name)
def test_the_forms_of_the_application_have_no_problems(file: Path) -> None:
    assert check_form(json.loads(file.read_text()), FEEL, name=file.name) == []


def test_the_assessment_form_asks_for_an_amount_only_when_there_is_one() -> None:
    form = read_form(json.loads((ROOT / "forms" / "claims.assess-claim.form").read_text()))
    around = Surroundings({"assessment": {"amount": 900}, "claim": {"claim_id": "CLM-1"}}, FEEL, NOW)
    declined = {"assessment": {"outcome": "decline", "notes": "does not fit"}}
    assert check_submission(form, declined, around) == declined
    assert check_submission(form, {"assessment": {**declined["assessment"], "amount": None}}, around) == declined
    approved = {"assessment": {"outcome": "approve", "notes": "plausible"}}
    assert check_submission(form, approved, around) == {"assessment": {**approved["assessment"], "amount": 900}}
    with pytest.raises(FormRejected, match=r"assessment.amount: is not shown"):
        check_submission(form, {"assessment": {"outcome": "decline", "notes": "does not fit", "amount": 1}}, around)
    with pytest.raises(FormRejected, match=r"assessment.claim_id: is not a field"):
        check_submission(form, {"assessment": {"claim_id": "CLM-2", "outcome": "decline", "notes": "xyz"}}, around)


def test_conditions_limits_and_readonly_look_at_what_is_entered() -> None:
    fields = [
        {"type": "checkbox", "key": "expert"},
        {"type": "number", "key": "amount", "readonly": "=not(expert)", "validate": {"min": "=if expert then 0 else 10", "max": "=limit"}},
        {
            "type": "textfield",
            "key": "why",
            "conditional": {"hide": "=amount <= 50"},
            "validate": {"required": True, "minLength": "=limit / 50"},
        },
    ]
    before = {"limit": 100, "amount": 20, "expert": False}
    assert submit(fields, {}, before) == {"expert": False, "amount": 20}
    assert submit(fields, {"expert": True, "amount": 5}, before) == {"expert": True, "amount": 5}
    assert submit(fields, {"expert": True, "amount": 60, "why": "so"}, before) == {"expert": True, "amount": 60, "why": "so"}
    assert problems(fields, {"amount": 30}, before) == {"amount": ("cannot be changed: the field is read only",)}
    assert problems(fields, {"expert": True, "amount": 160, "why": "x"}, before) == {
        "amount": ("must be at most 100",),
        "why": ("must have at least 2 characters",),
    }
    assert problems(fields, {"expert": True, "amount": 5, "why": "hidden"}, before) == {"why": ("is not shown now, so it cannot be set",)}


def test_two_fields_cannot_show_each_other() -> None:
    fields = [
        {"type": "textfield", "key": "a", "conditional": {"hide": '=b != "open"'}},
        {"type": "textfield", "key": "b", "conditional": {"hide": '=a != "open"'}},
    ]
    assert set(problems(fields, {"a": "open", "b": "open"})) == {"a", "b"}
    restless = [{"type": "textfield", "key": "a", "conditional": {"hide": '=a = "open"'}}]
    assert submit(restless, {"a": "shut"}) == {"a": "shut"}
    with pytest.raises(InvalidArgument, match="contradict each other"):
        submit(restless, {"a": "open"})


def test_computed_fields_and_options_come_from_the_server() -> None:
    fields = [
        {"type": "number", "key": "count"},
        {"type": "expression", "key": "total", "expression": "=count * price"},
        {"type": "select", "key": "garage", "valuesExpression": "=for one in garages return {label: one.name, value: one.id}"},
        {"type": "textfield", "key": "note", "conditional": {"hide": "=total < 100"}},
    ]
    before = {"price": 30, "garages": [{"name": "North", "id": "n"}, {"name": "South", "id": "s"}]}
    assert submit(fields, {"count": 2, "total": 9999, "garage": "s"}, before) == {"count": 2, "total": 60, "garage": "s"}
    assert submit(fields, {"count": 4, "note": "much", "garage": None}, before) == {
        "count": 4,
        "total": 120,
        "garage": None,
        "note": "much",
    }
    assert set(problems(fields, {"count": 1, "note": "hidden", "garage": "w"}, before)) == {"note", "garage"}


def test_rows_see_themselves_their_number_and_what_is_around() -> None:
    rows = {
        "type": "dynamiclist",
        "path": "items",
        "components": [
            {"type": "textfield", "key": "name", "id": "n"},
            {"type": "number", "key": "price", "id": "p", "validate": {"max": "=limit * i[1]"}},
            {"type": "textfield", "key": "why", "id": "w", "conditional": {"hide": "=this.price < 50"}, "validate": {"required": True}},
        ],
    }
    entered = {"items": [{"name": "a", "price": 10}, {"name": "b", "price": 150, "why": "old car"}]}
    assert submit([rows], entered, {"limit": 100}) == entered
    assert set(problems([rows], {"items": [{"price": 110}, {"price": 210, "why": "x"}]}, {"limit": 100})) == {
        "items.0.price",
        "items.0.why",
        "items.1.price",
    }
    hidden = {**rows, "conditional": {"hide": "=limit = 0"}}
    assert submit([hidden], {}, {"limit": 0}) == {}
    assert set(problems([hidden], entered, {"limit": 0})) == {"items"}


def test_what_is_no_feel_is_named_and_fails_closed() -> None:
    schema = {"id": "f", "components": [{"type": "textfield", "id": "one", "key": "x", "conditional": {"hide": "=if then"}}]}
    (problem,) = check_form(schema, FEEL)
    assert "component 'one' (textfield): conditional.hide is not FEEL" in problem
    with pytest.raises(InvalidArgument, match="cannot be evaluated"):
        check_submission(read_form(schema), {"x": "y"}, Surroundings({}, FEEL, NOW))


async def test_an_endless_expression_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feel_module, "LONGEST", 0.05)
    with pytest.raises(DeadlineExceeded, match="expressions took more than"):
        await FEEL.run(lambda: FEEL.evaluate("=count(for a in 1..300, b in 1..300 return a * b)", {}))


async def test_expressions_that_never_end_do_not_hold_up_other_peoples_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feel_module, "MOST_STUCK", 3)
    feel, end = EngineFeel(), threading.Event()
    try:
        for _ in range(3):
            assert await feel.run(lambda: 7) == 7
            with monkeypatch.context() as short:
                short.setattr(feel_module, "LONGEST", 0.05)
                with pytest.raises(DeadlineExceeded, match="took more than"):
                    await feel.run(end.wait)
        with pytest.raises(DeadlineExceeded, match="one of the forms never does"):
            await feel.run(lambda: 7)
    finally:
        end.set()
    async with asyncio.timeout(10):
        while feel._stuck:  # pyright: ignore[reportPrivateUsage]
            await asyncio.sleep(0.005)
    assert await feel.run(lambda: 7) == 7


texts = st.sampled_from(["", "open", "x", "abc"])


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys("abcd", texts)), st.fixed_dictionaries({}, optional=dict.fromkeys("abcd", texts)))
def test_a_hidden_value_is_never_written(entered: dict[str, Any], before: dict[str, Any]) -> None:
    chain = [{"type": "textfield", "key": "a"}]
    chain += [
        {"type": "textfield", "key": key, "conditional": {"hide": f'={above} != "open"'}}
        for above, key in (("a", "b"), ("b", "c"), ("c", "d"))
    ]
    try:
        result = submit(chain, entered, before)
    except FormRejected as rejected:
        wrong = set(rejected.problems)
        # Only what is behind a closed door, and differs from what was there, is refused.
        assert all(entered[key] not in ("", before.get(key)) for key in wrong)
        return
    for above, key in (("a", "b"), ("b", "c"), ("c", "d")):
        assert (key in result) == (result.get(above) == "open")
