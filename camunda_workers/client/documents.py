"""Documents of an engine's document store, and how variables point to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from camunda_workers.client.commands import Commands
from camunda_workers.client.retry import Repeat
from camunda_workers.errors import EngineFailure, NotSupported

TYPE: Final = "camunda.document.type"
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a document that is still read into memory; engines take 10 MB by default."""

_DEEPEST: Final = 12
_MOST: Final = 200


class DocumentMetadata(BaseModel):
    """What is said about a document; whoever stored it said so."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    content_type: str | None = None
    file_name: str | None = None
    size: int | None = None
    expires_at: str | None = None
    process_definition_id: str | None = None
    process_instance_key: str | None = None
    custom_properties: dict[str, Any] | None = None


class DocumentReference(BaseModel):
    """A document as a variable has it: what form-js's file picker gives, connectors hand on and Tasklist opens.

    A worker may take one, or a list of them, as a parameter.

    Attributes:
        type: always ``camunda``.
        store_id: the document store that has it.
        document_id: which.
        content_hash: SHA-256 of its content; the engine gives a document only to whoever knows it.
        metadata: what is said about it.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    type: Literal["camunda"] = Field(default="camunda", alias=TYPE)
    store_id: str
    document_id: str
    content_hash: str | None = None
    metadata: DocumentMetadata = DocumentMetadata()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.metadata.file_name or self.document_id

    def as_variable(self) -> dict[str, Any]:
        """It as a variable."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class DocumentCommands(Commands):
    """Keep documents where every client of the engine finds them."""

    async def create_document(
        self,
        content: bytes,
        *,
        file_name: str,
        content_type: str,
        process_definition_id: str | None = None,
        process_instance_key: int | None = None,
        properties: Mapping[str, Any] | None = None,
        store_id: str | None = None,
        document_id: str | None = None,
    ) -> DocumentReference:
        """Store a document.

        Args:
            content: its bytes.
            file_name: what it is called.
            content_type: what it is.
            process_definition_id: the process it belongs to.
            process_instance_key: the process instance it belongs to.
            properties: more about it, for whoever reads its metadata.
            store_id: which of the engine's stores; its default one when not given.
            document_id: its id; the store chooses one when not given.

        Raises:
            NotSupported: this engine has no document store.
            InvalidArgument: the store does not take it.
        """
        metadata: dict[str, Any] = {"contentType": content_type, "fileName": file_name, "size": len(content)}
        if process_definition_id:
            metadata["processDefinitionId"] = process_definition_id
        if process_instance_key:
            metadata["processInstanceKey"] = str(process_instance_key)
        if properties:
            metadata["customProperties"] = dict(properties)
        files: dict[str, tuple[str | None, bytes, str]] = {
            "file": (file_name, content, content_type),
            "metadata": (None, json.dumps(metadata).encode(), "application/json"),
        }
        params = _given(storeId=store_id, documentId=document_id)
        answer = await self._rest().transfer("POST", "/documents", files=files, params=params, repeat=Repeat.IF_REFUSED, largest=LARGEST)
        try:
            return DocumentReference.model_validate_json(answer)
        except ValidationError as error:
            raise EngineFailure(f"POST /documents: the engine's answer is no document reference: {error.errors()[0]['msg']}") from error

    async def get_document(self, document: DocumentReference) -> bytes:
        """Read a document's content.

        Raises:
            NotFound: there is none (any more).
            InvalidArgument: its hash is not what the reference says.
        """
        params = _given(storeId=document.store_id, contentHash=document.content_hash)
        return await self._rest().transfer("GET", _path(document), params=params, repeat=Repeat.ALWAYS, largest=LARGEST)

    async def delete_document(self, document: DocumentReference) -> None:
        """Delete a document.

        Raises:
            NotFound: there is none (any more).
        """
        params = _given(storeId=document.store_id)
        await self._rest().transfer("DELETE", _path(document), params=params, repeat=Repeat.ALWAYS, largest=LARGEST)


def documents_in(value: Any) -> Iterator[DocumentReference]:
    """The document references anywhere in variables, each once, in their order; no more than anybody could have put there on purpose."""
    seen: set[tuple[str, str]] = set()
    for found in _walk(value, 0):
        if (found.store_id, found.document_id) not in seen and len(seen) < _MOST:
            seen.add((found.store_id, found.document_id))
            yield found


def _walk(value: Any, depth: int) -> Iterator[DocumentReference]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        inside = cast("Mapping[str, Any]", value)
        if TYPE in inside:
            try:
                yield DocumentReference.model_validate(inside)
            except ValidationError:
                return
        else:
            for one in inside.values():
                yield from _walk(one, depth + 1)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _walk(one, depth + 1)


def _path(document: DocumentReference) -> str:
    if document.document_id in ("", ".", ".."):
        raise NotSupported(f"'{document.document_id}' is no id of a document")
    return f"/documents/{quote(document.document_id, safe='')}"


def _given(**params: str | None) -> dict[str, str]:
    return {name: value for name, value in params.items() if value is not None}
