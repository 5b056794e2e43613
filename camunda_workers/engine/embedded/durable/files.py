"""What durability needs of a file system: writes that are on disk when they return, links instead of copies, checksums."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

_PIECE = 1 << 20
_SEAL = "checksum"


def write_durably(path: Path, text: str) -> None:
    """Replace a file: after a crash it has the old content or the new one, never a part, and after the return the new one."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sealed(facts: Mapping[str, Any]) -> str:
    """Return the facts as JSON that carries its own checksum, so that a changed bit is noticed."""
    return json.dumps({**facts, _SEAL: _seal(facts)}, indent=2) + "\n"


def unsealed(text: str) -> dict[str, Any]:
    """Return the facts of :func:`sealed`.

    Raises:
        ValueError: they are not as they were written.
    """
    facts: Any = json.loads(text)
    if not isinstance(facts, dict) or facts.pop(_SEAL, None) != _seal(facts):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        raise ValueError("its checksum does not fit")
    return facts  # pyright: ignore[reportUnknownVariableType]


def _seal(facts: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def sync_folder(path: Path) -> None:
    """Make names in a folder (a new file, a rename) survive a power cut."""
    if sys.platform == "win32":
        return  # folders cannot be synced there; NTFS journals renames
    sync_file(path)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut."""
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Make a folder with everything in it survive a power cut."""
    for folder, _, names in os.walk(path):
        for name in names:
            sync_file(Path(folder, name))
        sync_folder(Path(folder))


def file_checksum(path: Path, progress: Callable[[int], None] | None = None) -> int:
    """Return the CRC-32 of a file's content."""
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            checksum = zlib.crc32(piece, checksum)
            if progress is not None:
                progress(len(piece))
    return checksum


def tree_checksums(path: Path, leaving_out: Iterable[str] = ()) -> dict[str, int]:
    """Return the checksum of each file below a folder, by its path from there."""
    files = ((file, file.relative_to(path).as_posix()) for file in sorted(path.rglob("*")) if file.is_file())
    without = set(leaving_out)
    return {name: file_checksum(file) for file, name in files if name not in without}


def damaged_file(path: Path, checksums: Mapping[str, int]) -> str | None:
    """Return the name of the first file that is missing or has another checksum, None when all are as they were."""
    for name, checksum in checksums.items():
        try:
            if file_checksum(path / name) != checksum:
                return name
        except OSError:
            return name
    return None


def link_tables(source: str, target: str) -> str:
    """Copy a file of a RocksDB folder; its table files are linked, for RocksDB never changes one (all else it may append to)."""
    if source.endswith(".sst"):
        try:
            os.link(source, target)
            return target
        except OSError:
            pass  # a file system without links, or another one
    shutil.copy2(source, target)
    return target


def size_of(path: Path) -> int:
    """Return the bytes that a file, or everything below a folder, has; what vanishes meanwhile does not count."""
    total = 0
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total
