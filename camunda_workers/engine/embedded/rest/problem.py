"""Errors as Camunda's REST API shows them: problem details (RFC 9457) with its titles."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers import errors

_log = logging.getLogger(__name__)


class BadRequest(errors.InvalidArgument):
    """A body or parameter that cannot be read; answered with Camunda's title for those."""


class TooLarge(errors.InvalidArgument):
    """A body that is larger than what is taken."""


class TooSlow(errors.InvalidArgument):
    """A body that stopped in its middle."""


class UnsupportedMediaType(errors.InvalidArgument):
    """A body of a kind that the operation does not take."""


_STATUS: dict[type[errors.EngineError], tuple[int, str]] = {
    errors.InvalidArgument: (400, "INVALID_ARGUMENT"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.AlreadyExists: (409, "ALREADY_EXISTS"),
    errors.InvalidState: (409, "INVALID_STATE"),
    errors.BackPressure: (503, "RESOURCE_EXHAUSTED"),
    errors.EngineUnavailable: (503, "UNAVAILABLE"),
    errors.DeadlineExceeded: (504, "DEADLINE_EXCEEDED"),
    errors.PermissionDenied: (403, "FORBIDDEN"),
    errors.Unauthenticated: (401, "UNAUTHORIZED"),
    errors.NotSupported: (501, "NOT_IMPLEMENTED"),
    BadRequest: (400, "Bad Request"),
    TooSlow: (408, "Request Timeout"),
    TooLarge: (413, "Payload Too Large"),
    UnsupportedMediaType: (415, "Unsupported Media Type"),
}


def problem(status: int, title: str, detail: str, instance: str) -> JSONResponse:
    """Return a problem-detail response."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": instance}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def of_engine_error(error: errors.EngineError, instance: str) -> JSONResponse:
    """Return the response for one of our errors."""
    status, title = _STATUS.get(type(error), (500, "INTERNAL"))
    answer = problem(status, title, str(error), instance)
    if isinstance(error, TooSlow):
        # What is left of the body would be read as the next request.
        answer.headers["Connection"] = "close"
    return answer


async def on_engine_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for errors of our tree."""
    assert isinstance(error, errors.EngineError)
    return of_engine_error(error, request.url.path)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for unknown paths, wrong methods and the like."""
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, error.detail, f"{request.method} {request.url.path}: {error.detail}", request.url.path)
    answer.headers.update(error.headers or {})
    return answer


async def on_hang_up(request: Request, error: Exception) -> Response:
    """Starlette's handler for callers who go away before all of their body was there: nobody hears the answer, and nothing is wrong here."""
    return Response(status_code=499)


async def on_anything_else(request: Request, error: Exception) -> Response:
    """Starlette's handler for what should not happen: said in the log and, as Camunda does, without Java's or Python's inner words."""
    _log.exception("REST request failed", exc_info=error)
    return problem(500, "INTERNAL_SERVER_ERROR", "Unexpected error occurred during the request processing.", request.url.path)
