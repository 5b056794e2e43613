"""What the demo reads from records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from connectors.sandbox.tally import Tally, label_agreement, percentile, straight_through_rate, suspects

HOUR = 3_600_000


@dataclass(frozen=True)
class Rec:
    value_type: str
    intent: str
    value: Mapping[str, Any]
    timestamp: int = 0
    key: int = 1
    record_type: str = "EVENT"


def element(instance: int, element_id: str, intent: str = "ELEMENT_COMPLETED", kind: str = "END_EVENT", at: int = 0) -> Rec:
    return Rec("PROCESS_INSTANCE", intent, {"processInstanceKey": instance, "elementId": element_id, "bpmnElementType": kind}, at)


def story(instance: int, end: str, hours: int) -> list[Rec]:
    return [
        element(instance, "claim", "ELEMENT_ACTIVATING", "PROCESS"),
        element(instance, "triage-claim", kind="SERVICE_TASK"),
        element(instance, end),
        element(instance, "claim", kind="PROCESS", at=hours * HOUR),
    ]


def test_a_tally_tells_how_every_claim_ended() -> None:
    tally = Tally([1, 2, 3, 4])
    of_two = {"processInstanceKey": 2}
    for record in [
        *story(1, "claim-paid", 50),
        Rec("USER_TASK", "CREATED", of_two),
        Rec("USER_TASK", "ASSIGNMENT_DENIED", of_two),
        element(2, "escalate-assessment", kind="SERVICE_TASK"),
        *story(2, "claim-paid", 100),
        *story(99, "claim-declined", 1),
        element(3, "claim", "ELEMENT_ACTIVATING", "PROCESS"),
        Rec("INCIDENT", "CREATED", {"processInstanceKey": 3}, key=7),
        element(4, "claim", "ELEMENT_ACTIVATING", "PROCESS"),
        Rec("INCIDENT", "CREATED", {"processInstanceKey": 4}, key=8),
        Rec("INCIDENT", "RESOLVED", {"processInstanceKey": 4}, key=8),
        Rec("INCIDENT", "CREATED", {"processInstanceKey": 4}, key=9, record_type="COMMAND"),
        Rec("VARIABLE", "CREATED", {"processInstanceKey": 1, "name": "triage", "value": json.dumps({"route": "assess"})}),
        Rec("DEPLOYMENT", "CREATED", {}),
    ]:
        tally.fold(record)
    assert tally.outcomes == {"paid_straight_through": 1, "paid": 1}
    assert (tally.completed, tally.with_incident, tally.active) == (2, 1, 1)
    assert (tally.human_tasks, tally.escalations, tally.ai_decisions, tally.denials, tally.incidents_raised) == (1, 1, 2, 1, 2)
    assert tally.cycle_hours == [50, 100]
    assert tally.most_eventful == 2
    assert tally.instances[1].triage == {"route": "assess"}
    assert tally.records == 23
    assert straight_through_rate(tally.outcomes) == 0.5


def test_triages_opinion_is_what_it_would_have_done() -> None:
    assert suspects({"route": "investigate", "needs_human": False}) is True
    assert suspects({"route": "assess", "needs_human": False}) is False
    assert suspects({"route": "assess", "needs_human": True, "suggested_route": "investigate"}) is True
    assert suspects({"route": "assess", "needs_human": True}) is None


def test_agreement_counts_opinions_only() -> None:
    yes, no, none = {"route": "investigate"}, {"route": "straight_through"}, {"route": "assess", "needs_human": True}
    assert label_agreement([(yes, "Y"), (yes, "N"), (no, "N"), (no, "Y"), (none, "Y")]) == 0.5
    assert label_agreement([(none, "Y")]) is None
    assert straight_through_rate({}) == 0


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, None), ([7.0], 0.95, 7.0), ([1.0, 2.0, 3.0], 0.5, 2.0), ([0.0, 10.0], 0.95, 9.5)]
)
def test_percentiles_are_interpolated(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected
