"""The guard before the two faces of the gateway: what it refuses never reaches them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio
from starlette.types import ASGIApp, Receive, Scope, Send

from camunda_workers.client.stub import SERVICE
from camunda_workers.engine.embedded.auth.caller import Guard
from camunda_workers.engine.embedded.grpc_gateway.status import status_of
from camunda_workers.engine.embedded.rest.problem import problem
from camunda_workers.errors import EngineError, Unauthenticated

_OPEN: Final = ("/v2/license", "/v2/status", "/v2/setup/user", "/actuator/health", "/v3/api-docs")
"""What Camunda 8.8 answers without asking who comes."""


class GuardedRest:
    """Asks who comes before anything of a request is read; the handlers find the caller in the request's state."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            try:
                caller = await self._guard.caller(sent[0].decode("latin-1") if len(sent) == 1 else None)
            except EngineError as error:
                answer = problem(*_said(error), str(error), scope["path"])
                if isinstance(error, Unauthenticated):
                    answer.headers["www-authenticate"] = self._guard.challenge
                await answer(scope, receive, send)
                return
            scope = {**scope, "state": {**scope.get("state", {}), "caller": caller}}
        await self._app(scope, receive, send)


def _said(error: EngineError) -> tuple[int, str]:
    return (401, "Unauthorized") if isinstance(error, Unauthenticated) else (503, "UNAVAILABLE")


class GuardedGrpc(grpc.aio.ServerInterceptor):
    """Asks who comes before a call is begun; the health service answers everybody, as Camunda's."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the call's handler, or one that refuses it."""
        details: Any = handler_call_details
        if details.method.startswith(f"/{SERVICE}/"):
            sent = [value for name, value in details.invocation_metadata or () if name == "authorization"]
            try:
                await self._guard.caller(sent[0] if len(sent) == 1 and isinstance(sent[0], str) else None)
            except EngineError as error:
                return _refusing(error)
        return await continuation(handler_call_details)


def _refusing(error: EngineError) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(status_of(error), str(error))

    # Of the kind that waits for no message: a call that never sends one is refused as well.
    return grpc.stream_stream_rpc_method_handler(refuse)
