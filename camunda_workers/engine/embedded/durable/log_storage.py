"""The engine's log in SQLite: a batch is on disk before anybody, the engine included, gets to see it.

Batches are committed in groups by a thread of their own: while one commit waits for the disk the next group gathers. The engine reads
only what has been committed, so a command is durable before it is processed, and therefore before it is answered. Batches that were
committed lately are kept in memory for the readers, who nearly always stand at the end; older ones are read from the file.
"""

from __future__ import annotations

import bisect
import functools
import sqlite3
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from camunda_workers.engine.embedded.java import ZEEBE, jpype, to_java_buffer
from camunda_workers.errors import ReadModelError

_TAIL_BYTES = 16 * 1024 * 1024
"""How much of the log's end stays in memory."""

_CHUNK = 64
"""Batches that a reader fetches from the file at once."""

_RETRY_SECONDS = 0.5

_SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
pragma auto_vacuum = incremental;
create table if not exists batches (low integer primary key, high integer not null, crc integer not null, data blob not null) strict;
"""


class _Tail:
    """The latest committed batches."""

    def __init__(self) -> None:
        self.lows: list[int] = []
        self.highs: list[int] = []
        self.buffers: list[Any] = []
        self._sizes: list[int] = []
        self._bytes = 0

    def add(self, low: int, high: int, buffer: Any, size: int) -> None:
        self.lows.append(low)
        self.highs.append(high)
        self.buffers.append(buffer)
        self._sizes.append(size)
        self._bytes += size
        if self._bytes > 2 * _TAIL_BYTES:
            gone = 0
            while self._bytes > _TAIL_BYTES:
                self._bytes -= self._sizes[gone]
                gone += 1
            for column in (self.lows, self.highs, self.buffers, self._sizes):
                del column[:gone]


class SqliteLog:
    """The storage; :attr:`storage` is what the engine takes for its ``LogStorage``.

    Args:
        path: the database file.
        on_trouble: told when batches cannot be written (with the reason) and when they can again (with None); from another thread.

    Raises:
        ReadModelError: the file is damaged.
    """

    def __init__(self, path: Path, on_trouble: Callable[[str | None], None]) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._pending: list[tuple[int, int, bytes, Any, Any]] = []
        self._listeners: list[Any] = []
        self._tail = _Tail()
        self._delete_below = 0
        self._closing = False
        self._number = 0
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.executescript(_SCHEMA)
            self.committed = int(self._db.execute("select coalesce(max(high), 0) from batches").fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise ReadModelError(f"the engine's log {path} cannot be opened ({error}): restore the folder from a backup") from error
        self.storage: Any = _classes()[0](self)
        self._flusher = threading.Thread(target=self._flush_forever, name="camunda-workers-log", daemon=True)
        self._flusher.start()

    def close(self) -> None:
        """Commit what is pending and close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._flusher.join()
        self._db.close()

    def sync(self) -> None:
        """Return when everything that has been appended is on disk."""
        with self._wake:
            self._wake.wait_for(lambda: not self._pending or self._closing)

    def compact(self, below: int) -> None:
        """Remove batches that end below this position, soon."""
        with self._wake:
            self._delete_below = max(self._delete_below, below)
            self._wake.notify()

    def first_position(self) -> int:
        """Return the first position that is still there, 0 in an empty log."""
        with sqlite3.connect(self._path) as db:
            return int(db.execute("select coalesce(min(low), 0) from batches").fetchone()[0])

    # -- called by the engine ---------------------------------------------------------------------------------------------------

    def append(self, low: int, high: int, writer: Any, listener: Any) -> None:
        """Take a batch; it becomes visible when it is on disk."""
        array = jpype.JArray(jpype.JByte)(int(writer.getLength()))
        buffer = jpype.JClass("org.agrona.concurrent.UnsafeBuffer")(array)
        writer.write(buffer, 0)
        data = bytes(memoryview(array).cast("B"))
        with self._wake:
            self._pending.append((low, high, data, buffer, listener))
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
            tail = self._tail
            if tail.highs and position >= tail.lows[0]:
                index = bisect.bisect_left(tail.highs, position)
                return list(zip(tail.highs[index : index + _CHUNK], tail.buffers[index : index + _CHUNK], strict=True))
            if position > self.committed:
                return []
        return self._find_on_disk(position)

    def _find_on_disk(self, position: int) -> list[tuple[int, Any]]:
        query = "select low, high, crc, data from batches where low >= (select coalesce(max(low), 0) from batches where low <= ?) order by low limit ?"
        db = sqlite3.connect(self._path)
        try:
            rows = db.execute(query, (position, _CHUNK)).fetchall()
        finally:
            db.close()
        found: list[tuple[int, Any]] = []
        for low, high, crc, data in rows:
            if zlib.crc32(data) != crc:
                raise ReadModelError(f"the engine's log {self._path} is damaged at position {low}: restore the folder from a backup")
            if high >= position:
                found.append((high, to_java_buffer(data)))
        return found

    # -- the committing thread --------------------------------------------------------------------------------------------------

    def _flush_forever(self) -> None:
        troubled = False
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closing or self._delete_below)
                group, below = list(self._pending), self._delete_below
                if self._closing and (not group or troubled):
                    return
            try:
                self._commit(group, below)
            except sqlite3.Error as error:
                troubled = True
                self._on_trouble(f"the engine's log {self._path} cannot be written: {error}")
                with self._wake:
                    self._wake.wait_for(lambda: self._closing, _RETRY_SECONDS)
                continue
            if troubled:
                troubled = False
                self._on_trouble(None)
            self._publish(group, below)

    def _commit(self, group: list[tuple[int, int, bytes, Any, Any]], below: int) -> None:
        self._db.execute("begin immediate")
        try:
            rows = [(low, high, zlib.crc32(data), data) for low, high, data, _, _ in group]
            self._db.executemany("insert into batches values (?, ?, ?, ?)", rows)
            if below:
                self._db.execute("delete from batches where high < ?", (below,))
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            raise
        if below:
            self._db.execute("pragma incremental_vacuum(2000)").fetchall()

    def _publish(self, group: list[tuple[int, int, bytes, Any, Any]], below: int) -> None:
        with self._wake:
            del self._pending[: len(group)]
            if self._delete_below == below:
                self._delete_below = 0
            for low, high, data, buffer, _ in group:
                self._tail.add(low, high, buffer, len(data))
                self.committed = high
            self._wake.notify_all()
        first = self._number
        for _, high, _, _, listener in group:
            listener.onCommit(jpype.JLong(first), jpype.JLong(high))
        for listener in self._listeners:
            listener.onCommit()


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
            self._batches, self._at = self._log.find(self._next), 0

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
