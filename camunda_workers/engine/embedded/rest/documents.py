"""Documents: upload, read, delete, link."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import Field
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Key, Moment
from camunda_workers.engine.embedded.rest.context import engine_of
from camunda_workers.engine.embedded.rest.document_store import MAX_DOCUMENT, DocumentStore, StoredDocument
from camunda_workers.engine.embedded.rest.multipart import read_form
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.errors import EngineError, InvalidArgument, NotFound
from camunda_workers.events.dates import to_iso

_PROCESS_ID: Final = r"^[\p{L}_][\p{L}\p{N}_\-.]*$"
"""What Camunda's description allows as the id of a process."""


class Metadata(Body):
    """What is said about a document."""

    content_type: str = ""
    file_name: str = ""
    expires_at: Moment | None = None
    size: int | None = None
    process_definition_id: str | None = Field(default=None, pattern=_PROCESS_ID)
    process_instance_key: Key | None = None
    custom_properties: dict[str, Any] = {}

    def shown(self, file: UploadFile) -> dict[str, Any]:
        """Return it as it is kept, with what the upload says of itself."""
        return {
            "contentType": self.content_type or file.content_type or "application/octet-stream",
            "fileName": self.file_name or file.filename or "",
            "expiresAt": self.expires_at or None,  # an empty one says never
            "processDefinitionId": self.process_definition_id,
            "processInstanceKey": None if self.process_instance_key is None else str(self.process_instance_key),
            "customProperties": self.custom_properties,
        }


def _store(request: Request) -> DocumentStore:
    store: DocumentStore = request.app.state.documents
    store.check_store(request.query_params.get("storeId") or None)
    return store


def _store_of_one(request: Request) -> DocumentStore:
    try:
        return _store(request)
    except InvalidArgument as error:
        # Camunda's description has no 400 where one document is read or deleted: what is in no store is not there.
        raise NotFound(str(error)) from error


def _reference(store: DocumentStore, stored: StoredDocument) -> dict[str, Any]:
    return {
        "camunda.document.type": "camunda",
        "storeId": store.store_id,
        "documentId": stored.document_id,
        "contentHash": stored.content_hash,
        "metadata": stored.metadata,
    }


async def _keep(store: DocumentStore, file: UploadFile, metadata: Metadata, document_id: str | None = None) -> dict[str, Any]:
    content = await file.read()
    stored = await asyncio.to_thread(store.create, content, metadata.shown(file), document_id)
    return _reference(store, stored)


async def _metadata(form: FormData, name: str) -> list[Metadata]:
    found: list[Metadata] = []
    for part in form.getlist(name):
        given = bodies.read_json(await part.read() if isinstance(part, UploadFile) else part.encode())
        found += [bodies.parse(Metadata, one) for one in (given if isinstance(given, list) else [given])]  # pyright: ignore[reportUnknownVariableType]
    return found


async def create_document(request: Request) -> Response:
    """Upload one document."""
    store = _store(request)
    document_id = request.query_params.get("documentId")
    if document_id is not None and not (0 < len(document_id) <= 256):
        raise InvalidArgument("The documentId must have 1 to 256 characters.")
    async with read_form(request, MAX_DOCUMENT) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequest("Required part 'file' is not present.")
        metadata = await _metadata(form, "metadata")
        return JSONResponse(await _keep(store, file, metadata[0] if metadata else Metadata(), document_id), status_code=201)


async def create_documents(request: Request) -> Response:
    """Upload several documents; 207 when some were refused."""
    store = _store(request)
    async with read_form(request, MAX_DOCUMENT) as form:
        files = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        if not files:
            raise BadRequest("Required part 'files' is not present.")
        metadata = await _metadata(form, "metadataList") or [Metadata()] * len(files)
        if len(metadata) != len(files):
            raise InvalidArgument(f"There are {len(files)} files, but metadata for {len(metadata)}.")
        created: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for file, one in zip(files, metadata, strict=True):
            try:
                created.append(await _keep(store, file, one))
            except (EngineError, OSError) as error:
                failed.append({"fileName": file.filename or "", "status": 500, "title": "INTERNAL", "detail": str(error)})
    return JSONResponse({"createdDocuments": created, "failedDocuments": failed}, status_code=207 if failed else 201)


async def get_document(request: Request) -> Response:
    """A document's content; the caller shows by its hash, or by a link, that it was given the document."""
    store, document_id = _store_of_one(request), str(request.path_params["documentId"])
    stored = await asyncio.to_thread(store.find, document_id)
    link = request.query_params.get("link")
    if link is not None:
        if not store.is_signed(document_id, link):
            raise NotFound("This link is not valid, or not any more.")
    else:
        _check_hash(request, stored)
    content = await asyncio.to_thread(store.content, document_id)
    name = quote(stored.metadata["fileName"] or document_id)
    # An upload says itself what it is: never let a browser run it in the API's own origin.
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "x-content-type-options": "nosniff"}
    return Response(content, media_type=_media_type(stored.metadata["contentType"]), headers=headers)


def _media_type(given: str) -> str:
    plain = given.isascii() and given.isprintable() and "/" in given
    return given if plain else "application/octet-stream"


def _check_hash(request: Request, stored: StoredDocument) -> None:
    given = request.query_params.get("contentHash")
    if given is None:
        raise InvalidArgument(f"No content hash provided for document '{stored.document_id}'")
    if given != stored.content_hash:
        raise InvalidArgument(f"The content hash provided for document '{stored.document_id}' does not match")


async def delete_document(request: Request) -> Response:
    """Delete a document."""
    await asyncio.to_thread(_store_of_one(request).delete, str(request.path_params["documentId"]))
    return Response(status_code=204)


class CreateDocumentLink(Body):
    """How long it works, in milliseconds."""

    time_to_live: int = Field(default=3_600_000, ge=1, lt=2**42)


async def create_document_link(request: Request, body: CreateDocumentLink) -> Response:
    """A link that reads a document without its hash, for a time."""
    store, document_id = _store(request), str(request.path_params["documentId"])
    _check_hash(request, await asyncio.to_thread(store.find, document_id))
    expires = int(time.time() * 1000) + body.time_to_live
    query = urlencode({"link": store.sign(document_id, expires)})
    url = f"{engine_of(request).rest_address}/v2/documents/{quote(document_id, safe='')}?{query}"
    return JSONResponse({"url": url, "expiresAt": to_iso(expires)}, status_code=201)


def _form_schema(files: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": files | more, "required": list(files)}


_FILE = {"type": "string", "format": "binary"}
_METADATA = {"type": "object"}
_STORE = {"storeId": {"type": "string"}}
_HASH = _STORE | {"contentHash": {"type": "string"}}
_ONE = "/documents/{documentId}"
OPERATIONS = [
    Operation(
        "POST",
        "/documents",
        create_document,
        answers=(201,),
        refusals=(409,),
        query=_STORE | {"documentId": {"type": "string"}},
        form=_form_schema({"file": _FILE}, metadata=_METADATA),
    ),
    Operation(
        "POST",
        "/documents/batch",
        create_documents,
        answers=(201, 207),
        query=_STORE,
        form=_form_schema({"files": {"type": "array", "items": _FILE}}, metadataList={"type": "array", "items": _METADATA}),
    ),
    Operation("GET", _ONE, get_document, refusals=(404,), query=_HASH, shown="*/*"),
    Operation("DELETE", _ONE, delete_document, answers=(204,), refusals=(404,), query=_STORE),
    Operation("POST", f"{_ONE}/links", create_document_link, CreateDocumentLink, (201,), (404,), query=_HASH),
]
