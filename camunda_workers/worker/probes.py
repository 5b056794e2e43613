"""Liveness, readiness and metrics over HTTP, for Kubernetes, systemd and Prometheus: a few lines of asyncio, no web framework."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Self

from camunda_workers.errors import ConfigurationError

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

Endpoint = Callable[[], Awaitable[Answer]]

JSON: Final = "application/json"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"

_REASONS: Final = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    400: "Bad Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_PATIENCE: Final = 5.0
_LONGEST_REQUEST: Final = 16 * 1024


class Probes:
    """Serves endpoints while its ``async with`` block runs.

    Args:
        endpoints: path to what answers it.
        host: where to listen.
        port: 0 takes a free one.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], *, host: str, port: int) -> None:
        self._endpoints = endpoints
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=_LONGEST_REQUEST)
        except OSError as error:
            raise ConfigurationError(
                f"port {self._port} on {self._host} cannot be used ({error.strerror}): choose another --port"
            ) from error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                status, kind, body = await self._answer(head)
                lines = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
                writer.write(lines.encode() + (b"" if head.startswith(b"HEAD ") else body))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or does not speak HTTP
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> Answer:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3:
            return 400, JSON, b"{}"
        if words[0] not in ("GET", "HEAD"):
            return 405, JSON, b"{}"
        endpoint = self._endpoints.get(words[1].partition("?")[0])
        if endpoint is None:
            return 404, JSON, json.dumps({"paths": sorted(self._endpoints)}).encode()
        try:
            return await endpoint()
        except Exception as error:
            return 500, JSON, json.dumps({"error": str(error)}).encode()


def live() -> Endpoint:
    """Alive: a blocked loop gives no answer at all, which is what liveness probes notice."""

    async def answer() -> Answer:
        return 200, JSON, b'{"status": "UP"}'

    return answer


def ready(problems: Callable[[], Mapping[str, str]], *others: Callable[[], Awaitable[Mapping[str, str]]]) -> Endpoint:
    """Ready while there are no problems; otherwise 503 with what they are.

    Args:
        problems: the workers'.
        others: further ones that have to be looked up.
    """

    async def answer() -> Answer:
        found = dict(problems())
        for other in others:
            found |= await other()
        status, word = (503, "DOWN") if found else (200, "UP")
        return status, JSON, json.dumps({"status": word, "problems": found}, ensure_ascii=False).encode()

    return answer


def metrics(text: Callable[[], bytes]) -> Endpoint:
    """Metrics in Prometheus' text format."""

    async def answer() -> Answer:
        return 200, PROMETHEUS, text()

    return answer
