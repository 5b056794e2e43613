"""The claims the demo runs on: 1,000 openly published motor claims, split by time, the label kept apart.

``data/PROVENANCE.md`` says where they come from and what is added here. Everything added is a function of the policy number or the claim id,
so that two machines have the same claims.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, Literal

from connectors.claims import Claim, Claimant, Holder, Policy, Vehicle
from connectors.sandbox.chance import between, draw, pick

DATA: Final = Path(__file__).parent / "data" / "insurance_claims.csv"
HISTORY_SHARE: Final = 0.7
LAPSE_SHARE: Final = 0.06
"""Share of policies that are given a lapse date before the incident; the data set itself has no lapsed policies."""

_FIRST = ("Ada", "Amir", "Beth", "Carlos", "Dana", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kavya", "Liam", "Mei", "Nora", "Omar")
_LAST = (
    "Abbott",
    "Brandt",
    "Castillo",
    "Duarte",
    "Ellis",
    "Farouk",
    "Greene",
    "Hale",
    "Ito",
    "Jensen",
    "Kowal",
    "Lopez",
    "Moreau",
    "Novak",
)

_Row = dict[str, str]


@dataclass(frozen=True)
class Case:
    """One row of the data set.

    Attributes:
        claim: what was reported; this, and only this, starts a process.
        policy: what the policy administration knows.
        label: the data set's verdict, ``Y`` for reported fraud. It never becomes a variable: agreement is measured with it afterwards, and
            triage may learn from the labels of :attr:`Dataset.history`.
    """

    claim: Claim
    policy: Policy
    label: Literal["Y", "N"]


@dataclass(frozen=True)
class Dataset:
    """The claims, split by incident date.

    Attributes:
        history: the earlier 70 %, which triage may learn from.
        run: the later 30 %, which the demo runs, in the order in which they were reported.
    """

    history: tuple[Case, ...]
    run: tuple[Case, ...]

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Every policy, for the policy administration."""
        return tuple(case.policy for case in (*self.history, *self.run))

    def sample(self, cases: int) -> tuple[Case, ...]:
        """As many claims of :attr:`run`, evenly spread over its time: every n-th claim as it was reported.

        Nothing is picked by what it would give: the mixture of small and large, honest and fraudulent claims is that of the data.

        Raises:
            ValueError: there are not that many.
        """
        if not 1 <= cases <= len(self.run):
            raise ValueError(f"the demo has {len(self.run)} claims to run: choose between 1 and {len(self.run)} cases, not {cases}")
        return tuple(self.run[int((number + 0.5) * len(self.run) / cases)] for number in range(cases))


def load(path: Path = DATA, *, shift: timedelta = timedelta(0)) -> Dataset:
    """Reads the data set.

    Args:
        path: the CSV file.
        shift: moves every date by the same whole number of days (and model years by the same number of years, rounded), so that a demo can
            run claims of 2015 as if they were reported now. Ages, gaps between dates and everything else stay as they are.
    """
    with path.open(newline="", encoding="utf-8") as file:
        cases = [_case(number, row, shift) for number, row in enumerate(csv.DictReader(file), start=1)]
    cases.sort(key=lambda case: (case.claim.incident_date, case.claim.claim_id))
    cut = int(len(cases) * HISTORY_SHARE)
    return Dataset(history=tuple(cases[:cut]), run=reported_order(cases[cut:]))


def reported_order(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Cases in the order in which they were reported."""
    return tuple(sorted(cases, key=lambda case: (case.claim.reported_at, case.claim.claim_id)))


def whole_weeks_until(now: datetime, first: datetime) -> timedelta:
    """By how many whole weeks dates must move so that the first one is not before now.

    Whole weeks keep the days of the week, and with them who works when: the demo tells the same story on every day of the year.
    """
    return -((first - now) // timedelta(weeks=1)) * timedelta(weeks=1)


def _case(number: int, row: _Row, shift: timedelta) -> Case:
    policy = row["policy_number"]
    claimant = _claimant(policy)
    incident = _date(row["incident_date"]) + shift
    return Case(
        claim=_claim(f"CLM-{number:06d}", row, incident, claimant, years=round(shift.days / 365.25)),
        policy=_policy(row, incident, _date(row["policy_bind_date"]) + shift, claimant),
        label="Y" if row["fraud_reported"] == "Y" else "N",
    )


def _claim(claim_id: str, row: _Row, incident: date, claimant: Claimant, *, years: int) -> Claim:
    hour = int(row["incident_hour_of_the_day"])
    reported = datetime.combine(incident, time(hour), UTC) + timedelta(minutes=round(between(60, 48 * 60, "reported", claim_id)))
    return Claim(
        claim_id=claim_id,
        policy_number=row["policy_number"],
        reported_at=reported,
        incident_date=incident,
        incident_type=row["incident_type"],
        collision_type=row["collision_type"],
        incident_severity=row["incident_severity"],
        authorities_contacted=row["authorities_contacted"],
        incident_state=row["incident_state"],
        incident_city=row["incident_city"],
        incident_hour=hour,
        vehicles_involved=int(row["number_of_vehicles_involved"]),
        property_damage=_yes_no(row["property_damage"]),
        bodily_injuries=int(row["bodily_injuries"]),
        witnesses=int(row["witnesses"]),
        police_report=_yes_no(row["police_report_available"]),
        total_amount=int(row["total_claim_amount"]),
        injury_amount=int(row["injury_claim"]),
        property_amount=int(row["property_claim"]),
        vehicle_amount=int(row["vehicle_claim"]),
        vehicle=Vehicle(make=row["auto_make"], model=row["auto_model"], year=int(row["auto_year"]) + years),
        claimant=claimant,
    )


def _policy(row: _Row, incident: date, bind: date, claimant: Claimant) -> Policy:
    number = row["policy_number"]
    lapsed = _lapse(number, incident, bind)
    return Policy(
        number=number,
        state=row["policy_state"],
        bind_date=bind,
        lapsed_on=lapsed,
        status="in_force" if lapsed is None else "lapsed",
        csl=row["policy_csl"],
        deductible=int(row["policy_deductable"]),
        annual_premium=round(float(row["policy_annual_premium"])),
        # One row says -1,000,000 where all others are 0 or millions: read as a slip of the sign.
        umbrella_limit=abs(int(row["umbrella_limit"])),
        months_as_customer=int(row["months_as_customer"]),
        holder=Holder(
            name=claimant.name,
            age=int(row["age"]),
            occupation=row["insured_occupation"],
            education=row["insured_education_level"],
            relationship=row["insured_relationship"],
            hobbies=row["insured_hobbies"],
            zip_code=row["insured_zip"],
        ),
    )


def _lapse(number: str, incident: date, bind: date) -> date | None:
    if draw("lapse", number) >= LAPSE_SHARE:
        return None
    lapsed = incident - timedelta(days=round(between(3, 60, "lapse days", number)))
    return lapsed if lapsed > bind else None


def _claimant(policy: str) -> Claimant:
    first, last = pick(_FIRST, "first name", policy), pick(_LAST, "last name", policy)
    return Claimant(name=f"{first} {last}", email=f"{first}.{last}.{policy}@claimants.example".lower())


def _date(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date()


def _yes_no(text: str) -> Literal["YES", "NO", "?"]:
    if text == "YES":
        return "YES"
    return "NO" if text == "NO" else "?"
