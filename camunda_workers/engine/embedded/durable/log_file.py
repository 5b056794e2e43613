"""The engine's log as a file: batches of records in SQLite, each with a checksum, and a mark that says how far the log once went.

SQLite makes a group of batches appear whole or not at all, and its write-ahead log is synced at every commit. What it does not do is notice
that something is gone: a write-ahead log with a changed bit, or one that somebody forgot to copy, is taken for shorter than it was. Hence the
mark, written after each commit: a log that ends before it has lost what was acknowledged, and is refused.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from camunda_workers.errors import ReadModelError

T = TypeVar("T")

_CHUNK_BATCHES = 256
_CHUNK_BYTES = 1 << 20
"""What is read at once: so many batches or bytes, at least one batch."""

_SCHEMA = """
pragma auto_vacuum = incremental;
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists batches (low integer primary key, high integer not null, crc integer not null, data blob not null) strict;
"""

_CLEAN_BATCHES = 200
_CLEAN_PAGES = 200
"""How much is cleaned away at once: a commit that waits for it must not wait long."""


class Batch(NamedTuple):
    """Records that were appended together: the positions of the first and the last, and their bytes."""

    low: int
    high: int
    data: bytes


class LogFile:
    """The file; one writes it at a time, any thread may read.

    Args:
        path: the database file; the mark is beside it.
        writable: False to look at a log that another process may be writing.

    Attributes:
        committed: the last position on disk, 0 when there is none.

    Raises:
        ReadModelError: the file is damaged, or has lost its end.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.mark = Mark(path.with_suffix(".mark"))
        self._writer: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        try:
            if writable:
                self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                self._writer.executescript(_SCHEMA)
            self._reader = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
            self.committed = self._one("select coalesce(max(high), 0) from batches")
        except sqlite3.Error as error:
            self._close_connections()
            raise self._damaged(f"cannot be opened ({error})") from error
        marked = self.mark.read()
        if self.committed < marked:
            self._close_connections()
            raise self._damaged(
                f"ends at position {self.committed}, but {marked} was acknowledged",
                f", or remove {self.mark.path} to go on without the rest",
            )

    def close(self) -> None:
        """Let go of the file."""
        self.mark.close()
        self._close_connections()

    def first_position(self) -> int:
        """Return the first position that is still there, 0 in an empty log."""
        return self._one("select coalesce(min(low), 0) from batches")

    def append(self, batches: Sequence[Batch]) -> None:
        """Put batches on disk, all or none; on the return they survive a power cut.

        Raises:
            sqlite3.Error: they could not be written, and are not there.
        """
        rows = [(batch.low, batch.high, _checksum(batch), batch.data) for batch in batches]
        self._change(lambda writer: writer.executemany("insert into batches values (?, ?, ?, ?)", rows))
        self.committed = batches[-1].high
        self.mark.write(self.committed)

    def delete_some_below(self, position: int) -> bool:
        """Remove a few of the batches that end below a position, the first ones first; False when none is left to remove.

        Raises:
            sqlite3.Error: that could not be written.
        """
        some = "delete from batches where low in (select low from batches where high < ? order by low limit ?)"
        gone = self._change(lambda writer: writer.execute(some, (position, _CLEAN_BATCHES)).rowcount)
        assert self._writer is not None
        # As a script: of a statement without result columns, execute() takes one step, here one page.
        self._writer.executescript(f"pragma incremental_vacuum({_CLEAN_PAGES})")
        return gone == _CLEAN_BATCHES

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        writer = self._writer
        assert writer is not None, "opened for reading"
        writer.execute("begin immediate")
        try:
            result = work(writer)
            writer.execute("commit")
        except BaseException:
            if writer.in_transaction:
                writer.execute("rollback")
            raise
        return result

    def read(self, position: int) -> list[Batch]:
        """Return some batches in order from the one that holds the position (or else the first after it) on; none at the end.

        Raises:
            ReadModelError: one of them is not as it was written; the text names its position.
        """
        query = (
            "select low, high, crc, data from batches "
            "where low >= (select coalesce(max(low), 0) from batches where low <= ?) and high >= ? order by low"
        )
        found: list[Batch] = []
        size = 0
        try:
            with self._reading:
                rows = self._reader.execute(query, (position, position))
                for low, high, checksum, data in rows:
                    batch = Batch(low, high, data)
                    problem = self._problem(batch, checksum, found[-1].high + 1 if found else low)
                    if problem is not None and found:
                        break  # whoever reads on finds out; what is before it is good
                    if problem is not None:
                        raise self._damaged(problem)
                    found.append(batch)
                    size += len(data)
                    if len(found) == _CHUNK_BATCHES or size >= _CHUNK_BYTES:
                        break
                rows.close()
        except sqlite3.Error as error:
            raise self._damaged(f"cannot be read behind position {position} ({error})") from error
        return found

    def verify(self, position: int = 0) -> Iterator[int]:
        """Read everything from a position to the end; yields how far it is.

        Raises:
            ReadModelError: something is not as it was written, or is missing.
        """
        end = self.committed
        at = max(position, self.first_position())
        while at <= end and (batches := self.read(at)):
            if batches[0].low > at:
                raise self._damaged(f"has lost the records {at} to {batches[0].low - 1}")
            at = batches[-1].high + 1
            yield batches[-1].high
        if end > 0 and at <= end:
            raise self._damaged(f"has lost the records {at} to {end}")

    def _problem(self, batch: Batch, checksum: Any, expected: int) -> str | None:
        try:
            if _checksum(batch) != checksum:
                return f"is damaged at position {batch.low}"
        except (TypeError, struct.error):  # what the row holds has not even the right types
            return f"is damaged at position {batch.low}"
        return None if batch.low == expected else f"has lost the records {expected} to {batch.low - 1}"

    def _one(self, query: str) -> int:
        with self._reading:
            return int(self._reader.execute(query).fetchone()[0])

    def _damaged(self, what: str, else_do: str = "") -> ReadModelError:
        return ReadModelError(f"the engine's log {self.path} {what}: restore the folder from a backup{else_do}")

    def _close_connections(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.close()
        if self._writer is not None:
            self._writer.close()


class Mark:
    """How far the log went, in a small file of its own: not synced, so it may be late after a power cut, but it is never early."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def read(self) -> int:
        """Return the position; 0 where there is no readable mark."""
        try:
            position, checksum = self.path.read_bytes().split()
        except (OSError, ValueError):
            return 0
        return int(position) if checksum == _mark_checksum(position) else 0

    def write(self, position: int) -> None:
        """Set the position; a mark that cannot be written stays late, which loses nothing."""
        text = b"%020d" % position
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o644)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, text + b" " + _mark_checksum(text) + b"\n")
        except OSError:
            return

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _mark_checksum(position: bytes) -> bytes:
    return b"%08x" % zlib.crc32(position)


def _checksum(batch: Batch) -> int:
    return zlib.crc32(batch.data, zlib.crc32(struct.pack(">qq", batch.low, batch.high)))


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))
