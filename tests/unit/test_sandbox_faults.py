"""Misbehaviour on command, repeatable."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from connectors.sandbox.faults import Fault, FaultPlan


def test_a_fault_hits_as_many_calls_as_it_was_told() -> None:
    plan = FaultPlan()
    plan.add("payments", Fault(kind="status", calls=2))
    assert [fault and fault.kind for fault in (plan.next("payments") for _ in range(3))] == ["status", "status", None]
    assert plan.next("policies") is None


def test_a_fault_can_be_for_one_method_only() -> None:
    plan = FaultPlan()
    plan.add("payments", Fault(kind="lost-reply", method="POST", calls=1))
    assert plan.next("payments", "GET") is None
    assert plan.next("payments", "POST") is not None
    assert plan.next("payments", "POST") is None


def test_the_first_fault_that_hits_decides_and_clearing_ends_it() -> None:
    plan = FaultPlan()
    plan.add("policies", Fault(kind="html", calls=1))
    plan.add("policies", Fault(kind="slow"))
    assert [fault and fault.kind for fault in (plan.next("policies") for _ in range(3))] == ["html", "slow", "slow"]
    plan.clear("policies")
    assert plan.next("policies") is None


def test_a_share_of_the_calls_is_the_same_share_in_every_run() -> None:
    def fate(seed: int) -> list[bool]:
        plan = FaultPlan(seed)
        plan.add("payments", Fault(kind="lost-reply", rate=0.3))
        return [plan.next("payments") is not None for _ in range(500)]

    assert fate(1) == fate(1)
    assert fate(1) != fate(2)
    assert 100 < Counter(fate(1))[True] < 200


def test_adding_a_fault_leaves_the_callers_own_untouched() -> None:
    fault = Fault(kind="status", calls=1)
    for _ in range(2):
        plan = FaultPlan()
        plan.add("documents", fault)
        assert plan.next("documents") is not None
    assert fault.calls == 1


@pytest.mark.parametrize(
    "wrong", [{"kind": "evil"}, {"kind": "slow", "rate": 2}, {"kind": "status", "status": 200}, {"kind": "slow", "calls": 0}, {"x": 1}]
)
def test_a_fault_nobody_understands_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)


def test_there_are_only_four_systems() -> None:
    with pytest.raises(KeyError):
        FaultPlan().add("printer", Fault(kind="slow"))
