"""Batch operations of a durable engine, kept in its folder: one goes on where the process ended, however it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from camunda_workers.engine.embedded.durable.folder import BATCHES
from camunda_workers.engine.embedded.rest.batch_model import Batch, Item
from camunda_workers.errors import BackPressure, ConfigurationError

FILE: Final = BATCHES

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batch (
    key INTEGER PRIMARY KEY, kind TEXT NOT NULL, plan TEXT NOT NULL, state TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS item (
    batch INTEGER NOT NULL REFERENCES batch (key) ON DELETE CASCADE, number INTEGER NOT NULL, key INTEGER NOT NULL,
    process_instance INTEGER NOT NULL, root INTEGER, state TEXT NOT NULL, processed_at INTEGER, error TEXT, plan TEXT,
    PRIMARY KEY (batch, number)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""


class BatchStore:
    """The file of batch operations; what a method was given is on disk when it returns.

    Args:
        path: the file; made when it is not there.

    Raises:
        ConfigurationError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        try:
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise ConfigurationError(f"{path} cannot be read ({error}): remove it to go on without the batch operations in it") from error

    def load(self) -> list[Batch]:
        """Return every batch operation, oldest first.

        Raises:
            ConfigurationError: the file is damaged.
        """
        try:
            return [self._batch(row) for row in self._database.execute("SELECT * FROM batch ORDER BY key")]
        except (sqlite3.Error, ValueError) as error:
            raise ConfigurationError(f"{self._path} is damaged ({error}): remove it to go on without the batch operations in it") from error

    def _batch(self, row: Any) -> Batch:
        key, kind, order, state, started_at, ended_at = row
        found = self._database.execute(
            "SELECT key, process_instance, root, state, processed_at, error, plan FROM item WHERE batch = ? ORDER BY number", (key,)
        )
        items = [Item(*rest, plan=None if plan is None else json.loads(plan)) for *rest, plan in found]
        return Batch(key, kind, items, started_at, json.loads(order), state, ended_at, resumed=True)

    async def add(self, batch: Batch) -> None:
        """Keep a new batch operation with all of its items."""
        head = (batch.key, batch.kind, json.dumps(batch.order), batch.state, batch.started_at, batch.ended_at)
        items = [
            (batch.key, number, item.key, item.process_instance_key, item.root_process_instance_key, item.state)
            for number, item in enumerate(batch.items)
        ]

        def write(database: sqlite3.Connection) -> None:
            database.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)", head)
            database.executemany("INSERT INTO item (batch, number, key, process_instance, root, state) VALUES (?, ?, ?, ?, ?, ?)", items)

        await self._write(write)

    async def mark(self, batch: Batch, numbers: Iterable[int]) -> None:
        """Keep the state of a batch operation and of these of its items."""
        head = (batch.state, batch.ended_at, batch.key)
        items = [
            (item.state, item.processed_at, item.error, None if item.plan is None else json.dumps(item.plan), batch.key, number)
            for number, item in ((number, batch.items[number]) for number in numbers)
        ]

        def write(database: sqlite3.Connection) -> None:
            database.execute("UPDATE batch SET state = ?, ended_at = ? WHERE key = ?", head)
            database.executemany("UPDATE item SET state = ?, processed_at = ?, error = ?, plan = ? WHERE batch = ? AND number = ?", items)

        await self._write(write)

    async def forget(self, keys: Iterable[int]) -> None:
        """Remove batch operations."""
        gone = [(key,) for key in keys]

        def write(database: sqlite3.Connection) -> None:
            database.executemany("DELETE FROM batch WHERE key = ?", gone)

        await self._write(write)

    async def _write(self, write: Callable[[sqlite3.Connection], None]) -> None:
        def transaction() -> None:
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                write(database)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

        async with self._turn:
            writing = asyncio.ensure_future(asyncio.to_thread(transaction))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # A write that was begun ends before the next one, whatever becomes of who waits for it.
                with contextlib.suppress(sqlite3.Error):
                    await writing
                raise
            except sqlite3.Error as error:
                raise BackPressure(f"{self._path} cannot be written: {error}") from error

    async def close(self) -> None:
        """Close the file."""
        async with self._turn:
            self._database.close()
