"""Goes over a range of the log and recomputes every hash. Pure: rows come in, findings go out; what is fast is one loop over 256 rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from operator import ge
from typing import Any, Final, Literal

from camunda_workers.events.chain.checkpoint import Head
from camunda_workers.events.chain.hashing import CHAIN_START, SIZE
from camunda_workers.events.chain.merkle import TILE_WIDTH, full_root, split
from camunda_workers.events.chain.sealing import MARK, mark_of
from camunda_workers.events.chain.tree import read_chains

Row = tuple[int, int, int, int, bytes]
"""A record's place, partition, position, number of contents taken out, and entry."""
Content = tuple[int, bytes, bytes]
"""A content: its record's place, salt and text."""

_MARK: Final = MARK.encode()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written.

    Attributes:
        seq: the first place in the log that it concerns.
        what: in words, with partition and position where a record can be named.
        position: of the record, where one is to blame for certain.
    """

    seq: int
    what: str
    partition: int | None = None
    position: int | None = None


@dataclass(slots=True)
class Findings:
    """What a scan found.

    Attributes:
        records: how many were looked at.
        contents: contents that are what the log committed to.
        erased: contents that were erased, as the log itself says.
    """

    records: int = 0
    contents: int = 0
    erased: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])


@dataclass(frozen=True, slots=True)
class Range:
    """What to go over, and what it must come to.

    Attributes:
        begin: the first place; the beginning of a tile.
        end: the place behind the last one.
        leaves: the stored hashes of the records, by tile.
        roots: the stored hash over each full tile, by tile.
        chains: the stored chains behind each full tile, and before the first one.
        heads_at: chains that were signed, by size.
        erased: places whose contents the log says were erased.
    """

    begin: int
    end: int
    leaves: Mapping[int, bytes]
    roots: Mapping[int, bytes]
    chains: Mapping[int, bytes]
    heads_at: Mapping[int, Mapping[int, Head]]
    erased: Collection[int]


def scan(rows: Iterator[Row], contents: Iterator[Content], wanted: Range) -> Findings:
    """Recompute a range."""
    found = Findings()
    heads = dict(read_chains(wanted.chains.get(wanted.begin // TILE_WIDTH - 1, b"")))
    apart = _ByRecord(contents)
    for start in range(wanted.begin, wanted.end, TILE_WIDTH):
        stop = min(start + TILE_WIDTH, wanted.end)
        some = list(islice(rows, stop - start))
        if len(some) != stop - start or some[0][0] != start or some[-1][0] != stop - 1:
            found.problems.append(_missing(start, stop, some))
            return found
        number = start // TILE_WIDTH
        leaves = [sha256(b"\x00" + row[4]).digest() for row in some]
        if b"".join(leaves) != wanted.leaves.get(number, b"")[: SIZE * len(leaves)]:
            found.problems.append(_altered(some, leaves, wanted.leaves.get(number, b""), wanted.roots.get(number)))
            return found
        if len(leaves) == TILE_WIDTH and full_root(leaves) != wanted.roots.get(number):
            found.problems.append(
                Problem(
                    start,
                    f"records {start} to {stop - 1}: one of them was altered, and its own hash with it; the hash over them all was not",
                )
            )
            return found
        if problem := _link(some, leaves, heads, wanted, start, stop):
            found.problems.append(problem)
            return found
        for row in [row for row in some if row[3] or _MARK in row[4]]:
            _check_contents(row, apart.of(row[0]), wanted.erased, found)
        found.records += len(some)
    return found


def _link(some: Sequence[Row], leaves: Sequence[bytes], heads: dict[int, Head], wanted: Range, start: int, stop: int) -> Problem | None:
    signed = {size for size in wanted.heads_at if start < size <= stop}
    digest = sha256
    if signed <= {stop} and (problem := _link_one(some, leaves, heads)) is not False:
        if problem is None and signed:
            problem = _differs(heads, wanted.heads_at[stop], some[-1])
        return problem or _kept_behind(heads, wanted, start, stop, some[-1])
    partition, position, link = -1, 0, b""
    for row, leaf in zip(some, leaves, strict=True):
        if row[1] != partition:
            if partition >= 0:
                heads[partition] = Head(position, link)
            partition = row[1]
            known = heads.get(partition)
            position, link = (known.position, known.link) if known is not None else (0, CHAIN_START)
        if row[2] <= position:
            return Problem(row[0], f"partition {partition}: position {row[2]} stands behind position {position}", partition, row[2])
        position = row[2]
        link = digest(link + leaf).digest()
        if (
            signed
            and row[0] + 1 in signed
            and (problem := _differs(heads | {partition: Head(position, link)}, wanted.heads_at[row[0] + 1], row))
        ):
            return problem
    heads[partition] = Head(position, link)
    return _kept_behind(heads, wanted, start, stop, some[-1])


def _link_one(some: Sequence[Row], leaves: Sequence[bytes], heads: dict[int, Head]) -> Problem | Literal[False] | None:
    """As `_link` for rows of one partition, which is nearly always so, in half the time; ``False``: they are of several."""
    partition = some[0][1]
    if any(row[1] != partition for row in some):
        return False
    head = heads.get(partition)
    position, link = (head.position, head.link) if head is not None else (0, CHAIN_START)
    positions = [row[2] for row in some]
    if positions[0] <= position or any(map(ge, positions, positions[1:])):
        return False  # the slow way says where
    digest = sha256
    for leaf in leaves:
        link = digest(link + leaf).digest()
    heads[partition] = Head(positions[-1], link)
    return None


def _kept_behind(heads: Mapping[int, Head], wanted: Range, start: int, stop: int, last: Row) -> Problem | None:
    stored = wanted.chains.get(start // TILE_WIDTH)
    if stored is not None and stop - start == TILE_WIDTH:
        return _differs(heads, read_chains(stored), last)
    return None


def _differs(found: Mapping[int, Head], expected: Mapping[int, Head], row: Row) -> Problem | None:
    for partition in sorted({*found, *expected}):
        if found.get(partition) != expected.get(partition):
            return Problem(row[0], f"partition {partition}: its chain is not the one that was kept behind record {row[0]}", row[1], row[2])
    return None


def _missing(start: int, stop: int, some: Sequence[Row]) -> Problem:
    expected = start
    before: Row | None = None
    for row in some:
        if row[0] != expected:
            break
        before, expected = row, expected + 1
    last = f", behind partition {before[1]} position {before[2]}" if before is not None else ""
    further = f"; the next that is there is record {row[0]}" if (row := next((one for one in some if one[0] > expected), None)) else ""
    return Problem(expected, f"record {expected} is missing{last}{further}", before[1] if before else None)


def _altered(some: Sequence[Row], leaves: Sequence[bytes], stored: bytes, root: bytes | None) -> Problem:
    kept = split(stored)
    at = next((n for n, leaf in enumerate(leaves) if n >= len(kept) or kept[n] != leaf), 0)
    row = some[at]
    if root is not None and len(leaves) == TILE_WIDTH and full_root(leaves) == root:
        return Problem(row[0], f"the stored hash of record {row[0]} was altered; the record itself is as it was written", row[1], row[2])
    if len(kept) <= at:
        return Problem(row[0], f"the stored hash of record {row[0]} is missing", row[1], row[2])
    return Problem(
        row[0],
        f"record {row[0]} (partition {row[1]}, position {row[2]}) is not what was written: it was altered or put elsewhere",
        row[1],
        row[2],
    )


def _check_contents(row: Row, parts: Sequence[Content], erased: Collection[int], found: Findings) -> None:
    entry = row[4]
    where = f"record {row[0]} (partition {row[1]}, position {row[2]})"
    if entry.count(_MARK) != row[3]:
        found.problems.append(Problem(row[0], f"{where}: the number of its contents was altered", row[1], row[2]))
        return
    good = sum(mark_of(salt, body).encode() in entry for _, salt, body in parts)
    found.contents += good
    missing = row[3] - len(parts)
    if good < len(parts):
        found.problems.append(Problem(row[0], f"{where}: a content was altered", row[1], row[2]))
    elif missing and row[0] not in erased:
        found.problems.append(
            Problem(row[0], f"{where}: {missing} of its contents are gone, and no erasure in the log says so", row[1], row[2])
        )
    else:
        found.erased += max(missing, 0)


class _ByRecord:
    """Contents, ascending by record, handed out record by record."""

    def __init__(self, contents: Iterator[Content]) -> None:
        self._contents = contents
        self._next = next(contents, None)

    def of(self, seq: int) -> list[Content]:
        found: list[Content] = []
        while self._next is not None and self._next[0] <= seq:
            if self._next[0] == seq:
                found.append(self._next)
            self._next = next(self._contents, None)
        return found


def scan_file(path: str, wanted: Range, entry_sql: str) -> Findings:
    """Recompute a range of a SQLite log; for a process of its own, which is why this module imports so little."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
        return scan_connection(connection, wanted, entry_sql)


def scan_connection(connection: Any, wanted: Range, entry_sql: str) -> Findings:
    """Recompute a range over an open SQLite connection."""
    factory, connection.text_factory = connection.text_factory, bytes
    try:
        query = f"SELECT seq, partition, position, sealed, {entry_sql} FROM records WHERE seq >= ? AND seq < ? ORDER BY seq"
        rows = connection.cursor().execute(query, (wanted.begin, wanted.end))
        contents = connection.cursor().execute(
            "SELECT seq, salt, body FROM payloads WHERE seq >= ? AND seq < ? ORDER BY seq, part", (wanted.begin, wanted.end)
        )
        return scan(iter(rows), iter(contents), wanted)
    finally:
        connection.text_factory = factory


def compact(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers as ``[first, last]`` pairs."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found
