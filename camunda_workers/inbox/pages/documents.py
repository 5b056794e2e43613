"""A document of a case to read: its text, with what a recommendation quotes marked in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.ai.reading import read_pages
from camunda_workers.inbox.pages.files import of_case, of_task
from camunda_workers.inbox.site import site_of
from camunda_workers.inbox.views.advice import advice
from camunda_workers.inbox.views.papers import marked
from camunda_workers.tasks.documents import CaseDocument


async def read(request: Request) -> Response:
    """A document of a task's case."""
    opened = await of_task(request)
    task = opened.task
    return await _page(request, opened.document, opened.content, opened.variables, f"/tasks/{task.key}", task.name or task.element_id)


async def read_of_case(request: Request) -> Response:
    """A document of a case, for whoever may see the case."""
    variables, one, content = await of_case(request)
    business_id = str(request.path_params["business_id"])
    title = site_of(request).reader(request).say("case.title", id=business_id)
    return await _page(request, one, content, variables, f"/cases/{quote(business_id, safe='')}", title)


async def _page(request: Request, one: CaseDocument, content: bytes, variables: Mapping[str, Any], back: str, title: str) -> Response:
    site = site_of(request)
    pages = await read_pages(content, one.content_type)
    opinion = advice(variables, site.parts.section.advice, site.reader(request).say, files=[one])
    quotes = [each for each in (opinion.quotes if opinion else ()) if each.file == one.id]
    values: dict[str, Any] = {
        "document": one,
        "text": marked(pages, quotes) if pages is not None else None,
        "back": back,
        "back_title": title,
        "address": f"{back}/files/{quote(one.id, safe='')}",
    }
    return site.render(request, "document.html", **values)
