"""The worker ``triage-claim``: decides how a claim is handled, or hands it to a person.

A model is asked when one is configured (``CAMUNDA_WORKERS_AI_BASE_URL``, ``_MODEL``, ``_API_KEY``); without one, or when it cannot be reached, the most
similar earlier claims decide. Which of the two it was is part of the answer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from ai_tasks.claim_triage.facts import ClaimFacts, FraudFacts, PolicyFacts, ReportedClaim, Triage, TriageFacts
from ai_tasks.claim_triage.reading import read_papers
from ai_tasks.claim_triage.triage import ClaimTriage, open_claim_triage
from camunda_workers import BpmnError, JobContext, Provided, Router, worker
from camunda_workers.ai import DecisionLog, Subject
from camunda_workers.client import Client, DocumentReference
from camunda_workers.settings import AiSettings


class TriageUnavailable(BpmnError):
    """Triage broke down until the last try: a person assesses the claim, as if there were no triage."""

    code = "TRIAGE_UNAVAILABLE"


@worker("triage-claim", timeout=timedelta(seconds=90), result="triage", errors=[TriageUnavailable])
async def triage_claim(
    claim: ReportedClaim,
    policy: PolicyFacts,
    fraud: FraudFacts,
    triage: Annotated[ClaimTriage, Provided],
    client: Annotated[Client, Provided],
    job: JobContext,
    claim_documents: list[DocumentReference] | None = None,
) -> Triage:
    """Route a claim: straight through, to an assessor, or to an assessor with a warning.

    Raises:
        TriageUnavailable: it broke down and no retries are left; an opinion is not worth an incident that holds the claim up.
    """
    subject = Subject(
        business_id=job.business_id,
        process_instance_key=job.process_instance_key,
        element_instance_key=job.element_instance_key,
        job_key=job.key,
    )
    try:
        papers = await read_papers(client, claim_documents or (), claimant=claim.claimant.name)
        known = ClaimFacts.model_validate(claim.model_dump(exclude={"claimant"}))
        decision = await triage.decide(TriageFacts(claim=known, policy=policy, fraud=fraud), subject, papers)
    except Exception as problem:
        if job.retries > 1:
            raise
        raise TriageUnavailable(f"{type(problem).__name__}: {problem}") from problem
    return Triage(
        route=decision.output.route,
        confidence=decision.output.confidence,
        rationale=decision.output.rationale,
        cited_fields=decision.output.cited_fields,
        strategy=decision.evidence.strategy,
        needs_human=decision.needs_human,
        human_reason=decision.hand_over.text if decision.hand_over else None,
        suggested_route=decision.proposal.route if decision.hand_over and decision.proposal else None,
        evidence_id=decision.evidence.evidence_id,
        evidence=decision.evidence,
    )


def triage_router(settings: AiSettings | None = None, log: DecisionLog | None = None) -> Router:
    """The worker with its task, for a runner; see :func:`open_claim_triage` for the arguments."""
    made = Router(triage_claim)
    made.provide(ClaimTriage, lambda: open_claim_triage(settings, log))
    return made


router = triage_router()
