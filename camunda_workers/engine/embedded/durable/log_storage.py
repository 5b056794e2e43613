"""The engine's ``LogStorage`` on a file: a batch is on disk before anybody, the engine included, gets to see it.

Batches are committed in groups by a thread of their own: while one commit waits for the disk the next group gathers. The engine reads
only what has been committed, so a command is durable before it is processed. What the engine then says of it (an answer, a job pushed to a
worker) waits for :meth:`SqliteLog.when_on_disk`, so that the events behind it are durable too: keys that somebody was told stay true.
Batches that were committed lately are kept in memory for the readers, who nearly always stand at the end; older ones are read from the file.
"""

from __future__ import annotations

import bisect
import functools
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from camunda_workers.engine.embedded.durable.log_file import Batch, LogFile
from camunda_workers.engine.embedded.java import ZEEBE, java_class, jpype, to_java_buffer
from camunda_workers.errors import BackPressure

_logger = logging.getLogger(__name__)

_TAIL_BYTES = 16 * 1024 * 1024
_TAIL_BATCHES = 20_000
"""How much of the log's end stays in memory."""

_CHUNK = 64
"""Batches that a reader takes from memory at once."""

_RETRY_SECONDS = 0.5


class _Pending(NamedTuple):
    batch: Batch
    buffer: Any
    listener: Any


class _Tail:
    """The latest committed batches."""

    def __init__(self) -> None:
        self.lows: list[int] = []
        self.highs: list[int] = []
        self.buffers: list[Any] = []
        self._sizes: list[int] = []
        self._bytes = 0

    def add(self, batch: Batch, buffer: Any) -> None:
        self.lows.append(batch.low)
        self.highs.append(batch.high)
        self.buffers.append(buffer)
        self._sizes.append(len(batch.data))
        self._bytes += len(batch.data)
        if self._bytes > 2 * _TAIL_BYTES or len(self.lows) > 2 * _TAIL_BATCHES:
            gone = 0
            while self._bytes > _TAIL_BYTES or len(self.lows) - gone > _TAIL_BATCHES:
                self._bytes -= self._sizes[gone]
                gone += 1
            for column in (self.lows, self.highs, self.buffers, self._sizes):
                del column[:gone]

    def find(self, position: int) -> list[tuple[int, Any]] | None:
        """Return batches from the one that holds the position on, None when memory does not reach back so far."""
        if not self.lows or position < self.lows[0]:
            return None
        index = bisect.bisect_left(self.highs, position)
        return list(zip(self.highs[index : index + _CHUNK], self.buffers[index : index + _CHUNK], strict=True))


class SqliteLog:
    """The storage; :attr:`storage` is what the engine takes for its ``LogStorage``.

    Args:
        path: the database file.
        on_trouble: told when batches cannot be written (with the reason) and when they can again (with None); from another thread.

    Attributes:
        file: the log as a file.
        committed: the last position that is on disk and can be read.

    Raises:
        ReadModelError: the file is damaged.
    """

    def __init__(self, path: Path, on_trouble: Callable[[str | None], None]) -> None:
        self.file = LogFile(path)
        self._path = path
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._on_disk = threading.Condition(self._lock)
        self._pending: list[_Pending] = []
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._delivering = False
        self._listeners: list[Any] = []
        self._tail = _Tail()
        self.committed = self._appended = self.file.committed
        self._delete_below = 0
        self._closing = False
        self._trouble: str | None = None
        self._number = 0
        self.storage: Any = _classes()[0](self)
        self._flusher = threading.Thread(target=self._flush_forever, name="camunda-workers-log", daemon=True)
        self._flusher.start()

    def close(self) -> None:
        """Commit what is pending and close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._flusher.join()
        self.file.close()

    def sync(self, timeout: float = 30.0) -> None:
        """Return when everything that has been appended until now is on disk.

        Raises:
            BackPressure: it cannot be written, or not in time.
        """
        with self._wake:
            target = self._appended
            self._on_disk.wait_for(lambda: self.committed >= target or self._closing or self._trouble is not None, timeout)
            if self.committed < target:
                raise BackPressure(self._trouble or f"the engine's log {self._path} could not be written in {timeout:g} s")

    def when_on_disk(self, then: Callable[[], None]) -> None:
        """Call back, in order, when everything that has been appended until now is on disk: at once, or from the committing thread."""
        with self._lock:
            if self.committed < self._appended or self._delivering:
                self._waiting.append((self._appended, then))
                return
        then()

    def compact(self, below: int) -> None:
        """Remove batches that end below this position, soon."""
        with self._wake:
            self._delete_below = max(self._delete_below, below)
            self._wake.notify()

    # -- called by the engine ---------------------------------------------------------------------------------------------------

    def append(self, low: int, high: int, writer: Any, listener: Any) -> None:
        """Take a batch; it becomes visible when it is on disk."""
        array = jpype.JArray(jpype.JByte)(int(writer.getLength()))
        buffer = java_class("org.agrona.concurrent.UnsafeBuffer")(array)
        writer.write(buffer, 0)
        batch = Batch(low, high, bytes(memoryview(array).cast("B")))
        with self._wake:
            if low != self._appended + 1:
                raise ValueError(f"records {low} to {high} do not follow {self._appended}: they would leave a gap in the log")
            self._pending.append(_Pending(batch, buffer, listener))
            self._appended = high
            self._number += 1
            number = self._number
            self._wake.notify()
        listener.onWrite(jpype.JLong(number), jpype.JLong(high))

    def add_listener(self, listener: Any) -> None:
        """Tell this listener about commits."""
        self._listeners = [*self._listeners, listener]

    def remove_listener(self, listener: Any) -> None:
        """Tell it no more."""
        self._listeners = [known for known in self._listeners if not known.equals(listener)]

    def find(self, position: int) -> list[tuple[int, Any]]:
        """Return batches from the one that holds the position (or the first after it) on, with their last positions; [] at the end."""
        with self._lock:
            found = self._tail.find(position)
            if found is not None:
                return found
            if position > self.committed:
                return []
        return [(batch.high, to_java_buffer(batch.data)) for batch in self.file.read(position)]

    # -- the committing thread --------------------------------------------------------------------------------------------------

    def _flush_forever(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closing or self._delete_below)
                group, below = list(self._pending), self._delete_below
                if self._closing and (not group or self._trouble is not None):
                    return
            try:
                if group:
                    self.file.append([pending.batch for pending in group])
                    self._publish(group)
                if below and not self.file.delete_some_below(below):
                    self._deleted(below)
            except (sqlite3.Error, OSError) as error:
                self._tell(f"the engine's log {self._path} cannot be written: {error}")
                with self._wake:
                    self._wake.wait_for(lambda: self._closing, _RETRY_SECONDS)
            else:
                self._tell(None)

    def _tell(self, trouble: str | None) -> None:
        with self._lock:
            if trouble == self._trouble:
                return
            self._trouble = trouble
            self._on_disk.notify_all()
        try:
            self._on_trouble(trouble)
        except RuntimeError:
            _logger.warning("nobody is left to be told: %s", trouble)  # the event loop is closed

    def _deleted(self, below: int) -> None:
        with self._lock:
            if self._delete_below == below:
                self._delete_below = 0

    def _publish(self, group: list[_Pending]) -> None:
        with self._lock:
            del self._pending[: len(group)]
            for pending in group:
                self._tail.add(pending.batch, pending.buffer)
            self.committed = group[-1].batch.high
            self._on_disk.notify_all()
            number = self._number
        for pending in group:
            _guarded(lambda pending=pending: pending.listener.onCommit(jpype.JLong(number), jpype.JLong(pending.batch.high)))
        for listener in self._listeners:
            _guarded(listener.onCommit)
        while ready := self._ready():
            for then in ready:
                _guarded(then)

    def _ready(self) -> list[Callable[[], None]]:
        ready: list[Callable[[], None]] = []
        with self._lock:
            while self._waiting and self._waiting[0][0] <= self.committed:
                ready.append(self._waiting.popleft()[1])
            self._delivering = bool(ready)
        return ready


def _guarded(call: Callable[[], None]) -> None:
    # The thread that commits outlives whoever listens to it.
    try:
        call()
    except Exception:
        _logger.exception("a listener of the engine's log failed")


@functools.cache
def _classes() -> tuple[Any, Any]:
    @jpype.JImplements(ZEEBE + "logstreams.storage.LogStorage")
    class Storage:
        """``LogStorage``, called by the engine's threads and by whoever writes commands."""

        def __init__(self, log: SqliteLog) -> None:
            self._log = log

        @jpype.JOverride
        def newReader(self) -> Any:
            return Reader(self._log)

        @jpype.JOverride
        def append(self, low: Any, high: Any, what: Any, listener: Any) -> None:
            self._log.append(int(low), int(high), what, listener)

        @jpype.JOverride
        def addCommitListener(self, listener: Any) -> None:
            self._log.add_listener(listener)

        @jpype.JOverride
        def removeCommitListener(self, listener: Any) -> None:
            self._log.remove_listener(listener)

    @jpype.JImplements(ZEEBE + "logstreams.storage.LogStorageReader")
    class Reader:
        """``LogStorageReader``: one place in the log."""

        def __init__(self, log: SqliteLog) -> None:
            self._log = log
            self._next = 0
            self._batches: list[tuple[int, Any]] = []
            self._at = 0

        @jpype.JOverride
        def seek(self, position: Any) -> None:
            # A position beyond the end means the last batch: that is how the engine finds out where the log ends.
            self._next = min(int(position), self._log.committed)
            self._batches, self._at = [], 0

        @jpype.JOverride
        def hasNext(self) -> bool:
            if self._at < len(self._batches):
                return True
            self._batches, self._at = self._log.find(self._next), 0
            return bool(self._batches)

        @jpype.JOverride
        def next(self) -> Any:
            if not self.hasNext():
                raise jpype.JClass("java.util.NoSuchElementException")
            high, buffer = self._batches[self._at]
            self._at += 1
            self._next = high + 1
            return buffer

        @jpype.JOverride
        def close(self) -> None:
            self._batches = []

    return Storage, Reader
