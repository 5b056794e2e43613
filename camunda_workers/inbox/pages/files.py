"""Files of a case: sent as they are, taken only when they are what they say, and never opened in the inbox's own origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.inbox.audit import viewed
from camunda_workers.inbox.marks import mark_of_case, mark_of_task
from camunda_workers.inbox.reading import tasks_of_case
from camunda_workers.inbox.refusals import said
from camunda_workers.inbox.site import Reader, Site, site_of
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.store.attachments import Attachment

CHANGED = {"HX-Trigger": "changed"}


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
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return site.render(request, "parts/changed.html", said=note, key=key, status=note.status)
    is_mine = reader.person.caller.is_(found.task.assignee)
    return site.render(request, "parts/files.html", files=found.attachments, below=f"/tasks/{key}/files", may_add=is_mine, key=key)


async def download(request: Request) -> Response:
    """A file of a task's case."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        one, path = await site.parts.tasks.attachment(reader.person.caller, key, str(request.path_params["file"]))
        task = await site.parts.client.get_user_task(key)
        if (mark := await mark_of_task(site, task)) is not None:
            await viewed(
                site,
                reader,
                "file",
                mark,
                about=one.name,
                task_key=key,
                process_instance_key=task.process_instance_key,
                business_id=business_of(task),
            )
    except CamundaWorkersError as error:
        return await _refused(request, site, reader, error)
    return sent(one, path)


async def download_of_case(request: Request) -> Response:
    """A file of a case, for whoever may see the case."""
    site, business_id = site_of(request), str(request.path_params["business_id"])
    reader, parts = site.reader(request), site.parts
    try:
        await tasks_of_case(site, reader, business_id)
        instances = await parts.log.instances_of(business_id)
        one, path = await parts.tasks.store.attachments.get(str(request.path_params["file"]), instances)
        data: dict[str, Any] = {"attachment": one.id}
        where = (one.task_key, one.process_instance_key, business_id)
        await parts.tasks.desk.record(Fact("task.attachment-read", parts.clock.now(), reader.person.user, data, *where))
        if (mark := await mark_of_case(site, business_id)) is not None:
            await viewed(
                site,
                reader,
                "file",
                mark,
                about=one.name,
                task_key=one.task_key,
                process_instance_key=one.process_instance_key,
                business_id=business_id,
            )
    except CamundaWorkersError as error:
        return await _refused(request, site, reader, error)
    return sent(one, path)


def sent(one: Attachment, path: Path) -> Response:
    """A file for saving, not for opening: nothing in it runs here, whatever it is."""
    if not path.is_file():
        raise NotFound(f"the content of '{one.name}' is gone")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(one.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Length": str(one.size),
    }
    return FileResponse(path, media_type=one.content_type.partition(";")[0].strip(), headers=headers)


async def _refused(request: Request, site: Site, reader: Reader, error: CamundaWorkersError) -> Response:
    note = await said(site, reader, error)
    return site.render(request, "refused.html", status=note.status, said=note)
