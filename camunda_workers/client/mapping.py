"""Errors of grpc and httpx become errors of ours here, and nowhere else; the original stays attached as ``__cause__``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import grpc
import httpx

from camunda_workers.client.retry import Failure
from camunda_workers.errors import (
    AlreadyExists,
    BackPressure,
    DeadlineExceeded,
    EngineError,
    EngineFailure,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    NotFound,
    NotSupported,
    PermissionDenied,
    Unauthenticated,
)

BY_GRPC_STATUS: Mapping[grpc.StatusCode, type[EngineError]] = {
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidState,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.UNIMPLEMENTED: NotSupported,
    grpc.StatusCode.RESOURCE_EXHAUSTED: BackPressure,
    grpc.StatusCode.UNAVAILABLE: EngineUnavailable,
    grpc.StatusCode.ABORTED: EngineUnavailable,
    grpc.StatusCode.CANCELLED: EngineUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.INTERNAL: EngineFailure,
    grpc.StatusCode.UNKNOWN: EngineFailure,
    grpc.StatusCode.DATA_LOSS: EngineFailure,
}

BY_HTTP_STATUS: Mapping[int, type[EngineError]] = {
    400: InvalidArgument,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    405: NotSupported,
    408: DeadlineExceeded,
    409: InvalidState,
    413: InvalidArgument,
    415: NotSupported,
    422: InvalidArgument,
    429: BackPressure,
    501: NotSupported,
    502: EngineUnavailable,
    503: EngineUnavailable,
    504: DeadlineExceeded,
}

BY_TITLE: Mapping[str, type[EngineError]] = {
    **{status.name: error for status, error in BY_GRPC_STATUS.items()},
    "INVALID_STATE": InvalidState,
    "PROCESSING_ERROR": EngineFailure,
    "EXCEEDED_BATCH_RECORD_SIZE": InvalidArgument,
    "UNAUTHORIZED": Unauthenticated,
    "FORBIDDEN": PermissionDenied,
}
"""Camunda puts the rejection's reason into a problem's title; it says more than the HTTP status (409 is two things)."""

_REJECTION = re.compile(r"Command '\w+' rejected with code '(?P<code>[A-Z_]+)': (?P<reason>.*)", re.DOTALL)
_TOO_LARGE = re.compile(r"larger than max|exceeds maximum size|Request size is above configured", re.IGNORECASE)
_NEVER_CONNECTED = re.compile(
    r"failed to connect|connection refused|name resolution|dns resolution|endpoints? found|no connection established"
    r"|metadata from plugin failed",
    re.IGNORECASE,
)
_CREDENTIALS_REFUSED = re.compile(r"InvalidOAuthCredentials|invalid_client|unauthorized_client|access_denied", re.IGNORECASE)


def from_grpc(error: grpc.aio.AioRpcError, *, call: str, address: str) -> Failure:
    """Map what a gRPC call raised.

    Args:
        error: as raised by ``grpc.aio``.
        call: the RPC's name, for the text.
        address: the engine's address, for the text.
    """
    status = error.code()
    details = error.details() or ""
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE.search(details):
        # gRPC's own limit, not back-pressure: the same message is as large the next time.
        return _failure(InvalidArgument(f"{call}: the message is too large ({details})"), error)
    if status is grpc.StatusCode.UNAVAILABLE and "metadata from plugin failed" in details:
        if _CREDENTIALS_REFUSED.search(details):
            return _failure(Unauthenticated(f"{call}: the identity provider refused the client's credentials ({details})"), error)
        return _failure(EngineUnavailable(f"{call}: the identity provider gave no token ({details})"), error)
    kind = BY_GRPC_STATUS.get(status, EngineFailure)
    text = _text(kind, call=call, address=address, details=details or status.name)
    return _failure(kind(text), error, maybe_executed=_maybe_executed(kind, details))


def from_http_response(response: httpx.Response, *, call: str) -> Failure:
    """Map an HTTP answer that is an error: Camunda's problem details, or whatever a proxy in between says.

    Args:
        response: with a status of 300 or more (the API redirects nobody, a login page in front of it does), and read.
        call: method and path, for the text.
    """
    problem = _problem(response)
    title, detail = str(problem.get("title") or ""), str(problem.get("detail") or "")
    address = _origin(response)
    if response.status_code == 404 and not problem:
        text = f"{call}: {address} has no Camunda REST API v2 at this path; is CAMUNDA_REST_ADDRESS right?"
        return _failure(NotSupported(text), None)
    if response.status_code < 400:
        target = response.headers.get("location", "another place")
        return _failure(
            Unauthenticated(f"{call}: {address} redirects to {target}: it wants a login, or CAMUNDA_REST_ADDRESS is not the API's"), None
        )
    rejected = _REJECTION.search(detail)
    kind = (
        (BY_TITLE.get(rejected["code"]) if rejected else None)
        or BY_TITLE.get(title)
        or BY_HTTP_STATUS.get(response.status_code)
        or (EngineFailure if response.status_code >= 500 else InvalidArgument)
    )
    details = detail or title or response.reason_phrase or f"HTTP {response.status_code}"
    # A 502 or a 503 without Camunda's words comes from a proxy that may have passed the request on.
    maybe = _maybe_executed(kind, details) if problem else kind in (EngineUnavailable, DeadlineExceeded)
    return _failure(kind(_text(kind, call=call, address=address, details=details)), None, maybe_executed=maybe)


def from_http_transport(error: httpx.TransportError, *, call: str, address: str) -> Failure:
    """Map what httpx raised when there was no answer at all.

    Args:
        error: as raised by httpx.
        call: method and path, for the text.
        address: the engine's REST address, for the text.
    """
    rules: tuple[tuple[type[httpx.TransportError], type[EngineError], bool], ...] = (
        (httpx.ConnectTimeout, EngineUnavailable, False),
        (httpx.PoolTimeout, EngineUnavailable, False),
        (httpx.TimeoutException, DeadlineExceeded, True),
        (httpx.ConnectError, EngineUnavailable, False),
        (httpx.UnsupportedProtocol, InvalidArgument, False),
        (httpx.ProxyError, EngineUnavailable, False),
        (httpx.TransportError, EngineUnavailable, True),
    )
    kind, maybe = next((kind, maybe) for source, kind, maybe in rules if source in type(error).__mro__)
    text = _text(kind, call=call, address=address, details=str(error) or type(error).__name__)
    return _failure(kind(text), error, maybe_executed=maybe)


def _failure(error: EngineError, cause: BaseException | None, *, maybe_executed: bool = False) -> Failure:
    error.__cause__ = cause
    return Failure(error, maybe_executed)


def _maybe_executed(kind: type[EngineError], details: str) -> bool:
    if kind is DeadlineExceeded or kind is EngineFailure:
        return True
    return kind is EngineUnavailable and _NEVER_CONNECTED.search(details) is None


def _reworded(details: str) -> str:
    """The engine's reason without its frame "Command 'X' rejected with code 'Y': "."""
    found = _REJECTION.search(details)
    return found["reason"] if found else details


def _text(kind: type[EngineError], *, call: str, address: str, details: str) -> str:
    hints: Mapping[type[EngineError], Callable[[], str]] = {
        EngineUnavailable: lambda: f"no engine answered at {address} ({details})",
        DeadlineExceeded: lambda: f"no answer in time from {address}; the command may have been executed ({details})",
        BackPressure: lambda: f"the engine is busy ({details})",
        Unauthenticated: lambda: f"{_reworded(details)} (set CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET and CAMUNDA_OAUTH_URL)",
        NotSupported: lambda: f"the engine at {address} does not know this call ({details})",
    }
    return f"{call}: {hints.get(kind, lambda: _reworded(details))()}"


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body: Any = response.json()
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, dict) else {}


def _origin(response: httpx.Response) -> str:
    url = response.request.url
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
