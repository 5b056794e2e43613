"""One SQLite file, used from asyncio: one thread writes, a few read, and nothing blocks the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from camunda_workers.errors import ReadModelError

T = TypeVar("T")

READERS = 2
BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process (a second command line, say) that is just writing."""


class Database:
    """A SQLite database in write-ahead mode.

    ``synchronous=NORMAL``: a crash of the process loses nothing; a power cut may lose the last transactions, but never tears one and never
    corrupts the file. That is enough here, because whatever is lost is still in the engine and is read again from the log's highest position.
    (A source that forgets what it has handed over, such as an exporter that was told "stored", needs ``FULL`` before it is told so.)
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        options: dict[str, Any] = {"check_same_thread": False, "timeout": BUSY_TIMEOUT}
        if path is None:
            self._engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=options)
            self._writer = ThreadPoolExecutor(1, "event-log")
            self._readers = self._writer
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(f"sqlite:///{path}", poolclass=QueuePool, pool_size=READERS + 1, connect_args=options)
            self._writer = ThreadPoolExecutor(1, "event-log-writer")
            self._readers = ThreadPoolExecutor(READERS, "event-log-reader")
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do this in a transaction, in the calling thread (for opening the file)."""
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise ReadModelError(f"the event log {self.name} cannot be used: {_reason(error)}") from error

    def _query(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise ReadModelError(f"the event log {self.name} cannot be read: {_reason(error)}") from error

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do this in one transaction, after every write that was asked for earlier. Cancelling the caller does not tear it."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self.run, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do this on one consistent view of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, work)

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        for pool in {self._writer, self._readers}:
            await asyncio.to_thread(pool.shutdown)
        self._engine.dispose()

    def dispose(self) -> None:
        """Let go of the file when it could not even be opened."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return str(self.path) if self.path is not None else "in memory"


def _prepare(connection: Any, _record: Any) -> None:
    # Transactions are begun by us (below): sqlite3's own way begins none for a SELECT, so a count and its page could disagree.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY", "cache_size=-32000", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read transaction fails without waiting when another process wrote in between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reason(error: BaseException) -> str:
    origin = getattr(error, "orig", None)
    return str(origin if origin is not None else error)
