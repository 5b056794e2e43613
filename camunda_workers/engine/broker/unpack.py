"""Unpack a distribution: all of it or nothing, and never outside its folder."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from camunda_workers.engine.embedded.jars import Progress
from camunda_workers.errors import SetupError

LARGEST = 2_000_000_000
"""Bytes an unpacked distribution may have; the one of 8.6.0 has 320 MB."""


def unpack(archive: Path, target: Path, progress: Progress) -> None:
    """Unpack a ``.tar.gz`` whose files all lie in one folder; that folder becomes the target.

    Several processes may do this at once: the first one to finish wins, the others find its result.

    Args:
        archive: the file.
        target: must not exist before, and exists only whole afterwards.
        progress: told about every byte of the archive's content.

    Raises:
        SetupError: the archive is damaged, or holds something that has no place in a distribution.
        OSError: the disk is full or not writable.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as folder:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                top = _extract(tar, Path(folder), progress)
        except (tarfile.TarError, EOFError) as error:
            raise SetupError(f"{archive.name} is damaged ({error}): remove it and start again") from error
        try:
            Path(folder, top).rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise


def _extract(tar: tarfile.TarFile, folder: Path, progress: Progress) -> str:
    top, total = "", 0
    for member in tar:
        first, *rest = safe_parts(member)
        top = top or first
        total += member.size
        if first != top or total > LARGEST:
            raise SetupError(f"this is not a Zeebe distribution: '{member.name}' lies outside its folder, or it is far too large")
        path = Path(folder, first, *rest)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None  # only links and devices have no content, and those were refused
        with source, path.open("xb") as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
        path.chmod(0o755 if member.mode & 0o100 else 0o644)
        progress.advance(member.size)
    if not top:
        raise SetupError("this is not a Zeebe distribution: it is empty")
    return top


def safe_parts(member: tarfile.TarInfo) -> list[str]:
    """The parts of a member's path, once it is sure that it is a plain file or folder below the folder it is unpacked in.

    Raises:
        SetupError: it is a link or a device, or its name leads elsewhere.
    """
    parts = [part for part in PurePosixPath(member.name).parts if part != "."]
    leads_elsewhere = not parts or any(part in ("..", "/") or "\\" in part or ":" in part for part in parts)
    if leads_elsewhere or not (member.isreg() or member.isdir()):
        raise SetupError(f"refused to unpack '{member.name}': a distribution holds only files and folders, all inside its own folder")
    return parts
