"""Takes what the engine's threads have to tell (``java_side/…/Outbox.java``) to the event loop, many messages with one wake-up."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from camunda_workers.engine.embedded.java import java_class, jpype

ANSWER = 1
WORK_AVAILABLE = 2
JOB = 3

_HEAD = struct.Struct(">iB")
_log = logging.getLogger(__name__)


class Bell:
    """Has a function called in the event loop when Java rings, until it is told :meth:`silence`.

    Java writes to a pipe that the loop watches (``java_side/…/Bell.java``). Where that cannot be, it calls Python, which waits for the global lock.

    Attributes:
        java: a Java ``Runnable`` that may be run on any thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._pipe: int | None = None
        self.java: Any = self._piped() or _runnable_class()(functools.partial(_call_soon, loop, wake))

    def silence(self) -> None:
        """Let go of everything; belongs to the event loop."""
        self._wake = _nothing
        if self._pipe is None:
            self.java.silence()
            return
        pipe, self._pipe = self._pipe, None
        self._loop.remove_reader(pipe)
        self.java.close()
        os.close(pipe)

    def _piped(self) -> Any:
        if sys.platform == "win32":
            return None  # its loop watches no pipes
        read, write = os.pipe()
        try:
            os.set_blocking(read, False)
            rung = java_class("camunda_workers.Bell")(f"/dev/fd/{write}")
            self._loop.add_reader(read, self._rung)
        except (OSError, NotImplementedError, jpype.JException):
            os.close(read)
            return None
        finally:
            os.close(write)
        self._pipe = read
        return rung

    def _rung(self) -> None:
        if self._pipe is None:
            return
        with suppress(BlockingIOError):
            os.read(self._pipe, 4096)
        self._wake()


@functools.cache
def _runnable_class() -> Any:
    @jpype.JImplements("java.lang.Runnable")
    class Rung:
        """Rung by Java, on any thread."""

        def __init__(self, ring: Callable[[], None]) -> None:
            self._ring = ring

        @jpype.JOverride
        def run(self) -> None:
            self._ring()

        def silence(self) -> None:
            """Let go of what it calls: no garbage collector sees a circle that goes through both heaps."""
            self._ring = _nothing

    return Rung


def _nothing() -> None:
    return


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more


class Outbox:
    """Messages from Java, given to the handler of their kind in the event loop, in order.

    Attributes:
        java: the Java outbox, for the Java classes that write to it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handlers: dict[int, Callable[[bytes], None]] = {}
        self._hold: Callable[[Callable[[], None]], None] | None = None
        self._bell = Bell(loop, self._take)
        self.java: Any = java_class("camunda_workers.Outbox")(self._bell.java)

    def on(self, kind: int, handler: Callable[[bytes], None]) -> None:
        """Have messages of this kind given to the handler."""
        self._handlers[kind] = handler

    def hold_until(self, when: Callable[[Callable[[], None]], None]) -> None:
        """Hold messages back until this calls back, in order; a durable engine waits so until what it tells is on disk."""
        self._hold = when

    def close(self) -> None:
        """Take no more messages."""
        self._bell.silence()
        self._handlers.clear()

    def _take(self) -> None:
        messages = bytes(memoryview(self.java.take()).cast("B"))
        if self._hold is None:
            self._handle(messages)
        elif messages:
            self._hold(lambda: _call_soon(self._loop, functools.partial(self._handle, messages)))

    def _handle(self, messages: bytes) -> None:
        at = 0
        while at < len(messages):
            length, kind = _HEAD.unpack_from(messages, at)
            body = messages[at + _HEAD.size : at + 4 + length]
            at += 4 + length
            try:
                if (handler := self._handlers.get(kind)) is not None:
                    handler(body)
            except Exception:
                _log.exception("a message of the engine could not be handled")  # the ones behind it must not wait for ever
