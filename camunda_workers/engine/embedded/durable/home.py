"""A durable engine's home: the log in SQLite, the state in RocksDB, snapshots of it, one folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from camunda_workers.engine.embedded.durable.folder import DataFolder, Snapshot
from camunda_workers.engine.embedded.durable.log_storage import SqliteLog
from camunda_workers.engine.embedded.homes import open_rocksdb
from camunda_workers.engine.embedded.java import java_class
from camunda_workers.errors import ReadModelError

_logger = logging.getLogger(__name__)


class DurableHome:
    """Opens a folder, or makes a new one.

    Args:
        path: the folder; one engine at a time.
        engine_version: written into a new folder, compared with an old one's.
        on_trouble: told when the log cannot be written (a reason) and when it can again (None); from another thread.

    Raises:
        ConfigurationError: the folder is in use, of another format, or of a newer engine.
        ReadModelError: the log is damaged.
    """

    def __init__(self, path: Path, engine_version: str, on_trouble: Callable[[str | None], None]) -> None:
        self.folder = DataFolder(path, engine_version)
        try:
            self.clock_offset = int(self.folder.recall("clock_offset") or 0)
            self.snapshot: Snapshot | None = self.folder.latest_snapshot()
            self.log = SqliteLog(self.folder.log, on_trouble)
            try:
                self._check()
                self.database: Any = open_rocksdb(self.folder.fresh_runtime(self.snapshot))
            except BaseException:
                self.log.close()
                raise
        except BaseException:
            self.folder.close()
            raise
        self.log_storage: Any = self.log.storage

    def close(self) -> None:
        """Commit what is pending and give the folder back."""
        self.database.close()
        self.log.close()
        self.folder.close()

    def remember_offset(self, milliseconds: int) -> None:
        """Keep the clock's offset: after a restart time goes on from where it was, never back."""
        self.folder.remember(clock_offset=milliseconds)

    def take_snapshot(self, position: int, facts: dict[str, Any], *, exported: int | None) -> Snapshot:
        """Write the state down and drop the part of the log that neither it nor an event log needs any more.

        Args:
            position: the last record whose effect is in the state for certain.
            facts: kept with it.
            exported: how far an event log has followed; None when none does.
        """
        target = self.folder.new_snapshot()
        self.database.createSnapshot(java_class("java.io.File")(str(target)))
        self.log.sync()  # the state may hold the effect of batches that are not on disk yet: it counts only with them
        self.snapshot = self.folder.keep_snapshot(position, facts)
        self.log.compact(position if exported is None else min(position, exported))
        return self.snapshot

    def free_bytes(self) -> int:
        """Return how much room the disk has."""
        return shutil.disk_usage(self.folder.path).free

    def _check(self) -> None:
        first = self.log.first_position()
        known = 0 if self.snapshot is None else self.snapshot.position
        if first > known + 1:
            path, lost = self.folder.path, f"{known + 1} to {first - 1}"
            raise ReadModelError(
                f"{path}: the log begins after the newest snapshot, records {lost} are missing: restore the folder from a backup"
            )
        if self.log.committed < known:
            raise ReadModelError(
                f"{self.folder.path}: the log ends at {self.log.committed}, before the newest snapshot ({known}): restore a backup"
            )
