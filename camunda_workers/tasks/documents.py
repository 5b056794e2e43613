"""The documents of a case: what was attached to its tasks here, and what its variables point to, wherever that was uploaded."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from camunda_workers.client.documents import DocumentReference, documents_in
from camunda_workers.errors import EngineError, InvalidArgument, NotFound, NotSupported
from camunda_workers.tasks.errors import FileRefused
from camunda_workers.tasks.store.attachments import Attachment, Attachments, safe_name

if TYPE_CHECKING:
    from camunda_workers.client import Client

_log = structlog.get_logger("camunda_workers.tasks")


@dataclass(frozen=True, slots=True)
class CaseDocument:
    """A document of a case.

    Attributes:
        id: what it is called in addresses here.
        size: bytes, as far as it is known.
        author: who attached it here; empty for one that came another way.
        attached_at: when.
        reference: it as a variable.
        attachment: it as an attachment of ours; ``None`` for one that came another way.
    """

    id: str
    name: str
    content_type: str
    size: int | None
    author: str
    attached_at: datetime | None
    reference: DocumentReference
    attachment: Attachment | None = None


def documents_of(attachments: Sequence[Attachment], variables: Mapping[str, Any]) -> list[CaseDocument]:
    """A case's documents: what was attached here, and then what else its variables point to."""
    own = [
        CaseDocument(
            one.id,
            one.name,
            one.content_type,
            one.size,
            one.author,
            one.attached_at,
            DocumentReference.model_validate(one.reference()),
            one,
        )
        for one in attachments
    ]
    known = {(one.reference.store_id, one.reference.document_id) for one in own}
    others = [one for one in documents_in(variables) if (one.store_id, one.document_id) not in known]
    return [*own, *(_referenced(one) for one in others)]


def _referenced(one: DocumentReference) -> CaseDocument:
    # An id of a document store may have any letters in it, and is nothing for an address.
    named = hashlib.sha256(f"{one.store_id}\n{one.document_id}".encode()).hexdigest()[:32]
    content_type = (one.metadata.content_type or "").partition(";")[0].strip().lower()
    return CaseDocument(f"d-{named}", safe_name(one.name), content_type, one.metadata.size, "", None, one)


def chosen(documents: Sequence[CaseDocument], name: str) -> CaseDocument:
    """The document that is called so, here or in its store.

    Raises:
        NotFound: there is none.
    """
    found = next((one for one in documents if one.id == name), None) or next(
        (one for one in documents if one.reference.document_id == name), None
    )
    if found is None:
        raise NotFound(f"there is no file '{name}' here")
    return found


class EngineShelf:
    """Where contents are kept: in the document store of the engine, where every client of it finds them; in our own folder where it has none (8.6).

    Args:
        client: the way to the engine.
        attachments: what we know about them.
    """

    def __init__(self, client: Client, attachments: Attachments) -> None:
        self._client = client
        self._attachments = attachments
        self._has_told = False

    async def put(self, content: bytes, one: Attachment, *, process_id: str, author: str) -> DocumentReference | None:
        """Keep a file that was checked; ``None`` where the engine keeps none.

        Raises:
            FileRefused: the engine's store does not take it.
        """
        try:
            kept = await self._client.create_document(
                content,
                file_name=one.name,
                content_type=one.content_type,
                process_definition_id=process_id,
                process_instance_key=one.process_instance_key,
                properties={"attachedBy": author, "userTaskKey": str(one.task_key)},
            )
        except (NotSupported, NotFound) as error:
            return self._without(str(error))
        except InvalidArgument as error:
            raise FileRefused(f"'{one.name}' is not taken by the engine's document store: {error}") from error
        if kept.content_hash:
            return kept
        # 8.6 has an early store: it takes documents, hashes none, and has been seen not to find them again.
        with contextlib.suppress(EngineError):
            await self._client.delete_document(kept)
        return self._without("its store gives documents no hash")

    def _without(self, why: str) -> None:
        """Say once that files stay here."""
        if not self._has_told:
            self._has_told = True
            _log.warning("this engine has no document store: files stay in the task store's folder", action="no_document_store", why=why)

    async def drop(self, reference: DocumentReference) -> None:
        """Take back what nobody will ever know of."""
        await self._client.delete_document(reference)

    async def content(self, one: CaseDocument) -> bytes:
        """A document's content.

        Raises:
            NotFound: it is gone, or not what was attached.
        """
        attachment = one.attachment
        if attachment is not None and not attachment.document_id:
            return await asyncio.to_thread(self._attachments.read, attachment)
        try:
            content = await self._client.get_document(one.reference)
        except (NotFound, NotSupported, InvalidArgument) as error:
            raise NotFound(f"the content of '{one.name}' is gone: {error}") from error
        if attachment is not None and hashlib.sha256(content).hexdigest() != attachment.sha256:
            raise NotFound(f"what the document store has for '{one.name}' is not what was attached")
        return content
