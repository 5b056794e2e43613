"""The text of a document, by page: plain text as it is, PDF through a process of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, Final, cast

import structlog

MOST_TEXT: Final = 500_000
"""Characters of one document that are read."""

_PDF: Final = Path(__file__).with_name("pdf_text.py")
_SECONDS: Final = 20.0
_PLAIN: Final = frozenset({"text/plain", "text/csv", "application/json", "message/rfc822"})
_log = structlog.get_logger("camunda_workers.ai")


async def read_pages(content: bytes, content_type: str | None) -> tuple[str, ...] | None:
    """A document's text by page; ``None`` when it has none that can be read here (an image, a scan, an archive).

    A PDF is read in a process of its own with limits on memory and time: whoever sends one may have made it to hurt. It needs ``pypdf``, which the extras
    ``ai`` and ``inbox`` bring.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "application/pdf" and content.startswith(b"%PDF-"):
        return await _of_pdf(content)
    if kind not in _PLAIN or b"\x00" in content[:4096]:
        return None
    return tuple(_decoded(content)[:MOST_TEXT].replace("\r\n", "\n").split("\f"))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Every byte is a letter there; for text that is not UTF-8 it is the best guess.
        return content.decode("cp1252", errors="replace")


def _clean(text: str) -> str:
    """Half of a surrogate pair, which a PDF's tables may give, is no letter and cannot be sent anywhere."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


async def _of_pdf(content: bytes) -> tuple[str, ...] | None:
    if importlib.util.find_spec("pypdf") is None:
        return None
    # Nothing of this process's environment: the child needs no secrets to read a file.
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(_PDF), str(MOST_TEXT)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, _ = await child.communicate(content)
    except TimeoutError:
        _log.warning("a PDF took too long to read", action="pdf_unread", seconds=_SECONDS)
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        return None
    pages = cast("list[Any]", json.loads(out))
    found = tuple(_clean(str(page)) for page in pages)
    return found if any(page.strip() for page in found) else None
