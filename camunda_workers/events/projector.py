"""Folds the log into the read model's tables: incrementally, each projection from its own position, exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from camunda_workers.errors import CamundaWorkersError, ReadModelError
from camunda_workers.events.projections.base import Change, Patch, Projection, Put, positions
from camunda_workers.events.reading import TEXT_COLUMNS, read_texts
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.schema import heads, records

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
            groups: dict[tuple[Table, bool, tuple[str, ...]], list[dict[str, Any]]] = {}
            for (table, key), steps in pending:
                step = steps[number]
                row = (
                    dict(zip((column.name for column in table.primary_key), key if isinstance(key, tuple) else (key,), strict=True))
                    | step.values
                )
                groups.setdefault((table, step.makes, tuple(sorted(step.values))), []).append(row)
            for (table, makes, names), rows in groups.items():
                _write_group(connection, table, rows, names, makes=makes)
            number += 1
            pending = [(key, steps) for key, steps in pending if len(steps) > number]


def _write_group(connection: Connection, table: Table, rows: list[dict[str, Any]], names: tuple[str, ...], *, makes: bool) -> None:
    keys = [column.name for column in table.primary_key]
    if makes:
        statement = _insert(connection, table)
        if names:
            statement = statement.on_conflict_do_update(index_elements=keys, set_={name: statement.excluded[name] for name in names})
        else:
            statement = statement.on_conflict_do_nothing()
        connection.execute(statement, rows)
    elif names:
        place = "%({0})s" if connection.dialect.name == "postgresql" else ":{0}"
        condition = " AND ".join(f'"{key}" = {place.format(key)}' for key in keys)
        assigned = ", ".join(f'"{name}" = {place.format(name)}' for name in names)
        # Names are ours (the tables above), values are bound. The driver's own executemany: one prepared statement for all rows.
        connection.connection.cursor().executemany(f'UPDATE "{table.name}" SET {assigned} WHERE {condition}', rows)


def _insert(connection: Connection, table: Table) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _head(connection: Connection, partition: int) -> int:
    return connection.scalar(select(heads.c.position).where(heads.c.partition == partition)) or 0


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
    behind = [projection for projection in projections if at[projection.name] == start]
    ahead = [position for position in at.values() if position > start]
    end = min(ahead, default=head)
    wanted = sorted({value_type for projection in behind for value_type in projection.folds})
    c = records.c
    query = (
        select(*TEXT_COLUMNS)
        .where(c.partition == partition, c.position > start, c.position <= end, c.value_type.in_(wanted), c.record_type == "EVENT")
        .order_by(c.position)
        .limit(limit)
    )
    rows = read_texts(connection, query)
    fold(behind, (parse_record(text) for _, text in rows)).write(connection)
    now_at = rows[-1][0].position if len(rows) == limit else end
    for projection in behind:
        row = {"name": projection.name, "partition": partition, "position": now_at, "version": projection.version}
        statement = _insert(connection, positions).values(row)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["name", "partition"], set_={"position": now_at, "version": projection.version})
        )
    return len(rows), now_at < head


def _positions(connection: Connection, partition: int) -> dict[str, tuple[int, int]]:
    query = select(positions.c.name, positions.c.position, positions.c.version).where(positions.c.partition == partition)
    return {row.name: (row.position, row.version) for row in connection.execute(query)}


__all__ = ["Changes", "Patch", "Put", "ensure_tables", "fold", "fold_some", "forget", "is_current"]
