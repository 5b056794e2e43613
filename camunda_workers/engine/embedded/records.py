"""Reads the engine's log, a batch at a time: every record once, as the JSON that Zeebe's exporters give."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from camunda_workers.engine.embedded.homes import PARTITION
from camunda_workers.engine.embedded.java import ZEEBE, in_java_thread, jpype, zeebe


@functools.cache
def _listener_class() -> Any:
    @jpype.JImplements(ZEEBE + "logstreams.log.LogRecordAwaiter")
    class Listener:
        """Told on the engine's thread whenever the log has grown; says so to the event loop once until it has looked."""

        def __init__(self, records: LogRecords) -> None:
            self._records = records

        @jpype.JOverride
        def onRecordAvailable(self) -> None:
            self._records.grown()

    return Listener


class LogRecords:
    """The engine's records in order; a record source (``events``) that remembers nothing but where its reader stands.

    Reading on from the last position costs what is new; reading from an earlier one seeks. One reader serves one consumer at a time:
    calls wait for each other.
    """

    def __init__(self, log: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop
        self._reader: Any = log.newLogStreamReader()
        self._copy: Any = zeebe("stream.impl.records.CopiedRecords").createCopiedRecord
        self._at = -1
        self._lock = asyncio.Lock()
        self._pending = False
        self._waiters: set[asyncio.Event] = set()
        self._listener: Any = _listener_class()(self)
        log.registerRecordAvailableListener(self._listener)

    async def read(self, after: int = 0, limit: int = 1000) -> list[str]:
        """Return up to ``limit`` records with a position above ``after``, as JSON texts in order; none is an empty list."""
        async with self._lock:
            return await in_java_thread(self._read, after, limit)

    async def wait(self, after: int, timeout: float) -> bool:
        """Wait until the log holds a record above ``after``; False when ``timeout`` seconds pass first."""
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            async with asyncio.timeout(timeout):
                while not await self._has_more(after):
                    await event.wait()
                    event.clear()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(event)

    def grown(self) -> None:
        """Note, on any thread, that the log has grown."""
        if not self._pending and self._waiters:
            self._pending = True
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                return  # the loop is closed

    def close(self) -> None:
        """Let go of the reader."""
        self._log.removeRecordAvailableListener(self._listener)
        self._reader.close()

    def _wake(self) -> None:
        self._pending = False
        for event in self._waiters:
            event.set()

    async def _has_more(self, after: int) -> bool:
        async with self._lock:
            self._seek(after)
            return bool(self._reader.hasNext())

    def _seek(self, after: int) -> None:
        if after != self._at:
            if after <= 0:
                self._reader.seekToFirstEvent()
            else:
                self._reader.seekToNextEvent(jpype.JLong(after))
            self._at = after

    def _read(self, after: int, limit: int) -> list[str]:
        self._seek(after)
        reader, copy = self._reader, self._copy
        found: list[str] = []
        position = after
        while len(found) < limit and reader.hasNext():
            event = reader.next()
            position = int(event.getPosition())
            found.append(str(copy(PARTITION, event).toJson()))
        self._at = position
        return found
