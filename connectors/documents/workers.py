"""Workers of the document store: ``request-documents`` and ``collect-documents``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from camunda_workers import JobContext, Provided, Router, worker
from camunda_workers.clock import Clock, SystemClock
from connectors.claims import Claim, Decision, Document
from connectors.documents.client import DocumentRequest, DocumentsClient
from connectors.jobs import idempotency_key, refusals_are_final
from connectors.settings import ConnectorSettings


def documents_wanted(claim: Claim) -> list[str]:
    """What an assessor of this claim needs to see, in the order in which a letter lists it."""
    wanted = ["repair estimate", "photos of the damage"]
    if claim.police_report != "YES" or claim.incident_type == "Vehicle Theft":
        wanted.append("police report")
    if claim.bodily_injuries > 0:
        wanted.append("medical report")
    return wanted


@worker("request-documents", result="documents_wanted")
async def request_documents(
    claim: Claim,
    documents: Annotated[DocumentsClient, Provided],
    clock: Annotated[Clock, Provided],
    job: JobContext,
    decision: Decision | None = None,
) -> list[str]:
    """Opens a document request that the claimant sees; returns what was asked for."""
    note = decision.notes if decision is not None else None
    what = DocumentRequest(claim_id=claim.claim_id, wanted=documents_wanted(claim), note=note or "", requested_at=clock.now())
    with refusals_are_final():
        return (await documents.request(what, key=idempotency_key(job))).wanted


@worker("collect-documents", result="documents")
async def collect_documents(claim: Claim, documents: Annotated[DocumentsClient, Provided]) -> list[Document]:
    """Lists what the claimant has sent so far."""
    with refusals_are_final():
        return await documents.of_claim(claim.claim_id)


def connect() -> DocumentsClient:
    """A client of the system whose address the environment names."""
    settings = ConnectorSettings()
    return DocumentsClient(settings.documents_url, timeout=settings.timeout_seconds)


router = Router(request_documents, collect_documents)
router.provide(DocumentsClient, connect)
router.provide(Clock, lambda: nullcontext(SystemClock()))
