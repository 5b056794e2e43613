"""The log as a file that anybody can check: records, the signed checkpoint and the program that checks them."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, select

from camunda_workers.errors import ReadModelError
from camunda_workers.events.chain import offline
from camunda_workers.events.chain.hashing import to_text
from camunda_workers.events.chain.verify import entry_bytes
from camunda_workers.events.reading import contents
from camunda_workers.events.schema import ENTRY, records, state

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

PAGE: Final = 2000
STAMP: Final = "checkpoint.tsr"
"""What a time-stamping authority answered to ``checkpoint.txt``."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def verifier_source() -> str:
    """The program that checks an export: one file, standard library only."""
    return Path(offline.__file__).read_text()


def zip_entry(name: str) -> zipfile.ZipInfo:
    """A file's entry without the moment it was packed at: the same content gives the same archive."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def record_line(row: Any, parts: Sequence[tuple[bytes, str]], proof: Sequence[bytes] | None) -> str:
    """A record as a line of an export."""
    entry = entry_bytes(tuple(row)[ENTRY], row.json).decode()
    line: dict[str, Any] = {"seq": row.seq, "entry": entry}
    if parts:
        line["contents"] = [[base64.b64encode(salt).decode(), body] for salt, body in parts]
    if proof is not None:
        line["proof"] = [to_text(one) for one in proof]
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def lines_between(connection: Connection, begin: int, end: int, proofs: Mapping[int, Sequence[bytes]] | None = None) -> list[str]:
    """Records as lines of an export."""
    rows = connection.execute(select(records).where(records.c.seq >= begin, records.c.seq < end).order_by(records.c.seq)).all()
    apart = contents(connection, [row.seq for row in rows if row.sealed])
    return [record_line(row, apart.get(row.seq, ()), proofs.get(row.seq) if proofs is not None else None) for row in rows]


async def export_log(
    log: EventLog,
    path: Path,
    note: str,
    size: int,
    progress: Callable[[int, int], None] | None = None,
    *,
    stamp: bytes | None = None,
) -> None:
    """Write the whole log, as it was at a checkpoint, into a zip with its verifier.

    Args:
        log: which.
        path: the zip; replaced when it is there.
        note: the signed checkpoint.
        size: the checkpoint's size.
        progress: told how many of how many records were written.
        stamp: what a time-stamping authority answered to the checkpoint.

    Raises:
        ReadModelError: a part of the log was archived, so that the whole of it is not here.
    """
    if archived := await log.database.read(lambda connection: connection.scalar(select(state.c.archived_to)) or 0):
        raise ReadModelError(
            f"the first {archived} records of this log were archived: the archives and the log are checked with 'log verify'"
        )
    part = path.with_suffix(path.suffix + ".part")
    with zipfile.ZipFile(part, "w") as bundle:
        bundle.writestr(zip_entry("checkpoint.txt"), note)
        bundle.writestr(zip_entry("verify.py"), verifier_source())
        if stamp is not None:
            bundle.writestr(zip_entry(STAMP), stamp)
        with bundle.open(zip_entry("records.jsonl"), "w", force_zip64=True) as file:
            for begin, end in _pages(size):
                lines = await log.database.read(lambda connection, begin=begin, end=end: lines_between(connection, begin, end))
                file.write("".join(f"{line}\n" for line in lines).encode())
                if progress is not None:
                    progress(end, size)
    part.replace(path)


def _pages(size: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, size, PAGE):
        yield begin, min(begin + PAGE, size)
