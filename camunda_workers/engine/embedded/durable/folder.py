"""The folder of a durable engine: who may use it, which format it has, what lies where."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from camunda_workers.errors import ConfigurationError

FORMAT = 1
"""The layout's version. A folder of another version is refused: nothing is guessed about data that matters."""

LOG = "log.db"
RUNTIME = "runtime"
SNAPSHOTS = "snapshots"
_MANIFEST = "engine.json"
_LOCK = "lock"
_SNAPSHOT_FACTS = "snapshot.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the engine on disk.

    Attributes:
        path: its folder.
        position: the last record whose effect is in it.
        facts: what else was kept with it (the horizon, the clock's offset).
    """

    path: Path
    position: int
    facts: dict[str, Any]


class DataFolder:
    """A folder that one engine at a time uses; opening it takes the lock, closing gives it back."""

    def __init__(self, path: Path, engine_version: str) -> None:
        self.path = path
        self._lock = _take_lock(path)
        try:
            self._check(engine_version)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another engine use the folder."""
        self._lock.close()

    @property
    def log(self) -> Path:
        """The engine's log."""
        return self.path / LOG

    def fresh_runtime(self, snapshot: Snapshot | None) -> Path:
        """Return the state's working folder as the snapshot has it; what a former run left in it is thrown away (the log has it)."""
        runtime = self.path / RUNTIME
        shutil.rmtree(runtime, ignore_errors=True)
        if snapshot is not None:
            shutil.copytree(snapshot.path / "state", runtime, copy_function=_link)
        return runtime

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest complete snapshot."""
        found = [_read_snapshot(path) for path in (self.path / SNAPSHOTS).glob("[0-9]*") if (path / _SNAPSHOT_FACTS).is_file()]
        return max(found, key=lambda snapshot: snapshot.position, default=None)

    def new_snapshot(self) -> Path:
        """Return a folder to write a snapshot's state into; it counts only after :meth:`keep_snapshot`."""
        making = self.path / SNAPSHOTS / "making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        return making / "state"

    def keep_snapshot(self, position: int, facts: dict[str, Any]) -> Snapshot:
        """Make the written snapshot the newest one and remove those before it."""
        making, kept = self.path / SNAPSHOTS / "making", self.path / SNAPSHOTS / f"{position:020d}"
        shutil.rmtree(kept, ignore_errors=True)
        _write_durably(making / _SNAPSHOT_FACTS, {"position": position, **facts})
        making.replace(kept)
        _sync_folder(kept.parent)
        for older in (self.path / SNAPSHOTS).glob("[0-9]*"):
            if older.name < kept.name:
                shutil.rmtree(older, ignore_errors=True)
        return Snapshot(kept, position, facts)

    def remember(self, **facts: Any) -> None:
        """Keep small facts (the clock's offset) in the manifest."""
        manifest = self.path / _MANIFEST
        _write_durably(manifest, json.loads(manifest.read_text()) | facts)

    def recall(self, name: str) -> Any:
        """Return a fact from the manifest, or None."""
        return json.loads((self.path / _MANIFEST).read_text()).get(name)

    def _check(self, engine_version: str) -> None:
        manifest = self.path / _MANIFEST
        if not manifest.exists():
            strangers = [entry.name for entry in self.path.iterdir() if entry.name != _LOCK]
            if strangers:
                raise ConfigurationError(f"{self.path} is not an engine's folder (it holds {strangers[0]}): choose an empty one")
            _write_durably(manifest, {"format": FORMAT, "engine": engine_version})
            return
        try:
            found = json.loads(manifest.read_text())
            layout, version = int(found["format"]), str(found["engine"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{manifest} cannot be read ({error}): restore the folder from a backup") from error
        if layout != FORMAT:
            raise ConfigurationError(
                f"{self.path} has format {layout}, this version reads {FORMAT}: use the version of camunda-workers that wrote it"
            )
        if _minor(version) > _minor(engine_version):
            raise ConfigurationError(f"{self.path} was written by engine {version}; engine {engine_version} is older and cannot read it")
        if version != engine_version:
            _write_durably(manifest, found | {"engine": engine_version})


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _read_snapshot(path: Path) -> Snapshot:
    facts = json.loads((path / _SNAPSHOT_FACTS).read_text())
    return Snapshot(path, int(facts.pop("position")), facts)


def _link(source: str, target: str) -> str:
    # RocksDB never changes a table file; everything else it may append to and gets a copy of its own.
    if source.endswith(".sst"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
    return target


def _write_durably(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return  # folders cannot be synced there; NTFS journals renames
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_lock(path: Path) -> IO[str]:
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / _LOCK).open("a+")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used as the engine's folder: {error.strerror}") from error
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigurationError(f"{path} is in use by another engine: stop that one, or choose another folder") from None
    return file
