"""As much of HTTP/2 as a gRPC server needs that answers every call the same way: fast enough never to be what a benchmark measures.

A server made of grpc.aio costs as much CPU as the client it is to measure. This one reads no headers at all: the gateway's messages tell by
themselves what is asked for. Flow control is kept, because a worker that takes no more jobs holds the sender back with it.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW = 65_535
LARGEST_FRAME = 16_384
RETURN_AFTER = 32_768
"""Bytes received before their room in the window is given back."""

# Literal header fields without indexing: no state is shared with the other side, so they are the same bytes every time.
HEAD = b"\x88" + b"\x0f\x10\x10application/grpc"
TRAILERS = b"\x00\x0bgrpc-status\x010"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def message(body: bytes) -> bytes:
    """A gRPC message."""
    return b"\0" + len(body).to_bytes(4, "big") + body


@dataclass
class Call:
    """One call of a client: its request, and a way to answer."""

    connection: Connection
    stream: int
    window: int
    request: bytearray = field(default_factory=bytearray)
    headed: bool = False
    open: bool = True
    waiting: deque[bytes] = field(default_factory=deque[bytes])
    ended: bool = False
    on_room: Callable[[], None] | None = None

    def send(self, body: bytes) -> None:
        """Send one message, as soon as the client has room for it."""
        if not self.headed:
            self.headed = True
            self.connection.write(frame(HEADERS, END_HEADERS, self.stream, HEAD))
        whole = message(body)
        self.waiting.extend(whole[start : start + LARGEST_FRAME] for start in range(0, len(whole), LARGEST_FRAME))
        self.connection.flush(self)

    def end(self) -> None:
        """Send the status OK after everything else."""
        self.ended = True
        self.connection.flush(self)

    def answer(self, body: bytes) -> None:
        """Send one message and the status."""
        self.send(body)
        self.end()


class Connection(asyncio.Protocol):
    """A client's connection; hands over each call when its request is complete.

    Args:
        called: takes a call whose request is complete.
    """

    def __init__(self, called: Callable[[Call], None]) -> None:
        self._called = called
        self._calls: dict[int, Call] = {}
        self._buffer = bytearray()
        self._greeted = False
        self._window = INITIAL_WINDOW
        self._first_window = INITIAL_WINDOW
        self._received = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write(frame(SETTINGS, 0, 0))

    def connection_lost(self, exc: Exception | None) -> None:
        for call in self._calls.values():
            call.open = False
        self._transport = None

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._greeted:
            if len(self._buffer) < len(PREFACE):
                return
            del self._buffer[: len(PREFACE)]
            self._greeted = True
        position, buffer = 0, self._buffer
        while len(buffer) - position >= 9:
            length = int.from_bytes(buffer[position : position + 3], "big")
            if len(buffer) - position < 9 + length:
                break
            stream = int.from_bytes(buffer[position + 5 : position + 9], "big") & 0x7FFFFFFF
            self._frame(buffer[position + 3], buffer[position + 4], stream, bytes(buffer[position + 9 : position + 9 + length]))
            position += 9 + length
        del buffer[:position]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS:
            self._calls[stream] = Call(self, stream, self._first_window)
        elif kind == DATA:
            self._data(flags, stream, payload)
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == 4:
                    for call in self._calls.values():
                        call.window += value - self._first_window
                    self._first_window = value
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._room(stream, int.from_bytes(payload, "big"))
        elif kind == RST_STREAM and (call := self._calls.pop(stream, None)) is not None:
            call.open = False

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        self._received += len(payload)
        if self._received >= RETURN_AFTER:
            self.write(frame(WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0
        if (call := self._calls.get(stream)) is not None:
            call.request += payload
            if flags & END_STREAM:
                self._called(call)

    def _room(self, stream: int, more: int) -> None:
        if stream == 0:
            self._window += more
            waiting = list(self._calls.values())
        else:
            waiting = [call for call in (self._calls.get(stream),) if call is not None]
            for call in waiting:
                call.window += more
        for call in waiting:
            self.flush(call)
            if call.on_room is not None:
                call.on_room()

    def flush(self, call: Call) -> None:
        """Send of a call's answer what the windows allow."""
        sent: list[bytes] = []
        while call.waiting and call.open and len(call.waiting[0]) <= min(call.window, self._window):
            part = call.waiting.popleft()
            call.window -= len(part)
            self._window -= len(part)
            sent.append(frame(DATA, 0, call.stream, part))
        if call.ended and call.open and not call.waiting:
            call.open = False
            self._calls.pop(call.stream, None)
            sent.append(frame(HEADERS, END_STREAM | END_HEADERS, call.stream, TRAILERS))
        if sent:
            self.write(b"".join(sent))
