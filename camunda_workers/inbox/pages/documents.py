"""A document of a case to read: its text, with what a recommendation quotes marked in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.ai.reading import read_pages
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.inbox.pages.files import of_case, of_task, refused
from camunda_workers.inbox.site import Reader, Site, site_of
from camunda_workers.inbox.views.advice import advice
from camunda_workers.inbox.views.papers import marked
from camunda_workers.tasks.documents import CaseDocument


async def read(request: Request) -> Response:
    """A document of a task's case."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        found, one, content = await of_task(site, reader, key, str(request.path_params["file"]))
    except CamundaWorkersError as error:
        return await refused(request, site, reader, error)
    return await _page(request, site, reader, one, content, found.variables, f"/tasks/{key}", found.task.name or found.task.element_id)


async def read_of_case(request: Request) -> Response:
    """A document of a case, for whoever may see the case."""
    site, business_id = site_of(request), str(request.path_params["business_id"])
    reader = site.reader(request)
    try:
        variables, one, content = await of_case(site, reader, business_id, str(request.path_params["file"]))
    except CamundaWorkersError as error:
        return await refused(request, site, reader, error)
    back = f"/cases/{quote(business_id, safe='')}"
    return await _page(request, site, reader, one, content, variables, back, reader.say("case.title", id=business_id))


async def _page(
    request: Request, site: Site, reader: Reader, one: CaseDocument, content: bytes, variables: Mapping[str, Any], back: str, title: str
) -> Response:
    pages = await read_pages(content, one.content_type)
    opinion = advice(variables, site.parts.section.advice, reader.say, files=[one])
    quotes = [each for each in (opinion.quotes if opinion else ()) if each.file == one.id]
    values: dict[str, Any] = {
        "document": one,
        "text": marked(pages, quotes) if pages is not None else None,
        "back": back,
        "back_title": title,
        "address": f"{back}/files/{quote(one.id, safe='')}",
    }
    return site.render(request, "document.html", **values)
