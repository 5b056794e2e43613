"""The REST API in front of a broker's own: searches are answered here, the rest is passed on as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from camunda_workers.engine.embedded.rest import cluster, search, statistics, variables
from camunda_workers.engine.embedded.rest.arriving import patient
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import TooLarge, on_anything_else, on_engine_error, on_hang_up, on_http_error
from camunda_workers.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from camunda_workers.engine.broker.search import SearchBeside

OPERATIONS: list[Operation] = [
    *search.OPERATIONS,
    *variables.OPERATIONS,
    *statistics.OPERATIONS,
    Operation("GET", "/authentication/me", cluster.get_authentication),
]
"""What is answered here."""

_MOST_BYTES: Final = 16 * 2**20
"""More than the broker itself takes."""
_OF_ONE_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Forward:
    """Passes requests on to the broker.

    Args:
        broker: the address of its REST API.
        knocked: whether callers were asked who they are; their passwords and tokens are none of the broker's business then.
    """

    def __init__(self, broker: str, *, knocked: bool = False) -> None:
        self._kept_back = _OF_ONE_CONNECTION | {"authorization"} if knocked else _OF_ONE_CONNECTION
        # How long a request may take is its sender's affair: job activation waits as long as it says.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(base_url=broker, timeout=httpx.Timeout(None, connect=5), limits=limits, trust_env=False)

    async def pass_on(self, request: Request) -> Response:
        """Return the broker's answer."""
        body = await _body(request)
        asking = asyncio.ensure_future(self._ask(request, body))
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not asking.done():
                # Who asked is gone: the broker must learn it, or it hands out jobs to nobody.
                asking.cancel()
        if asking.cancelled() or not asking.done():
            return Response(status_code=499)
        return asking.result()

    async def _ask(self, request: Request, body: bytes) -> Response:
        path = request.scope["raw_path"].decode("ascii")
        target = f"{path}?{request.url.query}" if request.url.query else path
        headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1").lower() not in self._kept_back]
        try:
            answer = await self._http.request(request.method, target, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"the broker does not answer: {error or type(error).__name__}") from error
        kept = {
            name: value for name, value in answer.headers.items() if name not in {*_OF_ONE_CONNECTION, "content-length", "content-encoding"}
        }
        return Response(answer.content, answer.status_code, kept)

    async def close(self) -> None:
        """Close the connections to the broker."""
        await self._http.aclose()


def create_app(beside: SearchBeside, forward: Forward, healthy: Callable[[], Awaitable[bool]]) -> Starlette:
    """Return the application.

    Args:
        beside: has the read model.
        forward: takes what is not answered here.
        healthy: says whether the broker works.
    """

    async def status(_: Request) -> Response:
        return Response(status_code=204 if await healthy() else 503)

    fixed_first = sorted(OPERATIONS, key=lambda operation: operation.path.count("{"))
    routes = [
        *(operation.route() for operation in fixed_first),
        Route("/v2/status", status),
        Route("/{path:path}", forward.pass_on, methods=_METHODS),
    ]
    handlers: Any = {
        EngineError: on_engine_error,
        HTTPException: on_http_error,
        ClientDisconnect: on_hang_up,
        Exception: on_anything_else,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    # The handlers of searches ask the engine for nothing but its read model.
    app.state.engine = beside
    return app


async def _body(request: Request) -> bytes:
    pieces: list[bytes] = []
    total = 0
    async for piece in Request(request.scope, patient(request.receive)).stream():
        total += len(piece)
        if total > _MOST_BYTES:
            raise TooLarge(f"the body is larger than {_MOST_BYTES // 2**20} MB")
        pieces.append(piece)
    return b"".join(pieces)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
