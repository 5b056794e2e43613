"""The sandbox's memory: one SQLite file for all four systems, with keys that allow each effect once."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS policies (number TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS payments (
    number INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, claim_id TEXT NOT NULL, payee TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), booked_at TEXT NOT NULL, reversal_key TEXT UNIQUE, reversed_at TEXT) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, claim_id TEXT NOT NULL, wanted TEXT NOT NULL, note TEXT NOT NULL,
    requested_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, claim_id TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL,
    text TEXT NOT NULL, received_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, claim_id TEXT NOT NULL, recipient TEXT NOT NULL, template TEXT NOT NULL,
    subject TEXT NOT NULL, text TEXT NOT NULL, queued_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS attempts (system TEXT NOT NULL, idempotency_key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (system, idempotency_key)) STRICT;
CREATE INDEX IF NOT EXISTS payments_claim ON payments (claim_id);
CREATE INDEX IF NOT EXISTS requests_claim ON requests (claim_id);
CREATE INDEX IF NOT EXISTS documents_claim ON documents (claim_id);
CREATE INDEX IF NOT EXISTS outbox_claim ON outbox (claim_id);
"""

_EFFECTS = """
WITH done AS (
    SELECT 'payments' AS system, idempotency_key FROM payments UNION ALL SELECT 'reversals', reversal_key FROM payments WHERE reversal_key IS NOT NULL
    UNION ALL SELECT 'requests', idempotency_key FROM requests UNION ALL SELECT 'documents', idempotency_key FROM documents
    UNION ALL SELECT 'outbox', idempotency_key FROM outbox)
SELECT attempts.system, attempts.idempotency_key, attempts.count AS attempts,
    (SELECT count(*) FROM done WHERE done.system = attempts.system AND done.idempotency_key = attempts.idempotency_key) AS effects
FROM attempts ORDER BY attempts.system, attempts.idempotency_key
"""

Row = dict[str, Any]


class KeyReused(Exception):
    """An idempotency key came back with another request."""


class Store:
    """Blocking access to the file; the server calls it from threads, one at a time.

    Args:
        path: the file, or ``:memory:``.
    """

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Everything inside happens, or nothing does."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def put_policies(self, policies: Iterable[tuple[str, str]]) -> None:
        """Adds or replaces policies, each a number and its JSON."""
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO policies VALUES (?, ?)", policies)

    def policy(self, number: str) -> Row | None:
        """A policy, if there is one."""
        with self.transaction() as db:
            row = db.execute("SELECT body FROM policies WHERE number = ?", (number,)).fetchone()
        return None if row is None else json.loads(row["body"])

    def once(self, table: str, key: str, row: Row, same: tuple[str, ...]) -> tuple[Row, bool]:
        """Inserts a row under its key, or finds the one that is already there.

        Args:
            table: one of this store's tables with a column ``idempotency_key``.
            key: the idempotency key.
            row: the other columns.
            same: the columns in which a repetition must equal the original.

        Returns:
            the row as it is stored, and whether it is new.

        Raises:
            KeyReused: the key stands for something else.
        """
        names = ", ".join(("idempotency_key", *row))
        marks = ", ".join("?" for _ in range(len(row) + 1))
        with self.transaction() as db:
            self._attempt(db, table, key)
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT (idempotency_key) DO NOTHING"
            new = db.execute(insert, (key, *row.values())).rowcount == 1
            stored = dict(db.execute(f"SELECT * FROM {table} WHERE idempotency_key = ?", (key,)).fetchone())
        other = [name for name in same if stored[name] != row[name]]
        if other:
            raise KeyReused(f"{key} was used before with another {', '.join(other)}")
        return stored, new

    def reverse(self, number: int, amount: int, key: str, at: str) -> Row | None:
        """Reverses a payment, once and whole; ``None`` when there is no such payment."""
        with self.transaction() as db:
            self._attempt(db, "reversals", key)
            mine = "number = ? AND amount = ?"
            db.execute(
                f"UPDATE payments SET reversal_key = ?, reversed_at = ? WHERE {mine} AND reversal_key IS NULL", (key, at, number, amount)
            )
            row = db.execute(f"SELECT * FROM payments WHERE {mine}", (number, amount)).fetchone()
        return None if row is None else dict(row)

    def of_claim(self, table: str, claim_id: str) -> list[Row]:
        """A table's rows about one claim, oldest first."""
        with self.transaction() as db:
            return [dict(row) for row in db.execute(f"SELECT * FROM {table} WHERE claim_id = ? ORDER BY number", (claim_id,))]

    def effects(self) -> list[Row]:
        """For each system and key: how often it was asked, and how many effects there are (never more than one)."""
        with self.transaction() as db:
            return [dict(row) for row in db.execute(_EFFECTS)]

    @staticmethod
    def _attempt(db: sqlite3.Connection, system: str, key: str) -> None:
        db.execute("INSERT INTO attempts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (system, key))
