"""What triage may see of a claim, and what it may answer.

Only what is known when a claim is reported. The claimant's name and address, and the holder's hobbies, age, sex, occupation, education and family are
left out of the models, so that no strategy can use them and no endpoint receives them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from camunda_workers.ai import DecisionEvidence, ExplainedOutput

Route = Literal["straight_through", "assess", "investigate"]
_Word = Annotated[str, Field(min_length=1, max_length=80)]
_Count = Annotated[int, Field(ge=0, le=1_000)]
_Dollars = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class _Facts(BaseModel):
    """Unknown fields are ignored: a newer diagram may carry more than this task looks at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ClaimFacts(_Facts):
    """The variable ``claim``, as far as triage looks at it."""

    incident_date: date
    incident_type: _Word
    collision_type: _Word
    incident_severity: _Word
    authorities_contacted: _Word
    incident_hour: Annotated[int, Field(ge=0, le=23)]
    vehicles_involved: _Count
    property_damage: _Word
    bodily_injuries: _Count
    witnesses: _Count
    police_report: _Word
    total_amount: _Dollars
    injury_amount: _Dollars
    property_amount: _Dollars
    vehicle_amount: _Dollars


class ReportedBy(_Facts):
    """Who claims: read only to cover the name in documents."""

    name: Annotated[str, Field(max_length=400)] = ""


class ReportedClaim(ClaimFacts):
    """The variable ``claim`` with the one thing more that triage needs to know in order not to show it."""

    claimant: ReportedBy = ReportedBy()


class PolicyFacts(_Facts):
    """The variable ``policy``, as far as triage looks at it."""

    bind_date: date
    deductible: _Dollars
    annual_premium: _Dollars
    umbrella_limit: _Dollars
    months_as_customer: _Count


class FraudFacts(_Facts):
    """The variable ``fraud``: the decision table's result."""

    score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    band: Literal["low", "medium", "high"]
    reasons: Annotated[tuple[Annotated[str, Field(max_length=400)], ...], Field(max_length=50)] = ()


class TriageFacts(_Facts):
    """All that triage may see; the paths that may be cited are paths into this."""

    claim: ClaimFacts
    policy: PolicyFacts
    fraud: FraudFacts


class TriageAnswer(ExplainedOutput[Route]):
    """The output model: one of three routes."""

    route: Annotated[
        Route,
        Field(
            description="straight_through: small, clear and low-risk, may be paid without a person; assess: a claims assessor decides; "
            "investigate: there are signs of fraud, an assessor looks with that in mind"
        ),
    ]


class Triage(BaseModel):
    """The process variable ``triage``.

    Attributes:
        route: safe to act upon: ``assess`` whenever a person is needed.
        confidence: of the strategy in its own answer; 0 when there was none.
        strategy: which strategy answered; ``none`` when there was none to ask.
        needs_human: the policy did not let the answer stand.
        human_reason: why, for the person; ``None`` when the answer stands.
        suggested_route: what the strategy would have done, for the person to see; only when a person is needed.
        evidence: everything about this decision, see :class:`camunda_workers.ai.DecisionEvidence`.
    """

    model_config = ConfigDict(frozen=True)

    route: Route
    confidence: float
    rationale: str
    cited_fields: tuple[str, ...]
    strategy: str
    needs_human: bool
    human_reason: str | None
    suggested_route: Route | None
    evidence_id: str
    evidence: DecisionEvidence
