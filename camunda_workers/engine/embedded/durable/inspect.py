"""What a durable engine's folder holds, told without touching it: beside a running engine, or of one that does not start."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from camunda_workers.engine.embedded.durable.files import size_of
from camunda_workers.engine.embedded.durable.folder import LOG, RUNTIME, SNAPSHOTS, in_use, read_manifest
from camunda_workers.engine.embedded.durable.log_file import LogFile
from camunda_workers.engine.embedded.durable.snapshots import Snapshots
from camunda_workers.errors import ReadModelError
from camunda_workers.events import DEFAULT_FILE


def inspect_folder(path: Path, *, verify: bool = False) -> dict[str, Any]:
    """Return what is in a folder, as JSON can hold it; what is wrong with it is listed under ``problems``.

    Args:
        path: the engine's folder.
        verify: read everything and compare checksums.

    Raises:
        ConfigurationError: it is no engine's folder, or of another format.
    """
    manifest = read_manifest(path)
    problems: list[str] = []
    log = _log(path / LOG, problems, verify=verify)
    snapshots = _snapshots(path / SNAPSHOTS, problems, verify=verify)
    newest = snapshots[0]["position"] if snapshots else 0
    return {
        "path": str(path),
        "format": manifest["format"],
        "engine": manifest["engine"],
        "created": manifest.get("created"),
        "in_use": in_use(path),
        "clock_ahead_seconds": int(manifest.get("clock_offset") or 0) / 1000,
        "log": log,
        "snapshots": snapshots,
        "event_log": _event_log(path / DEFAULT_FILE, problems),
        "records_after_snapshot": None if log is None else max(0, log["last_position"] - newest),
        "bytes": size_of(path) - size_of(path / RUNTIME),
        "verified": verify,
        "problems": problems,
    }


def _log(path: Path, problems: list[str], *, verify: bool) -> dict[str, Any] | None:
    if not path.exists():
        return {"first_position": 0, "last_position": 0, "bytes": 0}
    try:
        log = LogFile(path, writable=False)
        try:
            if verify:
                for _ in log.verify():
                    pass
            return {"first_position": log.first_position(), "last_position": log.committed, "bytes": _database_size(path)}
        finally:
            log.close()
    except ReadModelError as error:
        problems.append(str(error))
        return None


def _snapshots(path: Path, problems: list[str], *, verify: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for snapshot in Snapshots(path).newest_first():
        damage = snapshot if isinstance(snapshot, str) else (snapshot.damage() if verify else None)
        if damage is not None:
            problems.append(damage)
        if not isinstance(snapshot, str):
            found.append({"position": snapshot.position, "taken": snapshot.taken, "bytes": size_of(snapshot.path), "damage": damage})
    return found


def _event_log(path: Path, problems: list[str]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            position = db.execute("select coalesce(max(position), 0) from records where partition > 0").fetchone()[0]
            tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
            count = "select count(*) from process_instances where state = 'ACTIVE'"
            active = db.execute(count).fetchone()[0] if "process_instances" in tables else 0
    except sqlite3.Error as error:
        problems.append(f"the event log {path} cannot be read: {error}")
        return None
    return {"position": position, "open_instances": active, "bytes": _database_size(path)}


def _database_size(path: Path) -> int:
    return size_of(path) + size_of(path.with_name(f"{path.name}-wal"))
