"""The claimant's own words, which come with a claim: kept in the engine's document store, where triage, the inbox and Tasklist find them."""

from __future__ import annotations

from camunda_workers.client import Client, DocumentReference
from camunda_workers.errors import NotFound, NotSupported
from connectors.claims import Claim

PROCESS_ID = "claim"


async def file_report(client: Client, claim: Claim, text: str) -> list[DocumentReference]:
    """Keeps a claimant's report.

    Args:
        client: the way to the engine.
        claim: the claim that it came with.
        text: what the claimant wrote.

    Returns:
        The variable ``claim_documents``: the report, or nothing on an engine that keeps no documents (Camunda 8.6).
    """
    try:
        kept = await client.create_document(
            text.encode(),
            file_name=f"report-{claim.claim_id}.txt",
            content_type="text/plain",
            process_definition_id=PROCESS_ID,
            properties={"claimId": claim.claim_id},
        )
    except (NotSupported, NotFound):
        return []
    # Without a hash it is 8.6's early store, which does not find documents again.
    return [kept] if kept.content_hash else []
