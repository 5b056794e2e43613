"""Client of the document store."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from connectors.claims import Document
from connectors.http_client import Answer, SystemClient


class DocumentRequest(BaseModel):
    """``POST /documents/requests``: what the claimant is asked for."""

    claim_id: str
    wanted: list[str]
    note: str = ""
    requested_at: datetime


class RequestAnswer(Answer):
    """A request as the store keeps it."""

    request_id: Annotated[str, Field(min_length=1)]
    idempotency_key: str
    claim_id: str
    wanted: list[str]


class RequestsAnswer(Answer):
    """``GET /documents/requests?claim_id=``."""

    requests: list[RequestAnswer]


class Upload(BaseModel):
    """``POST /documents``: a document comes in."""

    claim_id: str
    name: str
    media_type: str
    text: str
    received_at: datetime


class DocumentAnswer(Answer):
    """A stored document, without its content."""

    document_id: Annotated[str, Field(min_length=1)]
    claim_id: str
    name: str
    media_type: str
    received_at: datetime


class DocumentsAnswer(Answer):
    """``GET /documents?claim_id=``."""

    documents: list[DocumentAnswer]


class DocumentsClient(SystemClient):
    """Asks for documents and lists what came."""

    system: ClassVar[str] = "document store"

    async def request(self, what: DocumentRequest, *, key: str) -> RequestAnswer:
        """Opens a request, or returns the one that this key already opened."""
        answer = await self._post("/requests", RequestAnswer, body=what, key=key)
        if (answer.claim_id, answer.wanted, answer.idempotency_key) != (what.claim_id, what.wanted, key):
            raise self._bad(f"asked to request {what.wanted} for {what.claim_id}, answered {answer.wanted} for {answer.claim_id}")
        return answer

    async def requests(self, claim_id: str) -> list[RequestAnswer]:
        """What the claimant was asked for so far, oldest first."""
        found = (await self._get("/requests", RequestsAnswer, params={"claim_id": claim_id})).requests
        self._only(claim_id, {request.claim_id for request in found})
        return found

    async def upload(self, what: Upload, *, key: str) -> Document:
        """Stores a document, once for each key."""
        answer = await self._post("", DocumentAnswer, body=what, key=key)
        if (answer.claim_id, answer.name) != (what.claim_id, what.name):
            raise self._bad(f"stored '{answer.name}' for {answer.claim_id} instead of '{what.name}' for {what.claim_id}")
        return _document(answer)

    async def of_claim(self, claim_id: str) -> list[Document]:
        """Every document of a claim, oldest first."""
        found = (await self._get("", DocumentsAnswer, params={"claim_id": claim_id})).documents
        self._only(claim_id, {document.claim_id for document in found})
        return [_document(document) for document in found]

    def _only(self, claim_id: str, seen: set[str]) -> None:
        # Another claimant's papers in this case would be a data breach, not a detail.
        strangers = sorted(seen - {claim_id})
        if strangers:
            raise self._bad(f"asked about {claim_id}, got papers of {', '.join(strangers)} too")


def _document(answer: DocumentAnswer) -> Document:
    return Document(document_id=answer.document_id, name=answer.name, media_type=answer.media_type, received_at=answer.received_at)
