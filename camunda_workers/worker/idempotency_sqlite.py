"""Outcomes of idempotent workers in an SQLite file: for all processes of one machine, and they survive a restart."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from camunda_workers.worker.idempotency import RETENTION, Begun, Busy, Stored, StoreUnavailable

T = TypeVar("T")

_WAIT: Final = 5.0
"""Seconds to wait for another process that writes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until REAL NOT NULL,
    outcome TEXT
) WITHOUT ROWID
"""


class SqliteStore:
    """Keeps outcomes in a file.

    Args:
        path: the file; its folder is made if need be. It must be on a local disk: SQLite's locks do not hold on network drives.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # One thread: a connection is used by one at a time, and a slow disk does not block the loop.
        self._thread = ThreadPoolExecutor(1, "camunda-workers outcomes")
        self._connection: sqlite3.Connection | None = None

    @property
    def kept_in_memory(self) -> bool:
        """False."""
        return False

    async def __aenter__(self) -> Self:
        await self._do(self._open)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)

    async def begin(self, key: str, owner: str, lease: float) -> Begun | Stored | Busy:
        """See `IdempotencyStore`."""

        def work() -> Begun | Stored | Busy:
            # The clock of the machine: processes share no other. A jump only lets a lease end early or late.
            now = time.time()
            database = self._database()
            with database:
                database.execute("BEGIN IMMEDIATE")
                row = database.execute("SELECT until, outcome FROM outcomes WHERE key = ?", (key,)).fetchone()
                if row is not None and row[0] > now:
                    return Busy(row[0] - now) if row[1] is None else Stored(row[1])
                database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, NULL)", (key, owner, now + lease))
                return Begun()

        return await self._do(work)

    async def renew(self, key: str, owner: str, lease: float) -> None:
        """See `IdempotencyStore`."""
        await self._write(
            "UPDATE outcomes SET until = ? WHERE key = ? AND owner = ? AND outcome IS NULL", (time.time() + lease, key, owner)
        )

    async def finish(self, key: str, owner: str, outcome: str) -> None:
        """See `IdempotencyStore`."""
        until = time.time() + RETENTION.total_seconds()
        await self._write(
            "INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET owner = excluded.owner, until = excluded.until, "
            "outcome = excluded.outcome WHERE outcomes.outcome IS NULL",
            (key, owner, until, outcome),
        )

    async def release(self, key: str, owner: str) -> None:
        """See `IdempotencyStore`."""
        await self._write("DELETE FROM outcomes WHERE key = ? AND owner = ? AND outcome IS NULL", (key, owner))

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        def work() -> None:
            database = self._database()
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.execute(statement, values)

        await self._do(work)

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            # A RuntimeError is the thread's: the store is closed.
            raise StoreUnavailable(f"{self._path}: {error}") from error

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        self._connection = database
        database.execute("PRAGMA journal_mode = WAL")
        # An outcome that is acknowledged here must survive a power cut: the effect will not be repeated for it.
        database.execute("PRAGMA synchronous = FULL")
        database.execute(_SCHEMA)
        database.execute("DELETE FROM outcomes WHERE until < ?", (time.time(),))

    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the store is not open")
        return self._connection
