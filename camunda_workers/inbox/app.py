"""The inbox as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from camunda_workers.ending import end_tasks
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.inbox.guard import Guard
from camunda_workers.inbox.headers import Headed
from camunda_workers.inbox.pages import absences, actions, audit, cases, documents, entry, files, handing, links, processes, provider, tasks
from camunda_workers.inbox.parts import Parts
from camunda_workers.inbox.refusals import at_the_door, said
from camunda_workers.inbox.site import Site, is_part, site_of

_log = structlog.get_logger("camunda_workers.inbox")


def create_inbox(parts: Parts) -> Starlette:
    """Put the inbox together.

    Args:
        parts: everything it uses, open for as long as it runs.
    """
    site = Site(parts)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with site.changes.following():
            preparing = asyncio.create_task(_prepare(site), name="camunda-workers-inbox-search")
            try:
                yield
            finally:
                await end_tasks(preparing)

    app = Starlette(
        routes=[
            Route("/", tasks.home),
            Route("/tasks", tasks.tasks),
            Route("/tasks/claim", actions.claim_several, methods=["POST"]),
            Route("/tasks/{key:key}", tasks.task),
            Route("/tasks/{key:key}/head", tasks.head),
            Route("/tasks/{key:key}/claim", actions.claim, methods=["POST"]),
            Route("/tasks/{key:key}/unclaim", actions.unclaim, methods=["POST"]),
            Route("/tasks/{key:key}/complete", actions.complete, methods=["POST"]),
            Route("/tasks/{key:key}/complete-plain", actions.complete_plain, methods=["POST"]),
            Route("/tasks/{key:key}/draft", actions.draft, methods=["POST"]),
            Route("/tasks/{key:key}/comments", actions.comment, methods=["POST"]),
            Route("/tasks/{key:key}/advice", actions.judge, methods=["POST"]),
            Route("/tasks/{key:key}/delegate", handing.delegate, methods=["POST"]),
            Route("/tasks/{key:key}/resolve", handing.resolve, methods=["POST"]),
            Route("/tasks/{key:key}/assign", handing.assign, methods=["POST"]),
            Route("/tasks/{key:key}/take-over", handing.take_over, methods=["POST"]),
            Route("/tasks/{key:key}/escalate", handing.escalate, methods=["POST"]),
            Route("/tasks/{key:key}/now", tasks.now),
            Route("/tasks/{key:key}/files", files.listed),
            Route("/tasks/{key:key}/files", files.upload, methods=["POST"]),
            Route("/tasks/{key:key}/files/{file}", files.download),
            Route("/tasks/{key:key}/files/{file}/read", documents.read),
            Route("/list", tasks.rows),
            Route("/filters", actions.keep_filter, methods=["POST"]),
            Route("/filters/forget", actions.forget_filter, methods=["POST"]),
            Route("/cases", cases.find),
            Route("/cases/{business_id}", cases.case),
            Route("/cases/{business_id}/story", cases.story),
            Route("/cases/{business_id}/now", cases.now),
            Route("/cases/{business_id}/files/{file}", files.download_of_case),
            Route("/cases/{business_id}/files/{file}/read", documents.read_of_case),
            Route("/processes", processes.processes),
            Route("/processes/{key:key}", processes.process),
            Route("/processes/{key:key}/now", processes.now),
            Route("/absences", absences.absences),
            Route("/absences", absences.enter, methods=["POST"]),
            Route("/absences/{id:key}/end", absences.end, methods=["POST"]),
            Route("/audit", audit.audit),
            Route("/l/{token}", links.look),
            Route("/l/{token}", links.use, methods=["POST"]),
            Route("/incidents", cases.incidents),
            Route("/incidents/{key:key}/retry", cases.retry, methods=["POST"]),
            Route("/live", entry.live),
            Route("/language/{code}", entry.language, methods=["POST"]),
            Route("/sign-in", entry.sign_in_page),
            Route("/sign-in", entry.sign_in, methods=["POST"]),
            Route(provider.BACK, provider.back),
            Route("/sign-out", entry.sign_out, methods=["POST"]),
            Route("/static/{build}/{name}", entry.static),
            Route("/healthz", entry.healthz),
            Route("/readyz", entry.readyz),
        ],
        middleware=[
            Middleware(Headed, secure=parts.secure),
            *([Middleware(TrustedHostMiddleware, allowed_hosts=list(parts.hosts), www_redirect=False)] if parts.hosts else []),
            Middleware(
                Guard, sessions=site.sessions, refuse=partial(at_the_door, site), renew=partial(provider.renew, site), rates=parts.rates
            ),
            Middleware(GZipMiddleware, minimum_size=1024),
        ],
        exception_handlers={CamundaWorkersError: _refused, HTTPException: _no_page},
        lifespan=lifespan,
    )
    app.state.site = site
    return app


async def _prepare(site: Site) -> None:
    try:
        await site.parts.tasks.prepare_search()
    except CamundaWorkersError as error:
        # Whoever searches reads it then, or is told.
        _log.warning("inbox.search.not-prepared", error=str(error))


async def _refused(request: Request, error: Exception) -> Response:
    """What no page has an answer for itself: an engine that is away, above all."""
    site = site_of(request)
    assert isinstance(error, CamundaWorkersError)
    note = await said(site, site.reader(request), error)
    if note.status >= 500:
        _log.warning("inbox.failed", path=request.url.path, error=str(error))
    return site.render(request, "parts/refused.html" if is_part(request) else "refused.html", status=note.status, said=note)


async def _no_page(request: Request, error: Exception) -> Response:
    """An address or a way to ask that is not there, and a body that grew too large while it came."""
    assert isinstance(error, HTTPException)
    why = {404: "no-page", 405: "method", 413: "too-large"}.get(error.status_code)
    answer = at_the_door(site_of(request), request, why, error.status_code) if why else PlainTextResponse(error.detail, error.status_code)
    answer.headers.update(error.headers or {})
    return answer
