"""The folder of a durable engine: who may use it, which format it has, what lies where."""

from __future__ import annotations

import logging
import re
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from camunda_workers.engine.embedded.auth.users import FILE as USERS
from camunda_workers.engine.embedded.durable.files import link_tables, sealed, unsealed, write_durably
from camunda_workers.engine.embedded.durable.snapshots import Snapshot, Snapshots
from camunda_workers.engine.embedded.durable.versions import is_prerelease, version_problem
from camunda_workers.errors import BackPressure, ConfigurationError

FORMAT = 1
"""The layout's version. A folder of another version is refused: nothing is guessed about data that matters."""

MANIFEST = "engine.json"
LOG = "log.db"
RUNTIME = "runtime"
SNAPSHOTS = "snapshots"
BATCHES = "batches.db"
LOCK = "lock"

_logger = logging.getLogger(__name__)

_LOCK_TRIES = 20
_LOCK_WAIT = 0.05


class DataFolder:
    """A folder that one engine at a time uses; opening it takes the lock, closing gives it back.

    Args:
        path: the folder; made when it is not there.
        engine_version: of the engine that will use it.

    Raises:
        ConfigurationError: it is in use, holds something else, or was written by a version that does not fit.
    """

    def __init__(self, path: Path, engine_version: str) -> None:
        self.path = path
        self.snapshots = Snapshots(path / SNAPSHOTS)
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
            shutil.copytree(snapshot.state, runtime, copy_function=link_tables)
        return runtime

    def remember(self, **facts: Any) -> None:
        """Keep small facts (the clock's offset) in the manifest.

        Raises:
            BackPressure: the disk is full.
        """
        try:
            write_durably(self.path / MANIFEST, sealed(read_manifest(self.path) | facts))
        except OSError as error:
            raise BackPressure(f"{self.path / MANIFEST} cannot be written: {error.strerror}") from error

    def take_over(self, engine_version: str) -> None:
        """Let the folder be this engine's from now on: an older one refuses it. Not before this one can read it."""
        written = str(self.recall("engine"))
        if written == engine_version:
            return
        if is_prerelease(engine_version):
            _logger.warning(
                "%s was engine %s's and is %s's now, a pre-release: there is no way back, and Camunda promises none to a release; keep a backup",
                self.path,
                written,
                engine_version,
            )
        self.remember(engine=engine_version)

    def recall(self, name: str) -> Any:
        """Return a fact from the manifest, or None."""
        return read_manifest(self.path).get(name)

    def _check(self, engine_version: str) -> None:
        if not (self.path / MANIFEST).exists():
            strangers = sorted(entry.name for entry in self.path.iterdir() if entry.name not in (LOCK, f"{MANIFEST}.new", USERS))
            if strangers:
                raise ConfigurationError(f"{self.path} is not an engine's folder (it holds {strangers[0]}): choose an empty one")
            created = datetime.now(UTC).isoformat(timespec="seconds")
            write_durably(self.path / MANIFEST, sealed({"format": FORMAT, "engine": engine_version, "created": created}))
            return
        found = read_manifest(self.path)
        problem = version_problem(str(found["engine"]), engine_version)
        if problem is not None:
            raise ConfigurationError(f"{self.path} was written by engine {found['engine']}: {problem}")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return what the folder's manifest says.

    Raises:
        ConfigurationError: there is none, it is damaged, or of another format.
    """
    manifest = path / MANIFEST
    try:
        text = manifest.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(f"{path} is not an engine's folder: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{manifest} cannot be read ({error}): restore the folder from a backup") from error
    layout = re.search(r'"format":\s*(\d+)', text)  # before the checksum, whose rules another format may have changed
    if layout is not None and int(layout[1]) != FORMAT:
        raise ConfigurationError(
            f"{path} has format {layout[1]}, this version reads {FORMAT}: use the version of camunda-workers that wrote it"
        )
    try:
        return unsealed(text)
    except ValueError as error:
        raise ConfigurationError(f"{manifest} cannot be read ({error}): restore the folder from a backup") from error


def in_use(path: Path) -> bool:
    """Whether an engine has the folder open now."""
    if not (path / LOCK).exists():
        return False
    try:
        with (path / LOCK).open("a+") as file:
            return not _try_lock(file)
    except OSError:
        return False


def _take_lock(path: Path) -> IO[str]:
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("a+")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used as the engine's folder: {error.strerror}") from error
    # An engine that is just ending, or somebody who looks whether one runs, holds it for a moment.
    for _ in range(_LOCK_TRIES):
        if _try_lock(file):
            return file
        time.sleep(_LOCK_WAIT)
    file.close()
    raise ConfigurationError(f"{path} is in use by another engine: stop that one, or choose another folder")


def _try_lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
