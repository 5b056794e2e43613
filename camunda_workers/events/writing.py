"""Adding to the log: rows, contents, tree and chains in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from camunda_workers.errors import ReadModelError
from camunda_workers.events.bulk import insert_rows, upsert
from camunda_workers.events.chain.checkpoint import Head
from camunda_workers.events.chain.tree import Tree, grow
from camunda_workers.events.entries import entry_of
from camunda_workers.events.months import ensure_months
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.schema import (
    PAYLOAD_COLUMNS,
    RECORD_COLUMNS,
    heads,
    payloads,
    records,
    state,
    tiles,
)

CHANNEL = "camunda_workers_log"
"""Where PostgreSQL tells that the log has grown, once that is committed."""
_BOUND_AT_ONCE = 500  # SQLite takes only so many bound values in one statement


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an append: how many were new, and the tree after it."""

    count: int
    tree: Tree


def read_heads(connection: Connection) -> dict[int, Head]:
    """Where every partition's chain is."""
    return {row.partition: Head(row.position, bytes(row.link)) for row in connection.execute(select(heads))}


def read_size(connection: Connection, *, locked: bool = False) -> int:
    """How many records the log has; ``locked``: and nobody else may add any until this transaction ends."""
    query: Any = select(state.c.size)
    return connection.scalar(query.with_for_update() if locked else query) or 0


def read_tree(connection: Connection, size: int) -> Tree:
    """The tree's right edge as it is stored."""
    edge: list[bytes] = []
    level, count = 0, size
    while count:
        at = (tiles.c.level == level) & (tiles.c.number == count // 256)
        edge.append(bytes(connection.scalar(select(tiles.c.hashes).where(at)) or b"") if count % 256 else b"")
        count //= 256
        level += 1
    return Tree(size, tuple(edge))


def append_lines(connection: Connection, lines: Sequence[bytes | str], partition: int, known: Tree | None) -> Written:
    """Add what is new of these records; see `EventLog.append`."""
    size = read_size(connection, locked=True)
    before = read_heads(connection)
    last = head = before[partition].position if partition in before else 0
    new: dict[int, Record] = {}
    repeated: list[Record] = []
    for line in lines:
        record = parse_record(line)
        if record.partition != partition:
            raise ReadModelError(
                f"position {record.position} belongs to partition {record.partition}, but the source is read as partition {partition}"
            )
        if record.position > last:
            last = record.position
            new[last] = record
        elif record.position > head:
            _check_repeated(record, new.get(record.position), last)
        else:
            repeated.append(record)
    _check_stored(connection, repeated, partition, head)
    tree = known if known is not None and known.size == size else read_tree(connection, size)
    return _write(connection, list(new.values()), partition, tree, before)


def append_facts(connection: Connection, make: Callable[[int], Sequence[str]], partition: int, known: Tree | None) -> Written:
    """Add records of our own, which get the next positions.

    Args:
        make: from the first free position to the records as JSON.
    """
    size = read_size(connection, locked=True)
    before = read_heads(connection)
    first = before[partition].position + 1 if partition in before else 1
    tree = known if known is not None and known.size == size else read_tree(connection, size)
    return _write(connection, [parse_record(line) for line in make(first)], partition, tree, before)


def _write(connection: Connection, new: Sequence[Record], partition: int, tree: Tree, before: dict[int, Head]) -> Written:
    if not new:
        return Written(0, tree)
    entries = [entry_of(record) for record in new]
    ensure_months(connection, (record.timestamp for record in new))
    size = tree.size
    insert_rows(connection, records.name, RECORD_COLUMNS, [(seq, *entry.row) for seq, entry in enumerate(entries, size)])
    apart: list[tuple[Any, ...]] = [
        (seq, number, part.salt, part.body) for seq, entry in enumerate(entries, size) for number, part in enumerate(entry.parts)
    ]
    insert_rows(connection, payloads.name, PAYLOAD_COLUMNS, apart)
    grown, changed, after = grow(tree, [entry.leaf for entry in entries], partition, [entry.position for entry in entries], before)
    upsert(
        connection,
        tiles,
        ({"level": tile.level, "number": tile.number, "hashes": tile.hashes, "chains": tile.chains} for tile in changed),
    )
    head = after[partition]
    upsert(connection, heads, [{"partition": partition, "position": head.position, "link": head.link}])
    connection.execute(update(state).values(size=grown.size))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
    return Written(len(entries), grown)


def _identity(record: Record) -> tuple[Any, ...]:
    return (record.timestamp, record.record_type, record.value_type, record.intent, record.key)


def _check_repeated(record: Record, known: Record | None, last: int) -> None:
    if known is None:
        raise ReadModelError(f"position {record.position} came after position {last}: the source gives records out of order")
    if _identity(known) != _identity(record):
        raise ReadModelError(f"the source gave two different records for position {record.position}")


def _check_stored(connection: Connection, repeated: Sequence[Record], partition: int, head: int) -> None:
    c = records.c
    for start in range(0, len(repeated), _BOUND_AT_ONCE):
        some = repeated[start : start + _BOUND_AT_ONCE]
        query = select(c.position, c.timestamp, c.record_type, c.value_type, c.intent, c.key).where(
            c.partition == partition, c.position.in_([record.position for record in some])
        )
        stored = {row[0]: tuple(row[1:]) for row in connection.execute(query)}
        archived = connection.scalar(select(state.c.archived_to)) or 0
        for record in some:
            known = stored.get(record.position)
            if known is None:
                if archived:  # it may have been removed after it was archived; the log only ever grew, so it is not new
                    continue
                raise ReadModelError(f"position {record.position} came after position {head}: the source gives records out of order")
            if known != _identity(record):
                raise ReadModelError(
                    f"at position {record.position} the log holds {known[2]} {known[3]}, the source gives {record.value_type} {record.intent}: "
                    "this log belongs to another engine; give the engine a data directory of its own"
                )
