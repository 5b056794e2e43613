"""A TCP proxy on loopback that fails as networks do: delays, cuts, black holes, refused connections, replies that get lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import Enum


class Weather(Enum):
    """How the network is."""

    FAIR = "fair"
    BLACK_HOLE = "black hole"
    """Bytes are taken and never arrive, and nobody is told."""
    DOWN = "down"
    """Connections are closed as soon as they are made."""


class FaultProxy:
    """Between a client and a server; `fault_proxy` runs one.

    Attributes:
        address: where clients connect.
        weather: how the network is from now on, for new and old connections alike.
        delay: seconds that each piece of data is held back, in each direction.
        connections: how many were made so far.
        lost_replies: how often the reply of a call was swallowed.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.address = ""
        self.weather = Weather.FAIR
        self.delay = 0.0
        self.connections = 0
        self.lost_replies = 0
        self._open: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._lost: set[asyncio.StreamWriter] = set()
        self._losing = False
        self._sent_after = 0

    def cut(self) -> None:
        """Reset every connection, as a router does that has lost its table."""
        for client, server in list(self._open.items()):
            for writer in (client, server):
                _reset(writer)

    def swallow(self) -> None:
        """Make black holes of the open connections, for ever; new ones get through."""
        self._lost |= set(self._open)

    def lose_next_reply(self) -> None:
        """Let the next call through, swallow what the server says to it, and cut."""
        self._losing = True
        self._sent_after = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.connections += 1
        if self.weather is Weather.DOWN:
            _reset(writer)
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        self._open[writer] = back
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, back, writer, upwards=True))
                group.create_task(self._carry(there, writer, writer, upwards=False))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.pop(writer, None)
            self._lost.discard(writer)
            for one in (writer, back):
                one.close()

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter, *, upwards: bool
    ) -> None:
        while data := await source.read(65_536):
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.weather is Weather.BLACK_HOLE or client in self._lost:
                continue
            if self._losing and upwards:
                self._sent_after += len(data)
            elif self._losing and self._sent_after > 30 and len(data) > 20:
                # Larger than an acknowledgement of the connection itself: this is an answer.
                self._losing = False
                self.lost_replies += 1
                self.cut()
                raise ConnectionResetError
            sink.write(data)
            await sink.drain()
        # One side is done: so is the other.
        raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            # No lingering: the other side sees a reset and not an orderly end.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


@asynccontextmanager
async def fault_proxy(target: str) -> AsyncGenerator[FaultProxy]:
    """Run a proxy to ``host:port`` on a free port of the loopback interface."""
    proxy = FaultProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        for _ in range(50):
            if not proxy._open:  # pyright: ignore[reportPrivateUsage]
                break
            await asyncio.sleep(0.01)
