"""Is the log what was written? Recomputes it from its records, and holds the result against what was kept and what was signed."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, func, select, text

from camunda_workers.errors import ReadModelError
from camunda_workers.events.chain.checkpoint import Checkpoint, Head, open_checkpoint
from camunda_workers.events.chain.hashing import SIZE, leaf_hash
from camunda_workers.events.chain.merkle import TILE_WIDTH, tree_root
from camunda_workers.events.chain.nodes import raw, stored_tree
from camunda_workers.events.chain.note import Verifier
from camunda_workers.events.chain.scan import Findings, Problem, Range, scan, scan_connection, scan_file
from camunda_workers.events.chain.tree import read_chains
from camunda_workers.events.schema import ENTRY, ENTRY_COLUMNS, ENTRY_SQL, IS_ERASURE, checkpoints, payloads, records, state, tiles
from camunda_workers.events.writing import read_heads

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

PORTION: Final = TILE_WIDTH * 200
"""Records that are gone over in one go."""
_WORTH_PROCESSES: Final = 200_000
"""Starting a process takes about as long as going over 50,000 records."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a verification.

    Attributes:
        size: records in the log.
        first: the first record that was recomputed; those before it are covered by a signed checkpoint.
        archived: records whose rows were moved to archives; their hashes are still part of the tree.
        root: the tree's root.
        checkpoints: signed checkpoints that the log agrees with.
        signed_to: the size up to which the log is signed.
        problems: what is wrong, the first record first. Nothing: the log is what was written.
    """

    size: int
    first: int
    archived: int
    root: bytes
    records: int = 0
    contents: int = 0
    erased: int = 0
    checkpoints: int = 0
    signed_to: int = 0
    problems: Sequence[Problem] = field(default_factory=tuple[Problem, ...])

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is stored about the log beside its records."""

    size: int
    archived: int
    last: int
    heads: Mapping[int, Head]
    signed: Sequence[Checkpoint]
    root: bytes
    erased: frozenset[int]
    problems: Sequence[Problem]


async def verify_log(
    log: EventLog,
    verifiers: Collection[Verifier] = (),
    *,
    since: Checkpoint | None = None,
    trusted: Sequence[Checkpoint] = (),
    progress: Progress | None = None,
) -> Report:
    """Verify a log.

    Args:
        log: which; it may be written to meanwhile, what comes later is left out.
        verifiers: public keys of those who sign its checkpoints; without any, signatures are not checked, and the report says nothing of them.
        since: a checkpoint to begin at: what it covers is held against its root, and only records behind it are recomputed.
        trusted: checkpoints kept elsewhere, which the log must agree with, too: whoever can write to the database can also remove
            checkpoints from it.
        progress: told how many of how many records were recomputed.

    Raises:
        ReadModelError: the log cannot be read.
    """
    try:
        kept = await log.database.read(lambda connection: _kept(connection, verifiers, [*trusted, *([since] if since else [])]))
    except ReadModelError as error:
        if "lacks a part" not in str(error):
            raise
        return Report(await log.size(), 0, 0, b"", problems=(Problem(0, str(error)),))
    begin = max(since.size if since is not None else 0, kept.archived) // TILE_WIDTH * TILE_WIDTH
    begin = min(begin, kept.size // TILE_WIDTH * TILE_WIDTH)
    while begin < kept.archived:  # rows of a tile may be archived in part
        begin += TILE_WIDTH
    spans = [(at, min(at + PORTION, kept.size)) for at in range(begin, kept.size, PORTION)]
    found = await asyncio.to_thread(_scan_all, log, kept, spans, progress) if not any(p.seq < 0 for p in kept.problems) else Findings()
    problems = sorted([*kept.problems, *found.problems], key=lambda problem: problem.seq)
    return Report(
        kept.size,
        begin,
        kept.archived,
        kept.root,
        found.records,
        found.contents,
        found.erased,
        len(kept.signed),
        max((one.size for one in kept.signed), default=0),
        tuple(problems),
    )


def _kept(connection: Connection, verifiers: Collection[Verifier], trusted: Sequence[Checkpoint]) -> _Kept:
    row = connection.execute(select(state)).one()
    size = int(row.size)
    last = connection.scalar(select(func.max(records.c.seq)))
    problems: list[Problem] = []
    if (last if last is not None else row.archived_to - 1) + 1 > size:
        problems.append(Problem(size, f"there are records behind record {size - 1} that are not part of the tree"))
    subtree = stored_tree(connection)
    signed: list[Checkpoint] = []
    agreed = 0
    notes: list[str] = list(connection.scalars(select(checkpoints.c.note).order_by(checkpoints.c.size))) if verifiers else []
    for note in notes:
        try:
            checkpoint = open_checkpoint(note, verifiers)
        except ReadModelError as error:
            problems.append(Problem(agreed, f"a checkpoint behind record {max(agreed - 1, 0)} is no longer what was signed: {error}"))
            continue
        if problem := _disagrees(checkpoint, size, subtree, agreed):
            problems.append(problem)
        else:
            signed.append(checkpoint)
            agreed = checkpoint.size
    for checkpoint in sorted(trusted, key=lambda one: one.size):
        before = max((one.size for one in signed if one.size < checkpoint.size), default=0)
        if problem := _disagrees(checkpoint, size, subtree, before):
            problems.append(problem)
    if row.archived_to:
        problems += _stayed(connection, int(row.archived_to))
    erased: set[int] = set()
    for line in connection.scalars(select(records.c.json).where(text(IS_ERASURE), records.c.partition == 0)):
        for first, until in json.loads(line)["value"].get("records", ()):
            erased.update(range(first, until + 1))
    return _Kept(
        size, int(row.archived_to), last or 0, read_heads(connection), signed, tree_root(size, subtree), frozenset(erased), problems
    )


def _stayed(connection: Connection, archived: int) -> list[Problem]:
    """Records that stayed when those around them were archived: each is held against its own hash."""
    problems: list[Problem] = []
    for row in connection.execute(select(records).where(records.c.seq < archived).order_by(records.c.seq)):
        entry = entry_bytes(tuple(row)[ENTRY], row.json)
        kept = connection.scalar(select(tiles.c.hashes).where(tiles.c.level == 0, tiles.c.number == row.seq // TILE_WIDTH))
        at = row.seq % TILE_WIDTH * SIZE
        if raw(kept)[at : at + SIZE] != leaf_hash(entry):
            where = f"record {row.seq} (partition {row.partition}, position {row.position})"
            problems.append(Problem(row.seq, f"{where} is not what was written", row.partition, row.position))
    return problems


def _disagrees(checkpoint: Checkpoint, size: int, subtree: Any, agreed: int) -> Problem | None:
    if checkpoint.size > size:
        return Problem(
            size, f"the log ends with record {size - 1}, but a signed checkpoint covers {checkpoint.size} records: its end was cut off"
        )
    if tree_root(checkpoint.size, subtree) != checkpoint.root:
        return Problem(
            agreed,
            f"a record from {agreed} to {checkpoint.size - 1} was altered, and its hashes with it: they are not what was signed at size {checkpoint.size}",
        )
    return None


def _range(connection: Connection, kept: _Kept, begin: int, end: int) -> Range:
    first, last = begin // TILE_WIDTH, (end - 1) // TILE_WIDTH
    c = tiles.c
    leaves: dict[int, bytes] = {}
    chains: dict[int, bytes] = {}
    for row in connection.execute(select(c.number, c.hashes, c.chains).where(c.level == 0, c.number.between(first - 1, last))):
        leaves[row.number] = raw(row.hashes)
        if row.chains is not None:
            chains[row.number] = raw(row.chains)
    roots: dict[int, bytes] = {}
    upper = select(c.number, c.hashes).where(c.level == 1, c.number.between(first // TILE_WIDTH, last // TILE_WIDTH))
    for row in connection.execute(upper):
        data = raw(row.hashes)
        for at in range(0, len(data), 32):
            roots[row.number * TILE_WIDTH + at // 32] = data[at : at + 32]
    heads_at = {one.size: one.heads for one in kept.signed if begin < one.size <= end}
    if end == kept.size:
        heads_at[end] = kept.heads
    erased = frozenset(one for one in kept.erased if begin <= one < end)
    return Range(begin, end, leaves, roots, chains, heads_at, erased)


def _scan_all(log: EventLog, kept: _Kept, spans: Sequence[tuple[int, int]], progress: Progress | None) -> Findings:
    total = Findings()
    whole = sum(end - begin for begin, end in spans)

    def take(found: Findings) -> None:
        total.records += found.records
        total.contents += found.contents
        total.erased += found.erased
        total.problems += found.problems
        if progress is not None:
            progress(total.records, whole)

    ranges: Iterator[Range] = (log.database.query(lambda c, span=span: _range(c, kept, *span)) for span in spans)
    path = log.path
    cores = os.cpu_count() or 1
    if path is None or whole < _WORTH_PROCESSES or cores == 1:
        for one in ranges:
            take(log.database.query(lambda connection, one=one: _scan(connection, one)))
            if total.problems:
                break
        return total
    # Each range begins with a chain that was kept, and the range before it must end with the same: so they can be gone over side by side.
    with ProcessPoolExecutor(min(cores, len(spans)), mp_context=multiprocessing.get_context("spawn")) as pool:
        running: set[Future[Findings]] = set()
        for one in ranges:
            running.add(pool.submit(scan_file, str(path), one, ENTRY_SQL))
            if len(running) > cores:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    take(future.result())
            if total.problems:
                break
        for future in running:
            take(future.result())
    return total


def _scan(connection: Connection, wanted: Range) -> Findings:
    if connection.dialect.name == "sqlite":
        return scan_connection(connection.connection.driver_connection, wanted, ENTRY_SQL)
    c, p = records.c, payloads.c
    columns = [c[name] for name in ENTRY_COLUMNS]
    query = select(c.seq, c.sealed, c.json, *columns).where(c.seq >= wanted.begin, c.seq < wanted.end).order_by(c.seq)
    apart = select(p.seq, p.salt, p.body).where(p.seq >= wanted.begin, p.seq < wanted.end).order_by(p.seq, p.part)
    rows: Any = connection.execution_options(yield_per=2000).execute(query)
    contents: Any = connection.execute(apart)
    try:
        return scan(
            ((row[0], row[3], row[4], row[1], entry_bytes(row[3:], row[2])) for row in rows),
            ((row[0], bytes(row[1]), row[2].encode()) for row in contents),
            wanted,
        )
    finally:
        rows.close()
        contents.close()


def entry_bytes(columns: Sequence[Any], line: str) -> bytes:
    """An entry from a row's columns (in the order of ``ENTRY_COLUMNS``) and its text."""
    return ("\t".join("" if value is None else str(value) for value in columns) + "\n" + line).encode()


__all__ = ["Problem", "Report", "entry_bytes", "read_chains", "verify_log"]
