"""What came of the claims, read from the engine's records: a fold without clock or I/O."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from connectors.sandbox.office import APPROVAL_RECORDED

END_EVENTS: Final[Mapping[str, str]] = {
    "claim-paid": "paid",
    "claim-declined": "declined",
    "claim-not-covered": "not_covered",
    "claim-withdrawn-end": "withdrawn",
}
ESCALATION: Final = "escalate-assessment"
TRIAGE: Final = "triage-claim"


class RecordLike(Protocol):
    """What is read of a record."""

    @property
    def key(self) -> int:
        """The record's key."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970 in the engine's time."""
        ...

    @property
    def record_type(self) -> str:
        """EVENT, COMMAND or COMMAND_REJECTION."""
        ...

    @property
    def value_type(self) -> str:
        """What kind of thing it is about."""
        ...

    @property
    def intent(self) -> str:
        """What happened to it."""
        ...

    @property
    def value(self) -> Mapping[str, Any]:
        """The thing."""
        ...


@dataclass
class Instance:
    """One claim's process instance.

    Attributes:
        triage: the variable ``triage``, as it last was.
        human_tasks: user tasks that were created for it.
        open_incidents: keys of incidents that nobody resolved.
    """

    started_at: int | None = None
    ended_at: int | None = None
    end_event: str | None = None
    triage: Mapping[str, Any] | None = None
    human_tasks: int = 0
    open_incidents: set[int] = field(default_factory=set[int])

    @property
    def outcome(self) -> str | None:
        """How the claim ended; ``None`` while it has not."""
        if self.end_event is None:
            return None
        outcome = END_EVENTS[self.end_event]
        return "paid_straight_through" if outcome == "paid" and self.human_tasks == 0 else outcome

    @property
    def cycle_hours(self) -> float | None:
        """Hours of engine time from start to end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at) / 3_600_000


class Tally:
    """Counts over all records of a run; feed it records in order.

    Attributes:
        instances: by process instance key; only those named at the beginning.
    """

    def __init__(self, process_instance_keys: Sequence[int]) -> None:
        self.instances = {key: Instance() for key in process_instance_keys}
        self.records = 0
        self.human_tasks = 0
        self.escalations = 0
        self.ai_decisions = 0
        self.denials = 0
        self.second_approvals = 0
        self.incidents_raised = 0
        self.reversals = 0

    def fold(self, record: RecordLike) -> None:
        """Takes the next record into account."""
        self.records += 1
        instance = self.instances.get(record.value.get("processInstanceKey", -1))
        if instance is None or record.record_type != "EVENT":
            return
        match record.value_type:
            case "PROCESS_INSTANCE":
                self._element(instance, record)
            case "USER_TASK":
                self._user_task(instance, record)
            case "INCIDENT":
                self._incident(instance, record)
            case "VARIABLE":
                if record.value.get("name") == "triage" and record.intent in ("CREATED", "UPDATED"):
                    instance.triage = json.loads(record.value["value"])
            case _:
                pass

    def _element(self, instance: Instance, record: RecordLike) -> None:
        element, kind = record.value.get("elementId"), record.value.get("bpmnElementType")
        if kind == "PROCESS":
            if record.intent == "ELEMENT_ACTIVATING":
                instance.started_at = record.timestamp
            elif record.intent in ("ELEMENT_COMPLETED", "ELEMENT_TERMINATED"):
                instance.ended_at = record.timestamp
        elif record.intent == "ELEMENT_COMPLETED":
            if element in END_EVENTS:
                instance.end_event = element
            self.escalations += element == ESCALATION
            self.ai_decisions += element == TRIAGE
            self.reversals += element == "reverse-payment"

    def _user_task(self, instance: Instance, record: RecordLike) -> None:
        if record.intent == "CREATED":
            instance.human_tasks += 1
            self.human_tasks += 1
        elif record.intent in ("ASSIGNMENT_DENIED", "COMPLETION_DENIED"):
            # One approval of two is answered like a denial, and is none.
            counted = APPROVAL_RECORDED in str(record.value.get("deniedReason") or "")
            self.second_approvals += counted
            self.denials += not counted

    def _incident(self, instance: Instance, record: RecordLike) -> None:
        if record.intent == "CREATED":
            instance.open_incidents.add(record.key)
            self.incidents_raised += 1
        elif record.intent == "RESOLVED":
            instance.open_incidents.discard(record.key)

    @property
    def completed(self) -> int:
        """Instances that have ended."""
        return sum(instance.ended_at is not None for instance in self.instances.values())

    @property
    def with_incident(self) -> int:
        """Instances that stand still because of an incident."""
        return sum(instance.ended_at is None and bool(instance.open_incidents) for instance in self.instances.values())

    @property
    def active(self) -> int:
        """Instances that still run."""
        return len(self.instances) - self.completed - self.with_incident

    @property
    def outcomes(self) -> dict[str, int]:
        """How often each outcome occurred, the most frequent first."""
        return dict(Counter(instance.outcome for instance in self.instances.values() if instance.outcome is not None).most_common())

    @property
    def most_eventful(self) -> int:
        """The instance with the most human tasks, the earliest of several."""
        return max(self.instances, key=lambda key: self.instances[key].human_tasks)

    @property
    def cycle_hours(self) -> list[float]:
        """Hours of every ended instance, ascending."""
        return sorted(hours for instance in self.instances.values() if (hours := instance.cycle_hours) is not None)


def straight_through_rate(outcomes: Mapping[str, int]) -> float:
    """Share of the ended claims that were paid without anybody doing anything."""
    ended = sum(outcomes.values())
    return outcomes.get("paid_straight_through", 0) / ended if ended else 0.0


def suspects(triage: Mapping[str, Any]) -> bool | None:
    """Whether triage saw signs of fraud; ``None`` when it had no opinion.

    When triage hands a claim to a person, its opinion is what it would have done (``suggested_route``).
    """
    route = triage.get("suggested_route") if triage.get("needs_human") else triage.get("route")
    return None if route is None else route == "investigate"


def label_agreement(decisions: Sequence[tuple[Mapping[str, Any], str]]) -> float | None:
    """Share of triage's opinions that agree with the labels: ``investigate`` with ``Y``, any other route with ``N``.

    Args:
        decisions: the variable ``triage`` and the label of each claim.

    Returns:
        ``None`` when triage had no opinion on any claim.
    """
    opinions = [(opinion, label == "Y") for triage, label in decisions if (opinion := suspects(triage)) is not None]
    return sum(opinion == fraud for opinion, fraud in opinions) / len(opinions) if opinions else None


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """A percentile by linear interpolation between closest ranks; ``None`` of nothing."""
    if not ascending:
        return None
    place = share * (len(ascending) - 1)
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (ascending[high] - ascending[low]) * (place - low)
