"""A durable engine's home: the log in SQLite, the state in RocksDB, snapshots of it, one folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from camunda_workers.engine.embedded.durable.folder import DataFolder
from camunda_workers.engine.embedded.durable.log_storage import SqliteLog
from camunda_workers.engine.embedded.durable.snapshots import Snapshot
from camunda_workers.engine.embedded.durable.upgrade import migrate
from camunda_workers.engine.embedded.durable.versions import needs_migration
from camunda_workers.engine.embedded.homes import open_rocksdb
from camunda_workers.engine.embedded.java import java_class
from camunda_workers.errors import ReadModelError

_logger = logging.getLogger(__name__)

_ENGINE = "engine"
_BEFORE_FACTS_NAMED_IT = "8.8"
"""The engine of a snapshot that does not say it; only 8.8 ran here then."""


class DurableHome:
    """Opens a folder, or makes a new one.

    Args:
        path: the folder; one engine at a time.
        engine_version: written into a new folder, compared with an old one's.
        on_trouble: told when the log cannot be written (a reason) and when it can again (None); from another thread.

    Attributes:
        facts: what was kept with the snapshot that the state begins with, None where it begins with nothing.

    Raises:
        ConfigurationError: the folder is in use, of another format, or of a newer engine.
        ReadModelError: the log is damaged, or neither it nor a snapshot reaches far enough back.
    """

    def __init__(self, path: Path, engine_version: str, on_trouble: Callable[[str | None], None]) -> None:
        self.folder = DataFolder(path, engine_version)
        self._engine_version = engine_version
        try:
            self.clock_offset = int(self.folder.recall("clock_offset") or 0)
            self.log = SqliteLog(self.folder.log, on_trouble)
            try:
                self.snapshot: Snapshot | None = self._choose_snapshot()
                self.facts = None if self.snapshot is None else self.snapshot.facts()
                for _ in self.log.file.verify(0 if self.snapshot is None else self.snapshot.position):
                    pass
                self.database: Any = open_rocksdb(self.folder.fresh_runtime(self.snapshot))
                try:
                    if self.facts is not None and needs_migration(self.facts.get(_ENGINE, _BEFORE_FACTS_NAMED_IT), engine_version):
                        migrate(self.database, engine_version)
                    self.folder.take_over(engine_version)
                except BaseException:
                    self.database.close()
                    raise
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

    def take_snapshot(self, position: int, facts: dict[str, Any], *, exported: int) -> Snapshot:
        """Write the state down and drop the part of the log that nothing needs any more.

        Kept are the records behind the snapshot before this one, for the case that this one turns out to be damaged, and those that the
        event log does not have yet.

        Args:
            position: the last record whose effect is in the state for certain.
            facts: kept with it.
            exported: how far the event log has followed, on disk.

        Raises:
            BackPressure: the disk is full.
        """
        snapshots = self.folder.snapshots
        state = snapshots.begin()
        self.database.createSnapshot(java_class("java.io.File")(str(state)))
        self.log.sync()  # the state may hold the effect of batches that were not on disk yet: it counts only with them
        before = self.snapshot
        facts = {**facts, _ENGINE: self._engine_version}
        self.snapshot = snapshots.keep(position, datetime.now(UTC).isoformat(timespec="seconds"), facts)
        snapshots.forget_all_but([self.snapshot] if before is None else [self.snapshot, before])
        if before is not None:
            self.log.compact(min(before.position, exported))
        return self.snapshot

    def free_bytes(self) -> int:
        """Return how much room the disk has."""
        return shutil.disk_usage(self.folder.path).free

    def _choose_snapshot(self) -> Snapshot | None:
        snapshot, wrong = self.folder.snapshots.usable()
        first, last, path = self.log.file.first_position(), self.log.committed, self.folder.path
        known = 0 if snapshot is None else snapshot.position
        if last < known:
            raise ReadModelError(f"{path}: the log ends at {last}, before the newest snapshot ({known}): restore the folder from a backup")
        if first > known + 1:
            lost = f"the log begins at {first}, records {known + 1} to {first - 1} are missing"
            raise ReadModelError(f"{path}: {'; '.join([*wrong, lost])}: restore the folder from a backup")
        if wrong:
            instead = "the whole log" if snapshot is None else f"the snapshot of position {known}"
            _logger.warning("%s: %s; the engine goes on from %s", path, "; ".join(wrong), instead)
        return snapshot
