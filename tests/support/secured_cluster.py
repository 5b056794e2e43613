"""An engine behind a front that is as strict as a cluster's: TLS, and nobody gets through who does not prove who they are."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import grpc.aio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camunda_workers.client.stub import METHODS, SERVICE, Method
from tests.support.certificates import Authority, Pair
from tests.support.http_server import serving
from tests.support.oidc_provider import AUDIENCE, OAuthError, OidcProvider


@dataclass
class Front:
    """The front of an engine.

    Attributes:
        provider: whose tokens are taken.
        users: name to password, where names and passwords are taken.
        grpc_address: where its gateway is.
        rest_address: where its REST API is.
        refused: how many calls were turned away.
        tokens: the tokens that got through, in order.
        reasons: why calls were turned away.
    """

    provider: OidcProvider | None = None
    users: dict[str, str] = field(default_factory=dict[str, str])
    grpc_address: str = ""
    rest_address: str = ""
    refused: int = 0
    tokens: list[str] = field(default_factory=list[str])
    reasons: list[str] = field(default_factory=list[str])

    def problem(self, header: str) -> str:
        """Why this header does not get through; empty when it does."""
        reason = self._problem(header)
        if reason:
            self.refused += 1
            self.reasons.append(reason)
        return reason

    def _problem(self, header: str) -> str:
        scheme, _, value = header.partition(" ")
        if self.provider is not None and scheme == "Bearer":
            try:
                self.provider.claims_of(value, AUDIENCE)
            except OAuthError as error:
                return f"Expected a valid token: {error}"
            self.tokens.append(value)
            return ""
        if self.users and scheme == "Basic":
            name, _, password = base64.b64decode(value).decode().partition(":")
            return "" if self.users.get(name) == password else "Bad credentials"
        return "" if self.provider is None and not self.users else "Expected bearer token or credentials, but there are none"


def _through(front: Front, channel: Any, method: Method) -> Any:
    async def admit(context: Any) -> None:
        sent: dict[str, str] = dict(context.invocation_metadata() or ())
        if reason := front.problem(sent.get("authorization", "")):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)

    if method.streaming:
        call_many = channel.unary_stream(method.path)

        async def many(request: bytes, context: Any) -> AsyncIterator[bytes]:
            await admit(context)
            stream = call_many(request)
            try:
                async for message in stream:
                    yield message
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")
            finally:
                stream.cancel()

        return cast("Any", grpc).unary_stream_rpc_method_handler(many)
    call_one = channel.unary_unary(method.path)

    async def one(request: bytes, context: Any) -> bytes:
        await admit(context)
        try:
            return await call_one(request, timeout=context.time_remaining())
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
            raise

    return cast("Any", grpc).unary_unary_rpc_method_handler(one)


@asynccontextmanager
async def secured(
    grpc_address: str,
    rest_address: str,
    *,
    tls: Pair | None,
    provider: OidcProvider | None = None,
    users: dict[str, str] | None = None,
    clients: Authority | None = None,
) -> AsyncGenerator[Front]:
    """Run a front before an engine.

    Args:
        grpc_address: the engine's gateway.
        rest_address: the engine's REST API.
        tls: the front's certificate; plain without.
        provider: whose tokens are taken.
        users: names and passwords that are taken.
        clients: the authority whose certificates clients must show, if any.
    """
    front = Front(provider, users or {})

    async def pass_on(request: Request) -> Response:
        if reason := front.problem(request.headers.get("authorization", "")):
            body = {"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": reason, "instance": request.url.path}
            return JSONResponse(body, status_code=401, media_type="application/problem+json")
        answer = await http.request(
            request.method,
            request.url.path,
            params=request.url.query,
            content=await request.body(),
            headers={"content-type": request.headers.get("content-type", "application/json")},
        )
        return Response(answer.content, answer.status_code, {"content-type": answer.headers.get("content-type", "application/json")})

    app = Starlette(routes=[Route("/{path:path}", pass_on, methods=["GET", "POST", "PATCH", "DELETE", "PUT"])])
    server = grpc.aio.server()
    async with (
        grpc.aio.insecure_channel(grpc_address) as channel,
        httpx.AsyncClient(base_url=rest_address, timeout=30, trust_env=False) as http,
        serving(app, tls, clients=clients) as front.rest_address,
    ):
        handlers = {name: _through(front, channel, method) for name, method in METHODS.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        if tls is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            pair = [(tls.key.read_bytes(), tls.certificate.read_bytes())]
            roots = clients.certificate.read_bytes() if clients else None
            credentials = grpc.ssl_server_credentials(pair, roots, require_client_auth=clients is not None)
            port = server.add_secure_port("127.0.0.1:0", credentials)
        front.grpc_address = f"{'grpcs' if tls else 'grpc'}://localhost:{port}"
        await server.start()
        try:
            yield front
        finally:
            await server.stop(0)
