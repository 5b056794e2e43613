"""Takes what the engine's threads have to tell (``java_side/…/Outbox.java``) to the event loop, many messages with one wake-up."""

from __future__ import annotations

import asyncio
import functools
import logging
import struct
from collections.abc import Callable
from typing import Any

from camunda_workers.engine.embedded.java import java_class, jpype

ANSWER = 1
WORK_AVAILABLE = 2
JOB = 3

_HEAD = struct.Struct(">iB")
_log = logging.getLogger(__name__)


@functools.cache
def _bell_class() -> Any:
    @jpype.JImplements("java.lang.Runnable")
    class Bell:
        """Rung by Java, on any thread."""

        def __init__(self, ring: Callable[[], None]) -> None:
            self._ring = ring

        @jpype.JOverride
        def run(self) -> None:
            self._ring()

        def silence(self) -> None:
            """Let go of what it calls: no garbage collector sees a circle that goes through both heaps."""
            self._ring = _nothing

    return Bell


def _nothing() -> None:
    return


def bell(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> Any:
    """Return a Java ``Runnable`` that has ``wake`` called in the event loop, until it is told ``silence()``."""
    return _bell_class()(functools.partial(_call_soon, loop, wake))


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
        self._bell: Any = bell(loop, self._take)
        self.java: Any = java_class("camunda_workers.Outbox")(self._bell)

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
