"""Servers that answer as a test tells them: a real grpc.aio gateway and a real HTTP server, in the test's process."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import uvicorn
from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from camunda_workers.client.stub import METHODS, SERVICE, Method


@dataclass(frozen=True)
class Refuse:
    """Answer with a status; a stream first sends what is in ``after``."""

    status: grpc.StatusCode
    details: str = ""
    after: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Do not answer until the client gives up."""


Answer = Message | Refuse | Wait | tuple[Message, ...]


@dataclass
class ScriptedGateway:
    """A gateway whose answers are given in order; the last one is repeated. Without any a call answers an empty message."""

    address: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    metadata: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    called: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict[str, list[Answer]](list))

    def script(self, name: str, *answers: Answer) -> None:
        """What the call answers from now on."""
        assert name in METHODS
        self._answers[name] = list(answers)

    def sent(self, name: str) -> list[Any]:
        """The requests of one call so far."""
        return [request for called, request in self.calls if called == name]

    def _next(self, name: str, request: Any, context: Any) -> Answer:
        self.calls.append((name, request))
        self.called.set()
        self.metadata.append(dict(context.invocation_metadata() or ()))
        answers = self._answers[name]
        return (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else METHODS[name].response()

    async def unary(self, name: str, request: Any, context: Any) -> Message:
        """Serve a call with one answer."""
        answer = self._next(name, request, context)
        if isinstance(answer, Refuse):
            await context.abort(answer.status, answer.details)
        if isinstance(answer, Wait):
            await self._until_cancelled()
        assert isinstance(answer, Message)
        return answer

    async def stream(self, name: str, request: Any, context: Any) -> AsyncIterator[Message]:
        """Serve a call with a stream."""
        answer = self._next(name, request, context)
        messages = answer.after if isinstance(answer, Refuse) else answer if isinstance(answer, tuple) else ()
        for message in messages:
            yield message
        if isinstance(answer, Refuse):
            await context.abort(answer.status, answer.details)
        if isinstance(answer, Wait) or name == "StreamActivatedJobs":
            await self._until_cancelled()

    async def _until_cancelled(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def _handler(gateway: ScriptedGateway, method: Method) -> Any:
    serialisers: dict[str, Any] = {
        "request_deserializer": method.request.FromString,
        "response_serializer": method.response.SerializeToString,
    }
    if method.streaming:

        async def stream(request: Any, context: Any) -> AsyncIterator[Message]:
            async for message in gateway.stream(method.name, request, context):
                yield message

        return grpc.unary_stream_rpc_method_handler(stream, **serialisers)

    async def unary(request: Any, context: Any) -> Message:
        return await gateway.unary(method.name, request, context)

    return grpc.unary_unary_rpc_method_handler(unary, **serialisers)


@asynccontextmanager
async def scripted_gateway(address: str = "127.0.0.1:0") -> AsyncGenerator[ScriptedGateway]:
    """Run a gateway on a free port of the loopback interface."""
    gateway = ScriptedGateway()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 8 * 1024 * 1024)])
    handlers = {name: _handler(gateway, method) for name, method in METHODS.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    host = address.rpartition(":")[0]
    gateway.address = f"{host}:{server.add_insecure_port(address)}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(0)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; ``body`` is sent as JSON unless it is bytes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0


@dataclass(frozen=True)
class Asked:
    """An HTTP request that came in."""

    method: str
    path: str
    query: str
    body: Any
    headers: dict[str, str]


def problem(status: int, title: str, detail: str) -> Reply:
    """An error as Camunda's REST API words it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": "/v2"}
    return Reply(status, body, {"content-type": "application/problem+json"})


@dataclass
class ScriptedRest:
    """A REST API whose answers are given in order, per method and path; the last one is repeated."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    _replies: dict[str, list[Reply | Callable[[Asked], Reply]]] = field(
        default_factory=lambda: defaultdict[str, list[Reply | Callable[[Asked], Reply]]](list)
    )

    def script(self, call: str, *replies: Reply | Callable[[Asked], Reply]) -> None:
        """What ``METHOD /path`` answers from now on."""
        self._replies[call] = list(replies)

    async def serve(self, request: Request) -> Response:
        """Answer one request."""
        raw = await request.body()
        json_body = raw and request.headers.get("content-type", "").startswith("application/json")
        asked = Asked(request.method, request.url.path, request.url.query, json.loads(raw) if json_body else raw, dict(request.headers))
        self.asked.append(asked)
        replies = self._replies[f"{asked.method} {asked.path}"]
        if not replies:
            return Response(b"nothing here", status_code=404)
        found = replies.pop(0) if len(replies) > 1 else replies[0]
        reply = found(asked) if callable(found) else found
        await asyncio.sleep(reply.delay)
        content = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(reply.body).encode()
        return Response(content, status_code=reply.status, headers={"content-type": "application/json", **reply.headers})


@asynccontextmanager
async def scripted_rest() -> AsyncGenerator[ScriptedRest]:
    """Run a REST API on a free port of the loopback interface."""
    rest = ScriptedRest()
    app = Starlette(routes=[Route("/{path:path}", rest.serve, methods=["GET", "POST", "PATCH", "DELETE", "PUT"])])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    # Signals belong to the test runner.
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.005)
            assert not task.done()
        rest.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield rest
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
