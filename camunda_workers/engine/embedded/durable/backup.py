"""A copy of a durable engine's folder that fits together, taken while the engine runs, and the way back.

Nothing asks the engine for it. SQLite gives a consistent copy of a file that is being written, and the order does the rest: first the event
log, then a snapshot, then the engine's log, which is ahead of both. Should the engine remove meanwhile what the copy needs, it is begun anew.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from camunda_workers.engine.embedded.durable.files import (
    damaged_file,
    sealed,
    sync_folder,
    sync_tree,
    tree_checksums,
    unsealed,
    write_durably,
)
from camunda_workers.engine.embedded.durable.folder import BATCHES, LOG, MANIFEST, SNAPSHOTS, read_manifest
from camunda_workers.engine.embedded.durable.log_file import LogFile
from camunda_workers.engine.embedded.durable.snapshots import Snapshot, Snapshots
from camunda_workers.errors import ConfigurationError, ReadModelError
from camunda_workers.events import DEFAULT_FILE

SEAL = "backup.json"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        path: its folder.
        taken: when, in ISO 8601.
        engine: the engine's version.
        position: the last record in it.
        snapshot: the position of its snapshot, 0 when it has none.
        event_log: the last record in its event log, 0 when it has none.
    """

    path: Path
    taken: str
    engine: str
    position: int
    snapshot: int
    event_log: int


class _MovedOnError(Exception):
    """The engine has removed what the copy needs."""


def back_up(folder: Path, target: Path, say: Callable[[str], None]) -> Backup:
    """Copy an engine's folder, whether the engine runs or not.

    Args:
        folder: the engine's.
        target: not there yet, or empty; it appears when the copy is complete and checked.
        say: told what is being done.

    Raises:
        ConfigurationError: the folder is no engine's, or the target is in the way.
        ReadModelError: what is to be copied is damaged, or the disk is full.
    """
    read_manifest(folder)
    with _appearing(target) as making:
        backup = _copy_between_cleanings(folder, making, target, say)
        facts = {name: value for name, value in asdict(backup).items() if name != "path"}
        write_durably(making / SEAL, sealed({**facts, "files": tree_checksums(making)}))
    return backup


def restore(backup: Path, target: Path, say: Callable[[str], None]) -> Backup:
    """Make an engine's folder from a backup, after checking every file of it.

    Args:
        backup: made by :func:`back_up`.
        target: not there yet, or empty.
        say: told what is being done.

    Raises:
        ConfigurationError: it is no backup, is damaged, or the target is in the way.
    """
    if not (backup / SEAL).is_file():
        raise ConfigurationError(f"{backup} is not a backup: it has no {SEAL}")
    try:
        facts = unsealed((backup / SEAL).read_text(encoding="utf-8"))
        files = facts.pop("files")
        found = Backup(target, **facts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{backup / SEAL} cannot be read ({error}): use another backup") from error
    read_manifest(backup)
    with _appearing(target) as making:
        say(f"copying {len(files)} files")
        for name in files:
            (making / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy2(backup / name, making / name)
            except FileNotFoundError:
                raise ConfigurationError(f"the backup is damaged: {backup / name} is missing; use another one") from None
        damaged = damaged_file(making, files)
        if damaged is not None:
            raise ConfigurationError(f"the backup is damaged: {backup / damaged} is not as it was written; use another one")
    return found


@contextmanager
def _appearing(target: Path) -> Generator[Path]:
    """A folder to write into that becomes the target at the end, or vanishes: a part is never taken for the whole."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"{target} is there already: name a folder that is not, or an empty one")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
    try:
        yield making
        sync_tree(making)
        making.chmod(0o755)
        if target.exists():
            target.rmdir()
        making.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise ReadModelError(f"{target} could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _copy_between_cleanings(folder: Path, making: Path, target: Path, say: Callable[[str], None]) -> Backup:
    for attempt in itertools.count(1):
        try:
            return _copy(folder, making, target, say)
        except _MovedOnError as error:
            if attempt == _TRIES:
                raise ReadModelError(f"{folder} changes too fast to be copied ({error}): try again later") from error
            say(f"the engine cleaned up in between ({error}): once more")
            for path in making.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    raise AssertionError("unreachable")


def _copy(folder: Path, making: Path, target: Path, say: Callable[[str], None]) -> Backup:
    event_log = 0
    if (folder / BATCHES).exists():
        # Before the log: what is marked as done in there is in the log, and what is not is looked for by whoever goes on with it.
        _copy_database(folder / BATCHES, making / BATCHES)
    if (folder / DEFAULT_FILE).exists():
        say("copying the event log")
        _copy_database(folder / DEFAULT_FILE, making / DEFAULT_FILE)
        with closing(sqlite3.connect(making / DEFAULT_FILE)) as copied:
            event_log = int(copied.execute("select coalesce(max(position), 0) from records where partition > 0").fetchone()[0])
        for key in _keys(folder / DEFAULT_FILE):
            shutil.copy2(key, making / key.name)
    snapshot = _copy_snapshot(folder, making, say)
    say("copying the engine's log")
    _copy_database(folder / LOG, making / LOG)
    log = LogFile(making / LOG)
    try:
        first, last = log.first_position(), log.committed
        needed = min(snapshot, event_log) if event_log else snapshot
        if first > needed + 1:
            raise _MovedOnError(f"the log begins at {first}")
        for _ in log.verify():
            pass
        log.mark.write(last)
    finally:
        log.close()
    if last < max(snapshot, event_log):
        raise ReadModelError(f"{folder}: the log ends at {last}, before the snapshot ({snapshot}) or the event log ({event_log})")
    shutil.copy2(folder / MANIFEST, making / MANIFEST)  # last: the clock must not be behind the log
    engine = str(read_manifest(making)["engine"])
    return Backup(target, datetime.now(UTC).isoformat(timespec="seconds"), engine, last, snapshot, event_log)


def _keys(event_log: Path) -> list[Path]:
    """The event log's keys: a copy without them could not go on signing as the log that it is."""
    from camunda_workers.events.chain.notary import KEY_SUFFIX, PUBLIC_SUFFIX

    return [path for suffix in (KEY_SUFFIX, PUBLIC_SUFFIX) if (path := event_log.with_suffix(suffix)).exists()]


def _copy_snapshot(folder: Path, making: Path, say: Callable[[str], None]) -> int:
    snapshot, wrong = Snapshots(folder / SNAPSHOTS).usable()
    for damage in wrong:
        say(f"left out: {damage}")
    if snapshot is None:
        return 0
    say(f"copying the snapshot of position {snapshot.position}")
    copy = making / SNAPSHOTS / snapshot.path.name
    try:
        shutil.copytree(snapshot.path, copy)
    except (OSError, shutil.Error) as error:
        if snapshot.path.exists():
            raise
        raise _MovedOnError(f"the snapshot of position {snapshot.position} was replaced") from error
    damage = Snapshot(copy, snapshot.position, snapshot.taken, snapshot.checksums).damage()
    if damage is not None:
        raise _MovedOnError(damage)
    return snapshot.position


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
    except sqlite3.Error as error:
        raise ReadModelError(f"{source} cannot be copied to {target.parent}: {error}") from error
