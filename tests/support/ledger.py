"""What really happened, written down outside of the engine and the workers, and the invariants checked against it.

A SQLite file that several processes write to: each time a function begins (`ran`), each effect under its idempotency key (`effect`, which an outside
system that honours such keys would do once), each completion that the engine acknowledged (`acknowledged`), each finished case (`finished`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SCHEMA = """
CREATE TABLE IF NOT EXISTS started (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER, number INTEGER, process INTEGER, running INTEGER);
CREATE TABLE IF NOT EXISTS effects (key INTEGER PRIMARY KEY, number INTEGER, process INTEGER);
CREATE TABLE IF NOT EXISTS acknowledged (key INTEGER, after_run INTEGER);
CREATE TABLE IF NOT EXISTS finished (number INTEGER, key INTEGER PRIMARY KEY);
CREATE INDEX IF NOT EXISTS runs_by_key ON runs (key);
"""


@dataclass
class Verdict:
    """What the ledger says after the dust has settled."""

    started: int = 0
    finished: int = 0
    runs: int = 0
    effects: int = 0
    repeated_runs: int = 0
    most_running: int = 0
    broken: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        facts = (
            f"started {self.started}, finished {self.finished}, function runs {self.runs} (of these {self.repeated_runs} after a redelivery), "
            f"effects {self.effects}, most at once in one process {self.most_running}"
        )
        return f"{facts}\n" + ("\n".join(f"BROKEN: {line}" for line in self.broken) or "every invariant holds")


class Ledger:
    """One connection to the file; made anew in each process."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing that way; only a power cut would.
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()

    def started(self, number: int) -> None:
        """The engine has acknowledged a new case."""
        self._db.execute("INSERT INTO started VALUES (?)", (number,))

    def ran(self, key: int, number: int = 0, running: int = 1) -> None:
        """A function has begun."""
        self._db.execute("INSERT INTO runs (key, number, process, running) VALUES (?, ?, ?, ?)", (key, number, os.getpid(), running))

    def effect(self, key: int, number: int = 0) -> bool:
        """Do the effect, unless it was done under this key before; whether it was done now."""
        done = self._db.execute("INSERT OR IGNORE INTO effects VALUES (?, ?, ?)", (key, number, os.getpid()))
        return done.rowcount == 1

    def acknowledged(self, key: int) -> None:
        """The engine has taken the completion."""
        self._db.execute("INSERT INTO acknowledged SELECT ?, coalesce(max(id), 0) FROM runs", (key,))

    def finished(self, number: int, key: int) -> None:
        """The case has come to its end."""
        self._db.execute("INSERT OR IGNORE INTO finished VALUES (?, ?)", (number, key))

    def count(self, table: str) -> int:
        """How many lines a table has."""
        return int(self._one(f"SELECT count(*) FROM {table}"))

    def runs_of(self, key: int) -> int:
        """How often the function began for this key."""
        return int(self._one("SELECT count(*) FROM runs WHERE key = ?", key))

    def unfinished(self) -> list[int]:
        """Cases that were started and have not come to their end."""
        return [row[0] for row in self._db.execute("SELECT number FROM started EXCEPT SELECT number FROM finished")]

    def verdict(self, *, cap: int | None = None, ended: Callable[[], int] | None = None) -> Verdict:
        """Check the invariants.

        Args:
            cap: how many may run at once in one process.
            ended: cases that ended in another way than by finishing (incident, cancelled).
        """
        found = Verdict(
            started=self.count("started"),
            finished=self.count("finished"),
            runs=self.count("runs"),
            effects=self.count("effects"),
            repeated_runs=int(self._one("SELECT count(*) - count(DISTINCT key) FROM runs")),
            most_running=int(self._one("SELECT coalesce(max(running), 0) FROM runs")),
        )
        others = ended() if ended is not None else 0
        if lost := len(self.unfinished()) - others:
            found.broken.append(f"{lost} cases were started and neither finished nor ended otherwise: {self.unfinished()[:5]}")
        for number, count in self._db.execute("SELECT number, count(*) FROM effects WHERE number > 0 GROUP BY number HAVING count(*) > 1"):
            found.broken.append(f"case {number} had {count} effects under different keys")
        again = "SELECT a.key, count(*) FROM acknowledged a JOIN runs r ON r.key = a.key AND r.id > a.after_run GROUP BY a.key"
        for key, count in self._db.execute(again):
            found.broken.append(f"key {key} ran {count} times after its completion was acknowledged")
        if cap is not None and found.most_running > cap:
            found.broken.append(f"{found.most_running} ran at once, the cap is {cap}")
        return found

    def _one(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()[0]
