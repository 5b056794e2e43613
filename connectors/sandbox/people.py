"""Scripted people: who works in the claims office, how, and what they decide. Pure: no clock, no I/O.

Every decision is drawn from *who* decides *what about which claim* (see ``chance.py``), from what that person can see in the task. Nobody here
sees the data set's label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from connectors.claims import Claim, Policy
from connectors.sandbox.chance import between, draw

ASSESSORS: Final = "claims-assessors"
APPROVERS: Final = "claims-approvers"
DIRECTORS: Final = "claims-directors"
CLERKS: Final = "claims-payments"

DAY_BEGINS: Final = 8
DAY_ENDS: Final = 18


@dataclass(frozen=True)
class Person:
    """A caseworker.

    Attributes:
        name: the user name that appears as assignee.
        groups: the candidate groups whose tasks this person takes.
        pick_up_hours: working hours until a task is noticed, from and to.
        work_hours: working hours from taking a task to completing it, from and to.
        asks_for_documents: share of first assessments in which this person wants to see papers first.
        strictness: added to the share of claims declined.
        weekends: whether this person works on Saturdays and Sundays.
        limit: the largest payment this person may approve; ``None``: any.
        takes_own: share of approvals of a claim this person assessed that are tried all the same (and denied: four eyes).
    """

    name: str
    groups: tuple[str, ...]
    pick_up_hours: tuple[float, float] = (0.5, 8.0)
    work_hours: tuple[float, float] = (0.3, 3.0)
    asks_for_documents: float = 0.15
    strictness: float = 0.0
    weekends: bool = False
    limit: int | None = None
    takes_own: float = 0.0


STAFF: Final[tuple[Person, ...]] = (
    Person("amelia.hart", (ASSESSORS,), asks_for_documents=0.2),
    Person("ben.okafor", (ASSESSORS,), pick_up_hours=(2.0, 14.0), strictness=0.1, weekends=True),
    Person("chiara.russo", (ASSESSORS,), pick_up_hours=(1.0, 10.0), work_hours=(1.0, 6.0), asks_for_documents=0.35),
    Person("grace.lindqvist", (ASSESSORS, APPROVERS), pick_up_hours=(0.5, 6.0), limit=90_000, takes_own=0.6),
    Person("dmitri.volkov", (APPROVERS, DIRECTORS), pick_up_hours=(1.0, 8.0), work_hours=(0.2, 1.0), strictness=0.05),
    Person("emma.nakamura", (APPROVERS, DIRECTORS), pick_up_hours=(0.5, 10.0), work_hours=(0.2, 1.5), weekends=True),
    Person("farid.haddad", (CLERKS,), pick_up_hours=(0.2, 3.0), work_hours=(0.1, 0.5)),
    Person("gwen.price", (CLERKS,), pick_up_hours=(0.5, 4.0), work_hours=(0.2, 0.6), weekends=True),
)


@dataclass(frozen=True)
class TaskView:
    """What a person sees of a task: the case's variables, and what was decided before.

    Attributes:
        element_id: the user task in the diagram.
        visit: 1 for the first time this claim is at this task, then 2 …
        band: the fraud score's band, if there is one.
        route: where triage sent the claim, if it did.
        documents: whether the claimant has sent documents.
        assessed_by: who completed the assessments, oldest first.
        amount: the decided amount, if there is one.
    """

    element_id: str
    claim: Claim
    policy: Policy
    visit: int = 1
    band: str | None = None
    route: str | None = None
    documents: bool = False
    assessed_by: tuple[str, ...] = ()
    amount: int | None = None


@dataclass(frozen=True)
class Attempt:
    """Somebody takes a task at a time and is done with it at another."""

    person: Person
    take_at: datetime
    done_at: datetime


def who_takes(
    task: TaskView, group: str, at: datetime, staff: Sequence[Person] = STAFF, *, not_again: Sequence[str] = ()
) -> Attempt | None:
    """Who of a group takes a task, and when: whoever notices it first.

    A sensible colleague leaves an approval alone that is above their limit, or follows an assessment of their own; some try the latter all the
    same now and then.

    Args:
        task: what is to be done.
        group: the task's candidate group.
        at: when it appeared.
        staff: everybody.
        not_again: who was denied this task before.

    Returns:
        ``None`` when nobody of the group is left.
    """
    attempts = [
        _attempt(person, task, at) for person in staff if group in person.groups and person.name not in not_again and _willing(person, task)
    ]
    return min(attempts, key=lambda attempt: (attempt.take_at, attempt.person.name), default=None)


def _willing(person: Person, task: TaskView) -> bool:
    if task.element_id != "approve-payment":
        return True
    if person.limit is not None and (task.amount or 0) > person.limit:
        return False
    if person.name not in task.assessed_by:
        return True
    return draw("takes own", person.name, task.claim.claim_id, task.visit) < person.takes_own


def _attempt(person: Person, task: TaskView, at: datetime) -> Attempt:
    about = (person.name, task.claim.claim_id, task.element_id, task.visit)
    pick_up = between(*person.pick_up_hours, "pick up", *about)
    own = person.name in task.assessed_by
    pick_up += _left_lying(task)
    # Who knows the case from assessing it sees at once that it is there.
    take_at = working_time(at, 0.1 if own else pick_up, weekends=person.weekends)
    return Attempt(person, take_at, working_time(take_at, between(*person.work_hours, "work", *about), weekends=person.weekends))


def _left_lying(task: TaskView) -> float:
    """Working hours that everybody leaves a task to the others: the thick files nobody likes to open first."""
    thick = task.element_id == "assess-claim" and task.visit == 1 and draw("left lying", task.claim.claim_id) < 0.25
    return between(14, 34, "left for", task.claim.claim_id) if thick else 0.0


def working_time(start: datetime, hours: float, *, weekends: bool) -> datetime:
    """The moment when a number of working hours has passed.

    Args:
        start: from when.
        hours: working hours, in units of an hour.
        weekends: whether Saturdays and Sundays count.
    """
    moment, left = start, timedelta(hours=hours)
    while True:
        begin = moment.replace(hour=DAY_BEGINS, minute=0, second=0, microsecond=0)
        end = begin + timedelta(hours=DAY_ENDS - DAY_BEGINS)
        if moment < end and (weekends or moment.weekday() < 5):
            moment = max(moment, begin)
            if moment + left <= end:
                return moment + left
            left -= end - moment
        moment = begin + timedelta(days=1)


def assess(person: Person, task: TaskView) -> dict[str, Any]:
    """What an assessor fills in: the form's ``assessment``."""
    about = (person.name, task.claim.claim_id, task.visit)
    claim = task.claim
    unclear = 0.15 if claim.police_report != "YES" and claim.total_amount > 10_000 else 0.0
    if not task.documents and task.visit == 1 and draw("documents", *about) < person.asks_for_documents + unclear:
        return {"outcome": "request_documents", "amount": None, "notes": "Please send the papers listed in our letter."}
    if draw("decline", *about) < _suspicion(task) + person.strictness:
        return {"outcome": "decline", "amount": None, "notes": "the account of the incident does not fit the damage"}
    amount = max(claim.total_amount - task.policy.deductible, 1)
    if claim.property_damage != "YES" and claim.property_amount and draw("trim", *about) < 0.25:
        # Damage to property that nobody confirms is paid at half.
        amount = max(amount - claim.property_amount // 2, 1)
        return {"outcome": "approve", "amount": amount, "notes": "property damage not confirmed: half of it taken off"}
    return {"outcome": "approve", "amount": amount, "notes": "plausible; deductible taken off"}


def _suspicion(task: TaskView) -> float:
    by_band = {"low": 0.03, "medium": 0.1, "high": 0.35}
    return by_band.get(task.band or "medium", 0.1) + (0.15 if task.route == "investigate" else 0.0)


def approve(person: Person, task: TaskView) -> dict[str, Any]:
    """What an approver fills in: the form's ``approval``."""
    chance = draw("approve", person.name, task.claim.claim_id, task.visit)
    if task.visit == 1 and chance < 0.1:
        return {"outcome": "send_back", "notes": "please check the amount again"}
    if chance > 0.95 - person.strictness:
        return {"outcome": "reject", "notes": "the report and the claim contradict each other"}
    return {"outcome": "approve", "notes": ""}


@dataclass(frozen=True)
class ClaimantHabits:
    """What a claimant will do.

    Attributes:
        answers_after: from a request (or reminder) to the answer; ``None``: never answers.
        withdraws: ``early`` while the claim is looked at, ``paid`` when the money has come (somebody else has paid already), or never.
        withdraws_after: from reporting (``early``) or from the payment (``paid``) to the withdrawal.
    """

    answers_after: timedelta | None
    withdraws: Literal["early", "paid"] | None
    withdraws_after: timedelta


def claimant(claim_id: str) -> ClaimantHabits:
    """The habits of a claim's claimant."""
    answers = draw("answers", claim_id) < 0.75
    after = timedelta(hours=between(20, 240, "answers after", claim_id))
    chance = draw("withdraws", claim_id)
    withdraws: Literal["early", "paid"] | None = "early" if chance < 0.07 else "paid" if chance < 0.13 else None
    early, late = between(6, 60, "withdraws after", claim_id), between(4, 40, "withdraws after", claim_id)
    return ClaimantHabits(after if answers else None, withdraws, timedelta(hours=late if withdraws == "paid" else early))


def papers(claim: Claim, wanted: Sequence[str]) -> Mapping[str, str]:
    """The documents a claimant sends, name to text."""
    vehicle = f"{claim.vehicle.year} {claim.vehicle.make} {claim.vehicle.model}"
    return {
        what: f"{what.capitalize()} for claim {claim.claim_id}: {vehicle}, {claim.incident_date}, {claim.incident_city}." for what in wanted
    }


_WHAT: Final[Mapping[str, str]] = {
    "Single Vehicle Collision": "I lost control of my car and hit the barrier.",
    "Multi-vehicle Collision": "There were other cars involved, and I could not stop in time.",
    "Parked Car": "My car was parked when it was hit. I found it like that.",
    "Vehicle Theft": "My car was stolen from where I had parked it.",
}


def report(claim: Claim) -> str:
    """What a claimant writes about what happened: the same as the claim says, in words."""
    vehicle = f"{claim.vehicle.year} {claim.vehicle.make} {claim.vehicle.model}"
    police = {
        "YES": "The police wrote a report.",
        "NO": "There is no police report.",
        "?": "I do not know whether there is a police report.",
    }
    hurt = "Nobody was hurt." if claim.bodily_injuries == 0 else f"People were hurt: {claim.bodily_injuries}."
    seen = "Nobody saw it." if claim.witnesses == 0 else f"Witnesses: {claim.witnesses}."
    return (
        f"Report of {claim.claimant.name} ({claim.claimant.email}) on claim {claim.claim_id}\n\n"
        f"On {claim.incident_date} at about {claim.incident_hour}:00 in {claim.incident_city}, {claim.incident_state}.\n"
        f"{_WHAT.get(claim.incident_type, claim.incident_type)} It is my {vehicle}.\n"
        f"The garage calls it {claim.incident_severity.lower()}. {hurt} {seen}\n"
        f"{police[claim.police_report]}\n"
        f"I claim {claim.total_amount:,} dollars in all, of which {claim.vehicle_amount:,} for the car.\n"
    )
