"""The documents of a claim, as triage may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from camunda_workers.ai import Paper, papers_of, read_pages
from camunda_workers.client import Client, DocumentReference
from camunda_workers.errors import InvalidArgument, NotFound, NotSupported

MOST: Final = 10
_log = structlog.get_logger("ai_tasks.claim_triage")


async def read_papers(client: Client, documents: Sequence[DocumentReference], *, claimant: str) -> tuple[Paper, ...]:
    """The documents that came with a claim, with the claimant's name covered; one that cannot be read is left out.

    Raises:
        EngineError: the document store is away: the job is tried again.
    """
    read: list[tuple[DocumentReference, Sequence[str]]] = []
    for one in documents[:MOST]:
        try:
            content = await client.get_document(one)
        except (NotFound, NotSupported, InvalidArgument) as error:
            # Gone, or not what the reference says: asking again changes nothing.
            _log.warning("a document of a claim cannot be read", action="document_unread", document_id=one.document_id, error=str(error))
            continue
        pages = await read_pages(content, one.metadata.content_type)
        if pages is not None:
            read.append((one, pages))
    return papers_of(read, cover=[claimant, *claimant.split()])
