"""Old records out of the database: into Parquet files that can still be checked, because their hashes stay in the tree."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, delete, func, select, update

from camunda_workers.clock import SystemClock
from camunda_workers.errors import MissingExtra, ReadModelError
from camunda_workers.events.chain.hashing import SIZE, leaf_hash
from camunda_workers.events.chain.merkle import TILE_WIDTH
from camunda_workers.events.chain.nodes import raw
from camunda_workers.events.chain.scan import Problem
from camunda_workers.events.chain.verify import entry_bytes
from camunda_workers.events.facts import Fact, FactKind, write_facts
from camunda_workers.events.projections.instances import process_instances
from camunda_workers.events.reading import contents
from camunda_workers.events.schema import DEFINITIONS, ENTRY, checkpoints, payloads, records, state, tiles

if TYPE_CHECKING:
    from camunda_workers.events.chain.tree import Tree
    from camunda_workers.events.log import EventLog
    from camunda_workers.events.source import Follower

PAGE: Final = 10_240
"""Records in memory at once, and in one row group of the file."""
REMOVED_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Archive:
    """A file of records.

    Attributes:
        path: the file; ``None`` when there was nothing to archive.
        begin: the first record's place.
        end: the place behind the last one.
        sha256: of the file.
        why: what kept the end from being later, in words.
    """

    path: Path | None
    begin: int
    end: int
    sha256: str = ""
    why: str = ""


async def archive(
    log: EventLog,
    model: Follower,
    folder: Path,
    before: datetime,
    *,
    with_contents: bool = True,
    progress: Callable[[int, int], None] | None = None,
    removing: Callable[[int, int], None] | None = None,
) -> Archive:
    """Write records into a file and remove them from the database.

    Only what comes before the first record of a process instance that still runs goes, only what is signed, and only whole tiles of 256.
    Deployed definitions stay, so that stories and the read model keep their names. The read model keeps its rows, too, until it is rebuilt.
    Everybody may read and write meanwhile. If the process is ended while it removes, the next archive removes the rest.

    Args:
        log: which.
        model: its read model: it knows what still runs.
        folder: where the file goes.
        before: records before this moment may go.
        with_contents: whether contents that may have to be erased go along; otherwise they are gone for good.
        progress: told how many of how many records were written.
        removing: told how many of them were removed.

    Raises:
        MissingExtra: pyarrow is not installed.
        ReadModelError: the file cannot be written; nothing was removed then.
    """
    try:
        pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("warehouse", "archiving the event log") from error
    await _finish_removing(log)
    await model.catch_up()
    begin, end, why = await log.database.read(lambda connection: _span(connection, int(before.timestamp() * 1000)))
    if begin >= end:
        return Archive(None, begin, begin, why=why)
    path = folder / f"events-{log.log_id[:8]}-{begin:012}-{end:012}.parquet"
    part = path.with_name(path.name + ".part")
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        with pq.ParquetWriter(str(part), _schema(pa), compression="zstd") as writer:
            for start in range(begin, end, PAGE):
                stop = min(start + PAGE, end)
                table = await log.database.read(
                    lambda connection, a=start, b=stop: _table(pa, connection, a, b, with_contents=with_contents)
                )
                await asyncio.to_thread(writer.write_table, table)
                if progress is not None:
                    progress(stop - begin, end - begin)
        digest = await asyncio.to_thread(_settle, part, path)
    except OSError as error:
        raise ReadModelError(f"the archive {path} cannot be written: {error.strerror or error}") from error
    now = SystemClock().now()

    def settle(connection: Connection, tree: Tree | None) -> Any:
        connection.execute(update(state).values(archived_to=end))
        fact = Fact(FactKind.ARCHIVE, {"from": begin, "to": end, "file": path.name, "sha256": digest, "contents": with_contents})
        return write_facts(connection, [fact], now, tree)

    await log.grow(settle)
    await _remove(log, begin, end, removing)
    return Archive(path, begin, end, digest, why)


async def _remove(log: EventLog, begin: int, end: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Take archived records out of the database, some at a time: whoever writes meanwhile waits for a fraction of a second, not for all of it."""

    def some(connection: Connection, start: int) -> int:
        stop = min(start + REMOVED_AT_ONCE, end)
        connection.execute(delete(payloads).where(payloads.c.seq >= start, payloads.c.seq < stop))
        connection.execute(delete(records).where(records.c.seq >= start, records.c.seq < stop, records.c.value_type.not_in(DEFINITIONS)))
        return stop

    at = begin
    while at < end:
        at = await log.database.write(lambda connection, start=at: some(connection, start))
        if progress is not None:
            progress(at - begin, end - begin)


async def _finish_removing(log: EventLog) -> None:
    """What was archived by a process that was ended before it had removed everything."""

    def left(connection: Connection) -> tuple[int | None, int]:
        archived = connection.scalar(select(state.c.archived_to)) or 0
        stays = records.c.value_type.in_(DEFINITIONS)
        return connection.scalar(select(func.min(records.c.seq)).where(records.c.seq < archived, ~stays)), archived

    begin, end = await log.database.read(left)
    if begin is not None:
        await _remove(log, begin, end)


def _span(connection: Connection, before: int) -> tuple[int, int, str]:
    """From where to where, and what the end is due to."""
    row = connection.execute(select(state)).one()
    later = connection.scalar(select(func.min(records.c.seq)).where(records.c.timestamp >= before, records.c.seq >= row.archived_to))
    limits = [(later if later is not None else int(row.size), "the next record is younger")]
    active = select(process_instances.c.key).where(process_instances.c.state == "ACTIVE")
    first = connection.scalar(select(func.min(records.c.seq)).where(records.c.process_instance_key.in_(active)))
    if first is not None:
        limits.append((first, "a process instance that still runs began there"))
    limits.append((connection.scalar(select(func.max(checkpoints.c.size))) or 0, "what follows is not signed yet"))
    end, why = min(limits)
    return int(row.archived_to), end // TILE_WIDTH * TILE_WIDTH, why


def _schema(pa: Any) -> Any:
    content = pa.struct([("salt", pa.binary()), ("body", pa.string())])
    return pa.schema(
        [
            ("seq", pa.int64()), ("partition", pa.int32()), ("position", pa.int64()), ("timestamp", pa.timestamp("ms", tz="UTC")),
            ("value_type", pa.string()), ("intent", pa.string()), ("process_instance_key", pa.int64()), ("business_id", pa.string()),
            ("entry", pa.string()), ("contents", pa.list_(content)),
        ]
    )  # fmt: skip


def _table(pa: Any, connection: Connection, begin: int, end: int, *, with_contents: bool) -> Any:
    rows = connection.execute(select(records).where(records.c.seq >= begin, records.c.seq < end).order_by(records.c.seq)).all()
    parts = contents(connection, [row.seq for row in rows if row.sealed]) if with_contents else {}
    columns: list[list[Any]] = [[] for _ in range(10)]
    for row in rows:
        entry = entry_bytes(tuple(row)[ENTRY], row.json).decode()
        apart = [{"salt": salt, "body": body} for salt, body in parts.get(row.seq, ())]
        values = (
            row.seq, row.partition, row.position, row.timestamp, row.value_type, row.intent, row.process_instance_key, row.business_id, entry, apart,
        )  # fmt: skip
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    schema = _schema(pa)
    return pa.Table.from_arrays([pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema)


def _settle(part: Path, path: Path) -> str:
    """The file is on disk, whole, before anything is removed from the database."""
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
        os.fsync(file.fileno())
    part.replace(path)
    return digest.hexdigest()


async def verify_archive(log: EventLog, path: Path) -> tuple[int, list[Problem]]:
    """Hold an archive against the tree of its log.

    Returns:
        How many records it has, and what is wrong with them.

    Raises:
        ReadModelError: it cannot be read.
    """
    try:
        pq = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("warehouse", "reading an archive of the event log") from error
    try:
        file = await asyncio.to_thread(pq.ParquetFile, str(path))
        count, problems, expected = 0, list[Problem](), -1
        for batch in file.iter_batches(batch_size=TILE_WIDTH * 64, columns=["seq", "entry"]):
            seqs: list[int] = batch.column("seq").to_pylist()
            leaves = [leaf_hash(entry.encode()) for entry in batch.column("entry").to_pylist()]
            kept = await log.database.read(lambda connection, seqs=seqs: _leaves(connection, seqs[0], seqs[-1]))
            for seq, leaf in zip(seqs, leaves, strict=True):
                if expected not in (-1, seq):
                    problems.append(Problem(expected, f"record {expected} is missing from the archive {path.name}"))
                elif kept.get(seq) != leaf:
                    problems.append(Problem(seq, f"record {seq} in the archive {path.name} is not what was written"))
                expected = seq + 1
            count += len(seqs)
    except Exception as error:
        if isinstance(error, ReadModelError):
            raise
        raise ReadModelError(f"{path} cannot be read as an archive: {error}") from error
    return count, problems


def _leaves(connection: Connection, first: int, last: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    query = select(tiles.c.number, tiles.c.hashes).where(
        tiles.c.level == 0, tiles.c.number.between(first // TILE_WIDTH, last // TILE_WIDTH)
    )
    for number, hashes in connection.execute(query):
        data = raw(hashes)
        found |= {number * TILE_WIDTH + at // SIZE: data[at : at + SIZE] for at in range(0, len(data), SIZE)}
    return found
