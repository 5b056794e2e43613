"""What the claims process speaks about: the models behind its variables.

Money is whole dollars. Unknown fields are ignored, so that a newer diagram may carry more than an older worker knows.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Dollars = Annotated[int, Field(ge=0)]
"""An amount of money in whole dollars."""

YesNo = Literal["YES", "NO", "?"]
"""The data set's own three answers; ``?`` means nobody knows."""


class Model(BaseModel):
    """Base of the process's variables: immutable, tolerant of unknown fields, intolerant of wrong types."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Vehicle(Model):
    """The insured vehicle."""

    make: str
    model: str
    year: int


class Claimant(Model):
    """Who claims, and where letters go."""

    name: str
    email: str


class Claim(Model):
    """The start variable ``claim``: a motor claim as it was reported."""

    claim_id: str
    policy_number: str
    reported_at: datetime
    incident_date: date
    incident_type: str
    collision_type: str
    incident_severity: str
    authorities_contacted: str
    incident_state: str
    incident_city: str
    incident_hour: Annotated[int, Field(ge=0, le=23)]
    vehicles_involved: Annotated[int, Field(ge=1)]
    property_damage: YesNo
    bodily_injuries: Annotated[int, Field(ge=0)]
    witnesses: Annotated[int, Field(ge=0)]
    police_report: YesNo
    total_amount: Dollars
    injury_amount: Dollars
    property_amount: Dollars
    vehicle_amount: Dollars
    vehicle: Vehicle
    claimant: Claimant


class Holder(Model):
    """The policy holder, as far as the policy system says."""

    name: str
    age: int
    occupation: str
    education: str
    relationship: str
    hobbies: str
    zip_code: str


class Policy(Model):
    """The variable ``policy``: cover as the policy administration knows it.

    Attributes:
        bind_date: first day of cover.
        lapsed_on: first day without cover; ``None`` while the policy is in force.
        csl: combined single limit, thousands of dollars per person/per accident, as the data set writes it.
        deductible: what the holder bears of each claim.
    """

    number: str
    state: str
    bind_date: date
    lapsed_on: date | None = None
    status: Literal["in_force", "lapsed"]
    csl: str
    deductible: Dollars
    annual_premium: Dollars
    umbrella_limit: Dollars
    months_as_customer: Annotated[int, Field(ge=0)]
    holder: Holder

    def gap_in_cover(self, on: date) -> str | None:
        """Why there is no cover on a day, in words for people; ``None`` when there is cover."""
        if on < self.bind_date:
            return f"policy {self.number} begins on {self.bind_date}, after the incident on {on}"
        if self.lapsed_on is not None and on >= self.lapsed_on:
            return f"policy {self.number} lapsed on {self.lapsed_on}, before the incident on {on}"
        return None


class Decision(Model):
    """The variable ``decision``: what was decided about the claim, and by whom."""

    outcome: Literal["approve", "decline", "request_documents"]
    amount: Dollars | None = None
    decided_by: str = "unknown"
    reason: str | None = None
    notes: str | None = None


class Payment(Model):
    """The variable ``payment``: money that left."""

    payment_id: str
    amount: Dollars
    paid_at: datetime


class Document(Model):
    """One element of the variable ``documents``."""

    document_id: str
    name: str
    media_type: str
    received_at: datetime
