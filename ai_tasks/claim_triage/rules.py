"""What triage concludes and what it must not: pure functions and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pydantic import JsonValue

from ai_tasks.claim_triage.facts import Route, TriageAnswer
from camunda_workers.ai import HandOver, Policy
from camunda_workers.ai.output import value_at
from camunda_workers.ai.retrieval import Neighbourhood

FRAUD: Final = "Y"
GENUINE: Final = "N"

STRAIGHT_THROUGH_LIMIT: Final = 10_000
"""Whole dollars; the diagram has the same limit and the last word."""

STRAIGHT_THROUGH_CONFIDENCE: Final = 0.85
"""Paying without a person has to be surer than asking one to look: at most about one wrong in seven."""

POLICY: Final = Policy(min_confidence=0.6, max_latency=timedelta(seconds=30), max_tokens=24_000)


def conclude(facts: Mapping[str, JsonValue], found: Neighbourhood) -> TriageAnswer:
    """Route a claim by how the most similar earlier claims ended."""
    fraud = found.probabilities[FRAUD]
    suspicious = fraud >= 0.5
    confidence = fraud if suspicious else 1 - fraud
    route: Route = "investigate" if suspicious else "straight_through" if not straight_through_objection(facts) else "assess"
    similar = sum(found.counts.values())
    rationale = (
        f"{found.counts[FRAUD]} of the {similar} most similar earlier claims turned out to be reported as fraud ({found.counts[FRAUD] / similar:.0%}); "
        f"going by claims with such neighbours, this one is {'fraud' if suspicious else 'genuine'} with a probability of {confidence:.0%}."
    )
    return TriageAnswer(route=route, confidence=round(confidence, 4), rationale=rationale, cited_fields=found.features)


def straight_through_objection(facts: Mapping[str, JsonValue]) -> str | None:
    """Why a claim must not be paid without a person, whatever anybody says about it; ``None`` when it may."""
    amount, band = value_at(facts, "claim.total_amount"), value_at(facts, "fraud.band")
    if not isinstance(amount, int | float) or amount > STRAIGHT_THROUGH_LIMIT:
        return f"the claim is above {STRAIGHT_THROUGH_LIMIT:,} dollars"
    if band != "low":
        return f"the fraud score is {band}"
    deductible = value_at(facts, "policy.deductible")
    if not isinstance(deductible, int | float) or amount <= deductible:
        return "nothing would be left to pay after the deductible"
    return None


def limit(facts: Mapping[str, JsonValue], answer: TriageAnswer) -> str | None:
    """The task's last word on an answer: straight-through only within its bounds and when sure enough."""
    if answer.route != "straight_through":
        return None
    objection = straight_through_objection(facts)
    if objection is not None:
        return f"straight-through was proposed, but {objection}"
    if answer.confidence < STRAIGHT_THROUGH_CONFIDENCE:
        return f"straight-through needs a confidence of {STRAIGHT_THROUGH_CONFIDENCE:.0%}, and {answer.confidence:.0%} was given"
    return None


def safe_output(reason: HandOver, proposal: TriageAnswer | None) -> TriageAnswer:
    """A person assesses the claim; what was proposed stays visible in the rationale."""
    if proposal is None:
        return TriageAnswer(route="assess", confidence=0.0, rationale=f"A person has to decide: {reason.text}."[:800], cited_fields=())
    rationale = f"A person has to decide: {reason.text}. {proposal.rationale}"
    return TriageAnswer(route="assess", confidence=proposal.confidence, rationale=rationale[:800], cited_fields=proposal.cited_fields)
