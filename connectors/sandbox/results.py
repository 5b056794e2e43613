"""What the demo says while it runs, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

JSON_FIELDS: Final = (
    "started",
    "completed",
    "incidents",
    "active",
    "outcomes",
    "straight_through_rate",
    "human_tasks",
    "escalations",
    "ai_decisions",
    "label_agreement",
    "records",
    "cycle_hours_p50",
    "cycle_hours_p95",
    "wall_seconds",
)
"""What ``camunda-workers demo --json`` prints, in this order."""


@dataclass(frozen=True)
class DemoProgress:
    """Where the demo is.

    Attributes:
        now: the engine's time.
        cases: how many claims run in all.
        started: how many have been reported.
        ended: how many have come to an end.
        note: what somebody just did, or ``None`` when only time has passed.
    """

    now: datetime
    cases: int
    started: int
    ended: int
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What came of the claims.

    Attributes:
        started: process instances started.
        completed: process instances that have ended.
        incidents: process instances that stand still because of an incident.
        active: process instances that still run.
        outcomes: how often each outcome occurred, the most frequent first.
        straight_through_rate: share of the ended claims that were paid without a person, 0 to 1.
        human_tasks: user tasks created.
        escalations: assessments that waited longer than 48 hours.
        ai_decisions: triage's decisions.
        label_agreement: share of triage's opinions that agree with the labels, 0 to 1; ``None`` without opinions.
        records: records of the engine during the run.
        cycle_hours_p50: median hours of engine time from report to end; ``None`` when nothing ended.
        cycle_hours_p95: the same, 95th percentile.
        wall_seconds: real seconds, without the engine's own start.
        four_eyes_denials: assignments and completions that were denied.
        second_approvals: completions that counted as one approval of two.
        payments_reversed: payments taken back after a withdrawal.
        payments_by_hand: payments that a clerk made because the ledger was out of order.
        virtual_days: engine time from the first report to the end.
        business_ids: the claims, in the order in which they were started.
        most_eventful: the claim with the most human tasks: the one whose story is worth reading.
    """

    started: int
    completed: int
    incidents: int
    active: int
    outcomes: dict[str, int]
    straight_through_rate: float
    human_tasks: int
    escalations: int
    ai_decisions: int
    label_agreement: float | None
    records: int
    cycle_hours_p50: float | None
    cycle_hours_p95: float | None
    wall_seconds: float
    four_eyes_denials: int
    second_approvals: int
    payments_reversed: int
    payments_by_hand: int
    virtual_days: float
    business_ids: tuple[str, ...]
    most_eventful: str

    def as_json(self) -> dict[str, Any]:
        """The object that ``camunda-workers demo --json`` prints."""
        everything = asdict(self)
        return {name: everything[name] for name in JSON_FIELDS}
