"""How good retrieval is on claims it has never seen: ``python -m ai_tasks.claim_triage.evaluate``.

Asks about every claim of the later 30 % of the data set and compares with the labels. No engine is involved, so the decision table's verdict is taken
as ``low`` for all: figures for straight-through are therefore an upper bound, all others do not depend on it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ai_tasks.claim_triage.facts import FraudFacts, Route, TriageFacts
from ai_tasks.claim_triage.rules import FRAUD
from ai_tasks.claim_triage.triage import open_claim_triage
from camunda_workers.ai import DecisionEvidence
from camunda_workers.settings import AiSettings
from connectors.sandbox.dataset import Case, load

BUCKETS = ((0.0, 0.6), (0.6, 0.7), (0.7, 0.85), (0.85, 0.9), (0.9, 1.01))


@dataclass(frozen=True)
class Judged:
    """One decision beside its label.

    Attributes:
        suggested: what the strategy said, also when it was handed over; ``None`` when it said nothing.
        handed_over: whether a person is needed.
    """

    suggested: Route | None
    confidence: float
    handed_over: bool
    fraud: bool

    @property
    def agrees(self) -> bool:
        """Whether the route fits the label: ``investigate`` for reported fraud, any other for the rest."""
        return (self.suggested == "investigate") == self.fraud


@dataclass(frozen=True)
class Measured:
    """Figures over a set of claims; shares are of the claims that were decided without a person, unless said otherwise."""

    claims: int
    fraud: int
    handed_over: int
    agreement: float
    always_genuine: float
    balanced: float
    investigated: int
    precision: float
    recall: float
    straight_through: int
    straight_through_fraud: int
    calibration: tuple[tuple[float, float, int, float, float], ...]
    """Per bucket of confidence: from, to, claims, mean confidence, share that agreed."""


class _Silent:
    async def record(self, evidence: DecisionEvidence) -> None:
        """Measuring is no decision that anybody acts upon."""


async def judge(cases: Sequence[Case]) -> list[Judged]:
    """Ask the retrieval strategy, without any model, about each claim."""
    judged: list[Judged] = []
    async with open_claim_triage(AiSettings.model_construct(), _Silent()) as task:
        for case in cases:
            document = {
                "claim": case.claim.model_dump(mode="json"),
                "policy": case.policy.model_dump(mode="json"),
                "fraud": FraudFacts(score=0, band="low"),
            }
            decision = await task.decide(TriageFacts.model_validate(document))
            proposal = decision.proposal
            judged.append(
                Judged(
                    proposal.route if proposal else None,
                    proposal.confidence if proposal else 0.0,
                    decision.needs_human,
                    case.label == FRAUD,
                )
            )
    return judged


def measure(judged: Sequence[Judged]) -> Measured:
    """Figures from judged claims."""
    decided = [one for one in judged if not one.handed_over]
    said = [one for one in judged if one.suggested is not None]
    fraud = [one for one in decided if one.fraud]
    genuine = [one for one in decided if not one.fraud]
    flagged = [one for one in decided if one.suggested == "investigate"]
    through = [one for one in decided if one.suggested == "straight_through"]
    buckets: list[tuple[float, float, int, float, float]] = []
    for low, high in BUCKETS:
        inside = [one for one in said if low <= one.confidence < high]
        if inside:
            buckets.append((low, min(high, 1.0), len(inside), sum(o.confidence for o in inside) / len(inside), _share(inside)))
    return Measured(
        claims=len(judged),
        fraud=sum(one.fraud for one in judged),
        handed_over=len(judged) - len(decided),
        agreement=_share(decided),
        always_genuine=len(genuine) / max(len(decided), 1),
        balanced=(_share(fraud) + _share(genuine)) / 2,
        investigated=len(flagged),
        precision=_share(flagged),
        recall=_share(fraud),
        straight_through=len(through),
        straight_through_fraud=sum(one.fraud for one in through),
        calibration=tuple(buckets),
    )


def _share(some: Sequence[Judged]) -> float:
    return sum(one.agrees for one in some) / max(len(some), 1)


def main() -> None:
    """Measure and print."""
    judged = asyncio.run(judge(load().run))
    found = measure(judged)
    print(f"{found.claims} claims of the later 30 %, {found.fraud} of them reported as fraud ({found.fraud / found.claims:.1%})")
    print(f"handed to a person: {found.handed_over}")
    print(f"agreement with the label: {found.agreement:.1%} (always 'genuine' would have: {found.always_genuine:.1%})")
    print(f"balanced over fraud and genuine: {found.balanced:.1%} (always 'genuine': 50.0%)")
    print(f"investigate: {found.investigated} claims, {found.precision:.1%} of them fraud; {found.recall:.1%} of all fraud found")
    print(f"straight-through at most: {found.straight_through} claims, {found.straight_through_fraud} of them fraud")
    print("confidence     claims  mean confidence  agreed")
    for low, high, claims, confidence, agreed in found.calibration:
        print(f"{low:.2f} to {high:.2f}   {claims:>6}  {confidence:>15.1%}  {agreed:>6.1%}")
    print("routes:", dict(Counter("needs a person" if one.handed_over else one.suggested for one in judged)))


if __name__ == "__main__":
    main()
