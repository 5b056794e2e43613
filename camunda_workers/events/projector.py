"""Folds the log into the read model's tables: incrementally, each projection from its own position, exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Table, TextClause, select, text

from camunda_workers.errors import CamundaWorkersError, ReadModelError
from camunda_workers.events.bulk import patch_rows, put_rows
from camunda_workers.events.projections.base import Change, Patch, Projection, Put, positions
from camunda_workers.events.reading import texts
from camunda_workers.events.record import Record, parse_record

FOLDED_AT_ONCE: Final = 5000
"""Records per transaction: a projection that is far behind does not hold the writer for long."""


@dataclass(slots=True)
class _Step:
    """What one row becomes, in one statement."""

    makes: bool
    values: dict[str, Any]


class Changes:
    """Row changes of a batch, merged so that each row is written as seldom as possible.

    Merging must not change the outcome, or it would depend on where batches are split. Only one pair cannot be merged: a patch and then
    a put, because the patch counts only if the row was there before.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[Table, int | tuple[int | str, ...]], list[_Step]] = {}

    def add(self, change: Change) -> None:
        """Take in one more."""
        steps = self._rows.setdefault((change.table, change.key), [])
        makes = isinstance(change, Put)
        if steps and (steps[-1].makes or not makes):
            steps[-1].values.update(change.values)
        else:
            steps.append(_Step(makes, dict(change.values)))

    def write(self, connection: Connection) -> None:
        """Write them all: the first step of every row, then the second ..."""
        pending = list(self._rows.items())
        number = 0
        while pending:
            groups: dict[tuple[Table, bool, tuple[str, ...]], list[tuple[Any, ...]]] = {}
            for (table, key), steps in pending:
                step = steps[number]
                row = (*(key if isinstance(key, tuple) else (key,)), *step.values.values())
                groups.setdefault((table, step.makes, tuple(step.values)), []).append(row)
            for (table, makes, names), rows in groups.items():
                (put_rows if makes else patch_rows)(connection, table, names, rows)
            number += 1
            pending = [(key, steps) for key, steps in pending if len(steps) > number]


def _head(connection: Connection, partition: int) -> int:
    return connection.execute(_HEAD, {"partition": partition}).scalar() or 0


def fold(projections: Sequence[Projection], batch: Iterable[Record]) -> Changes:
    """The changes that these records make; pure.

    Raises:
        ReadModelError: a record is not what its value type says; the text names projection and position.
    """
    changes = Changes()
    for record in batch:
        if not record.is_event:
            continue
        for projection in projections:
            folder = projection.folds.get(record.value_type)
            if folder is None:
                continue
            try:
                for change in folder(record):
                    changes.add(change)
            except CamundaWorkersError:
                raise
            except Exception as error:
                raise ReadModelError(
                    f"projection '{projection.name}' cannot read the {record.value_type} {record.intent} at position {record.position}: {error!r}"
                ) from error
    return changes


def is_current(connection: Connection, projections: Sequence[Projection], partition: int) -> bool:
    """Whether every projection has everything that is in the log."""
    head = _head(connection, partition)
    reached = _positions(connection, partition)
    return all(reached.get(projection.name) == (head, projection.version) for projection in projections)


def ensure_tables(connection: Connection, projections: Sequence[Projection]) -> None:
    """Make what is missing; drop what an older version of a fold made, so that it is built anew."""
    positions.create(connection, checkfirst=True)
    known: dict[str, int] = {row.name: row.version for row in connection.execute(select(positions.c.name, positions.c.version))}
    for projection in projections:
        if known.get(projection.name, projection.version) != projection.version:
            forget(connection, projection)
        for table in projection.tables:
            table.create(connection, checkfirst=True)


def forget(connection: Connection, projection: Projection) -> None:
    """Empty a projection: it starts from the first record again."""
    for table in projection.tables:
        table.drop(connection, checkfirst=True)
        table.create(connection)
    connection.execute(positions.delete().where(positions.c.name == projection.name))


def fold_some(connection: Connection, projections: Sequence[Projection], partition: int, limit: int = FOLDED_AT_ONCE) -> tuple[int, bool]:
    """Fold the next records into those projections that are furthest behind, in the caller's transaction.

    Returns:
        How many records were read, and whether there is more to do.
    """
    reached = _positions(connection, partition)
    head = _head(connection, partition)
    at = {projection.name: reached.get(projection.name, (-1, 0))[0] for projection in projections}
    start = min(at.values(), default=head)
    if start >= head:
        return 0, False
    if connection.dialect.name == "postgresql":
        # What is lost in a crash is folded again: nobody needs to wait for the disk.
        connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
    behind = [projection for projection in projections if at[projection.name] == start]
    ahead = [position for position in at.values() if position > start]
    end = min(ahead, default=head)
    wanted = tuple(sorted({value_type for projection in behind for value_type in projection.folds}))
    between = {"partition": partition, "start": start, "end": end, "limit": limit}
    rows = connection.execute(_wanted(wanted), between).all()
    fold(behind, map(parse_record, texts(connection, rows))).write(connection)
    now_at = rows[-1].position if len(rows) == limit else end
    reached_now = [(projection.name, partition, now_at, projection.version) for projection in behind]
    put_rows(connection, positions, ("position", "version"), reached_now)
    return len(rows), now_at < head


# Text that is kept: putting these statements together anew would cost more than a small batch does.
_HEAD: Final = text("SELECT position FROM heads WHERE partition = :partition")
_POSITIONS: Final = text("SELECT name, position, version FROM projection_positions WHERE partition = :partition")


@cache
def _wanted(value_types: tuple[str, ...]) -> TextClause:
    kinds = ", ".join(f"'{name}'" for name in value_types)  # names in our folds
    return text(
        "SELECT seq, position, sealed, json FROM records WHERE partition = :partition AND position > :start AND position <= :end "
        f"AND value_type IN ({kinds}) AND record_type = 'EVENT' ORDER BY position LIMIT :limit"
    )


def _positions(connection: Connection, partition: int) -> dict[str, tuple[int, int]]:
    return {row.name: (row.position, row.version) for row in connection.execute(_POSITIONS, {"partition": partition})}


__all__ = ["Changes", "Patch", "Put", "ensure_tables", "fold", "fold_some", "forget", "is_current"]
