"""Files of a case: sent as they are, taken only when they are what they say, and never opened in the inbox's own origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.inbox.audit import viewed, viewed_on
from camunda_workers.inbox.marks import mark_of_case, mark_of_task, variables_of
from camunda_workers.inbox.reading import files_of_case, tasks_of_case
from camunda_workers.inbox.refusals import said
from camunda_workers.inbox.site import Site, site_of
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.documents import CaseDocument, chosen, documents_of
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.notes import OpenedDocument
from camunda_workers.tasks.store.content import KINDS

CHANGED = {"HX-Trigger": "changed"}
MOST_INSTANCES = 50
"""So many of a case's process instances are asked for documents in their variables."""


async def upload(request: Request) -> Response:
    """Take a file: the body is the file itself, its name stands in a header, percent-encoded. Nothing has to be unpacked to see how large it is."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    name = unquote(request.headers.get("x-file-name", ""), errors="replace")[:500]
    kind = request.headers.get("content-type", "")
    try:
        one = await site.parts.tasks.attach(reader.person.caller, key, name, kind, request.stream())
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return JSONResponse({"text": " ".join((note.text, *note.details))}, note.status)
    return JSONResponse({"reference": one.reference(), "text": reader.say("files.attached", name=one.name)}, 201, CHANGED)


async def listed(request: Request) -> Response:
    """The files of a task's case, as a part of its page."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        found = await site.parts.tasks.show(reader.person.caller, key)
        await viewed_on(site, reader, found.task, "task", about="files")
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return site.render(request, "parts/changed.html", said=note, key=key, status=note.status)
    is_mine = reader.person.caller.is_(found.task.assignee)
    files = documents_of(found.attachments, found.variables)
    return site.render(request, "parts/files.html", files=files, below=f"/tasks/{key}/files", may_add=is_mine, key=key)


async def download(request: Request) -> Response:
    """A file of a task's case."""
    opened = await of_task(request)
    return sent(opened.document, opened.content)


async def download_of_case(request: Request) -> Response:
    """A file of a case, for whoever may see the case."""
    _, one, content = await of_case(request)
    return sent(one, content)


async def of_task(request: Request) -> OpenedDocument:
    """The document of a task's case that an address names; whoever looks at a sensitive one is written down before anything of it is shown.

    Raises:
        NotFound: there is none.
    """
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    opened = await site.parts.tasks.document(reader.person.caller, key, str(request.path_params["file"]))
    task = opened.task
    if (mark := await mark_of_task(site, task)) is not None:
        where: dict[str, Any] = {"task_key": key, "process_instance_key": task.process_instance_key, "business_id": business_of(task)}
        await viewed(site, reader, "file", mark, about=opened.document.name, **where)
    return opened


async def of_case(request: Request) -> tuple[Mapping[str, Any], CaseDocument, bytes]:
    """The same for a case; with the variables of the process instance that the case began with.

    Raises:
        NotFound: there is none, or nobody may know of the case.
    """
    site, business_id = site_of(request), str(request.path_params["business_id"])
    reader, parts = site.reader(request), site.parts
    instances, _ = await tasks_of_case(site, reader, business_id)
    one = chosen(await documents_of_case(site, instances), str(request.path_params["file"]))
    content = await parts.tasks.shelf.content(one)
    own = one.attachment
    instance = own.process_instance_key if own is not None else instances[0]
    where = (own.task_key if own is not None else None, instance, business_id)
    data: dict[str, Any] = {"attachment": one.id}
    await parts.tasks.desk.record(Fact("task.attachment-read", parts.clock.now(), reader.person.user, data, *where))
    if (mark := await mark_of_case(site, instances)) is not None:
        told: dict[str, Any] = {"task_key": where[0], "process_instance_key": instance, "business_id": business_id}
        await viewed(site, reader, "file", mark, about=one.name, **told)
    return await variables_of(site, instances[0]), one, content


async def documents_of_case(site: Site, instances: Sequence[int]) -> list[CaseDocument]:
    """A case's documents: attached to its tasks, or pointed to by variables of its process instances."""
    variables = {str(key): await variables_of(site, key) for key in instances[:MOST_INSTANCES]}
    return documents_of(await files_of_case(site, instances), variables)


def sent(one: CaseDocument, content: bytes) -> Response:
    """A file for saving, not for opening: nothing in it runs here, whatever it is."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(one.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    # What a reference says of itself is anybody's word: only what we would take is named.
    kind = one.content_type.partition(";")[0].strip()
    return Response(content, media_type=kind if kind in KINDS else "application/octet-stream", headers=headers)
