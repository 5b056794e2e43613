"""The REST face below its operations: heads that never end, requests that offer another protocol, and which operation a path finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import pytest
from starlette.routing import Match
from starlette.types import Scope

from camunda_workers.engine.embedded.engine import EmbeddedEngine

pytestmark = pytest.mark.engine

HEALTH = b"GET /actuator/health HTTP/1.1\r\nHost: engine\r\n"


class Line:
    """One connection, spoken to in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def status(self) -> int:
        """Return the next answer's status; its body is read too."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
            await self.reader.readexactly(length)
        return int(head.split(b" ", 2)[1])


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with EmbeddedEngine(rest_port=0) as engine:
        host, _, port = engine.rest_address.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        yield Line(reader, writer)
        writer.close()


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(HEALTH + b"X-Long: ", id="one header"),
        pytest.param(
            b"POST /v2/nowhere HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Long: ",
            id="a trailer",
        ),
    ],
)
async def test_a_head_that_never_ends_ends_its_connection(line: Line, beginning: bytes) -> None:
    line.writer.write(beginning)
    answered = asyncio.ensure_future(line.reader.read())
    sent = 0
    while not answered.done() and sent < 64 * 1024 * 1024:
        line.writer.write(b"x" * 16_384)
        sent += 16_384
        try:
            await line.writer.drain()
        except ConnectionError:
            break
    async with asyncio.timeout(10):
        with suppress(ConnectionError):  # closed with our bytes unread
            assert b" 40" in await answered
    assert sent < 16 * 1024 * 1024, "megabytes of a head were taken"


async def test_who_offers_another_protocol_is_answered_in_this_one(line: Line) -> None:
    # Java's own client does so with every first request.
    line.writer.write(HEALTH + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n\r\n")
    assert await line.status() == 200
    line.writer.write(HEALTH + b"\r\n")
    assert await line.status() == 200, "the connection was of no use after that"


async def test_the_table_finds_what_asking_each_operation_finds() -> None:
    async with EmbeddedEngine():  # some of the modules need Java
        from camunda_workers.engine.embedded.rest.app import OPERATIONS
        from camunda_workers.engine.embedded.rest.table import Table
    routes = [operation.route() for operation in sorted(OPERATIONS, key=lambda operation: operation.path.count("{"))]
    table = Table(routes)
    assert not [route.path for route in routes if route.path.split("/")[2].startswith("{")]
    paths = [route.path.replace("{", "").replace("}", "") for route in routes] + ["/v2", "/v2/", "/", "/v2/jobs/", "/v2/nothing/at/all"]
    for path in paths:
        for method in ("GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"):
            scope: Scope = {"type": "http", "method": method, "path": path, "root_path": ""}
            found = [(route, *route.matches(scope)) for route in routes]
            nothing = None, Match.NONE, cast(Scope, {})
            route, match, child = next((one for wanted in (Match.FULL, Match.PARTIAL) for one in found if one[1] is wanted), nothing)
            given, of = table.matches(scope)
            assert given is match
            assert of.get("served") is route
            assert of.get("path_params") == child.get("path_params")
