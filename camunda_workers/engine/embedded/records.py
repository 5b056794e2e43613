"""Reads the engine's log, a batch at a time: every record once, as the JSON that Zeebe's exporters give."""

from __future__ import annotations

import asyncio
from typing import Any

from camunda_workers.engine.embedded.homes import PARTITION
from camunda_workers.engine.embedded.java import in_java_thread, java_class, jpype
from camunda_workers.engine.embedded.outbox import Bell


class LogRecords:
    """The engine's records in order; a record source (``events``) that remembers nothing but where its reader stands.

    Reading on from the last position costs what is new; reading from an earlier one seeks. One reader serves one consumer at a time:
    calls wait for each other.
    """

    def __init__(self, log: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._reader: Any = log.newLogStreamReader()
        self._end: Any = log.newLogStreamReader()
        self._lines: Any = java_class("camunda_workers.Records")(self._reader, PARTITION)
        self._at = -1
        self._lock = asyncio.Lock()
        self._waiters: set[asyncio.Event] = set()
        self._bell = Bell(loop, self._wake)
        self._listener: Any = java_class("camunda_workers.LogBell")(self._bell.java)
        log.registerRecordAvailableListener(self._listener)

    async def read(self, after: int = 0, limit: int = 1000) -> list[str]:
        """Return up to ``limit`` records with a position above ``after``, as JSON texts in order; none is an empty list."""
        async with self._lock:
            reading = asyncio.ensure_future(in_java_thread(self._read, after, limit))
            try:
                return await asyncio.shield(reading)
            except asyncio.CancelledError:
                await asyncio.wait([reading])  # a thread cannot be cancelled, and nobody else may move its reader meanwhile
                raise

    async def first_position(self) -> int | None:
        """Return the position of the first record that is still there; None when there is none."""
        async with self._lock:
            return await in_java_thread(self._first)

    async def last_position(self) -> int:
        """Return the position of the last record that there is now; 0 when there is none."""
        return max(0, int(self._end.seekToEnd()))

    async def wait(self, after: int, timeout: float) -> bool:
        """Wait until the log holds a record above ``after``; False when ``timeout`` seconds pass first."""
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    event.clear()
                    self._listener.arm()  # before looking: what comes between looking and waiting rings too
                    if await self._has_more(after):
                        break
                    await event.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(event)

    def close(self) -> None:
        """Let go of the reader."""
        self._bell.silence()
        self._log.removeRecordAvailableListener(self._listener)
        self._reader.close()
        self._end.close()

    def _wake(self) -> None:
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

    def _first(self) -> int | None:
        self._at = -1
        self._reader.seekToFirstEvent()
        return int(self._reader.next().getPosition()) if self._reader.hasNext() else None

    def _read(self, after: int, limit: int) -> list[str]:
        self._seek(after)
        lines = bytes(memoryview(self._lines.read(limit)).cast("B")).decode()
        if not lines:
            return []
        self._at = int(self._lines.position())
        return lines.removesuffix("\n").split("\n")
