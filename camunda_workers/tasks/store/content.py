"""What a file really is, told from its first bytes; and whether opening it would hurt."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

KINDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[bytes, ...]]]] = {
    "application/pdf": (("pdf",), (b"%PDF-",)),
    "image/png": (("png",), (b"\x89PNG\r\n\x1a\n",)),
    "image/jpeg": (("jpg", "jpeg"), (b"\xff\xd8\xff",)),
    "image/gif": (("gif",), (b"GIF87a", b"GIF89a")),
    "image/tiff": (("tif", "tiff"), (b"II*\x00", b"MM\x00*")),
    "image/webp": (("webp",), (b"RIFF",)),
    "application/zip": (("zip",), (b"PK\x03\x04",)),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (("docx",), (b"PK\x03\x04",)),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (("xlsx",), (b"PK\x03\x04",)),
    "application/vnd.oasis.opendocument.text": (("odt",), (b"PK\x03\x04",)),
    "message/rfc822": (("eml",), ()),
    "text/plain": (("txt", "log"), ()),
    "text/csv": (("csv",), ()),
    "application/json": (("json",), ()),
}
"""What is taken: content type, endings, first bytes. Nothing that a browser or a desktop would run (HTML, SVG, scripts, programs)."""

_UNPACKED: Final = 200 * 1024 * 1024
_MEMBERS: Final = 5_000
_RATIO: Final = 100


def refusal(path: Path, name: str, content_type: str, size: int) -> str | None:
    """Why a file is not taken; ``None`` when it is.

    Args:
        path: where it is.
        name: what it is called.
        content_type: what it says it is.
        size: its bytes.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in KINDS:
        return f"is of the type {content_type or '(none)'}, which is not taken here; taken are {', '.join(sorted(_endings()))}"
    endings, marks = KINDS[kind]
    if name.rpartition(".")[2].lower() not in endings:
        return f"says it is {kind}, but is not called so (.{' or .'.join(endings)})"
    with path.open("rb") as file:
        head = file.read(4096)
    if marks and not head.startswith(marks):
        return f"says it is {kind}, but its content is something else"
    if kind == "image/webp" and head[8:12] != b"WEBP":
        return "says it is image/webp, but its content is something else"
    if not marks and b"\x00" in head:
        return f"says it is {kind}, but its content is no text"
    return _bomb(path, size) if b"PK\x03\x04" in marks else None


def _endings() -> set[str]:
    return {ending for endings, _ in KINDS.values() for ending in endings}


def _bomb(path: Path, size: int) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return "cannot be read as the archive it says it is"
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MEMBERS or unpacked > _UNPACKED or unpacked > max(size, 1) * _RATIO:
        return "would unpack to far more than it is: it is not taken"
    return None
