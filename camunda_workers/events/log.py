"""The event log: every record of the engine once, in order, for ever."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, func, select, text

from camunda_workers.errors import ReadModelError
from camunda_workers.events.database import Database
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.schema import INSERT_RECORD, IS_PROCESS, metadata, records

DEFAULT_FILE = "events.db"
"""The log's file in the data directory."""

_BOUND_AT_ONCE = 500  # SQLite takes only so many bound values in one statement


class EventLog:
    """An append-only log of the engine's records in one SQLite file (or in memory).

    Records are kept exactly once by partition and position, as the very bytes they came in. Rows can be neither changed nor removed: the
    database itself refuses it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, path: Path | str = ":memory:") -> EventLog:
        """Open a log and create what is missing.

        Args:
            path: the file; ``":memory:"`` for one that is gone when closed.

        Raises:
            ReadModelError: the file cannot be opened or is not a log.
        """
        database = Database(None if str(path) == ":memory:" else Path(path))
        log = cls(database)
        try:
            database.run(metadata.create_all)
        except ReadModelError:
            database.dispose()
            raise
        return log

    @property
    def path(self) -> Path | None:
        """The log's file; ``None`` when it is in memory."""
        return self.database.path

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def append(self, lines: Sequence[bytes | str], *, partition: int = 1) -> int:
        """Add records in one transaction: all that are new, or none.

        Records that the log already has are skipped, so a batch may be handed over again after a crash.

        Args:
            lines: records as JSON, positions ascending.
            partition: the partition they come from.

        Returns:
            How many were new.

        Raises:
            ReadModelError: a record is not one, is out of order, belongs to another partition, or has a position at which the log holds
                something else (it belongs to another engine). Nothing was added.
        """
        if not lines:
            return 0
        return await self.database.write(lambda connection: _append(connection, lines, partition))

    async def position(self, partition: int = 1) -> int:
        """The highest position in the log; 0 when it is empty."""
        return await self.database.read(lambda connection: _head(connection, partition))

    async def record_at(self, position: int, partition: int = 1) -> Record | None:
        """The record at a position, if there is one."""
        query = select(records.c.json).where(records.c.partition == partition, records.c.position == position)
        text = await self.database.read(lambda connection: connection.scalar(query))
        return parse_record(text) if text is not None else None

    async def records(
        self,
        *,
        after: int = 0,
        partition: int = 1,
        value_types: Collection[str] | None = None,
        process_instance_keys: Collection[int] | None = None,
        batch: int = 2000,
    ) -> AsyncIterator[Record]:
        """Records in order, read a batch at a time.

        Args:
            after: the position to begin behind.
            partition: the partition to read.
            value_types: only these, for example ``{"USER_TASK"}``.
            process_instance_keys: only records of these process instances.
            batch: how many to hold in memory at once.
        """
        query = select(records.c.position, records.c.json).where(records.c.partition == partition).order_by(records.c.position).limit(batch)
        if value_types is not None:
            query = query.where(records.c.value_type.in_(sorted(value_types)))
        if process_instance_keys is not None:
            query = query.where(records.c.process_instance_key.in_(sorted(process_instance_keys)))
        while True:
            page = query.where(records.c.position > after)
            rows = await self.database.read(lambda connection, page=page: connection.execute(page).all())
            for row in rows:
                yield parse_record(row.json)
            if len(rows) < batch:
                return
            after = rows[-1].position

    async def instances_of(self, business_id: str) -> list[int]:
        """The process instances of a case, called ones too, in the order in which they began."""
        return await self.database.read(lambda connection: _instances_of(connection, business_id))

    async def process_definitions(self, keys: Collection[int]) -> list[Record]:
        """The records with which these process definitions were deployed; they carry the diagrams."""
        query = select(records.c.json).where(
            text(IS_PROCESS), records.c.key.in_(sorted(keys)), records.c.record_type == "EVENT", records.c.intent == "CREATED"
        )
        return [parse_record(line) for line in await self.database.read(lambda connection: list(connection.scalars(query)))]

    async def positions_of(self, value_type: str, among: Collection[int], partition: int = 1) -> set[int]:
        """Which of these positions hold a record of that value type."""
        wanted = sorted(among)
        some = [wanted[start : start + _BOUND_AT_ONCE] for start in range(0, len(wanted), _BOUND_AT_ONCE)]

        def find(connection: Connection) -> set[int]:
            query = select(records.c.position).where(records.c.partition == partition, records.c.value_type == value_type)
            return {position for part in some for position in connection.scalars(query.where(records.c.position.in_(part)))}

        return await self.database.read(find)

    async def is_asked_for(self, job_type: str, *, after: int = 0, partition: int = 1) -> bool:
        """Whether a worker has asked for jobs of this type, or was handed one, behind a position."""
        query = select(records.c.position).where(
            records.c.partition == partition,
            records.c.position > after,
            records.c.value_type == "JOB_BATCH",
            func.json_extract(records.c.json, "$.value.type") == job_type,
        )
        return await self.database.read(lambda connection: connection.scalar(query.limit(1))) is not None

    async def business_ids(self, limit: int = 10_000) -> list[str]:
        """The business ids in the log, the latest first."""
        newest = func.max(records.c.position)
        query = (
            select(records.c.business_id)
            .where(records.c.business_id.is_not(None))
            .group_by(records.c.business_id)
            .order_by(newest.desc())
            .limit(limit)
        )
        return await self.database.read(lambda connection: list(connection.scalars(query)))

    async def business_ids_near(self, business_id: str, limit: int = 5) -> list[str]:
        """Business ids in the log that look like this one."""
        known = await self.business_ids()
        folded = {name.casefold(): name for name in reversed(known)}
        wanted = business_id.casefold()
        containing = [name for key, name in folded.items() if wanted and (wanted in key or key in wanted)]
        close = [folded[key] for key in difflib.get_close_matches(wanted, folded, n=limit, cutoff=0.6)]
        return list(dict.fromkeys([*close, *containing]))[:limit]


def _head(connection: Connection, partition: int) -> int:
    return connection.scalar(select(func.max(records.c.position)).where(records.c.partition == partition)) or 0


def _append(connection: Connection, lines: Sequence[bytes | str], partition: int) -> int:
    last = head = _head(connection, partition)
    new: dict[int, Record] = {}
    repeated: list[Record] = []
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        record = parse_record(line)
        if record.partition != partition:
            raise ReadModelError(
                f"position {record.position} belongs to partition {record.partition}, but the source is read as partition {partition}"
            )
        if record.position > last:
            last = record.position
            new[last] = record
            rows.append(_row(record))
        elif record.position > head:
            _check_repeated(record, new.get(record.position), last)
        else:
            repeated.append(record)
    _check_stored(connection, repeated, partition, head)
    if rows:
        connection.exec_driver_sql(INSERT_RECORD, rows)
    return len(rows)


def _row(record: Record) -> tuple[Any, ...]:
    starts_called = (
        record.intent == "ELEMENT_ACTIVATING"
        and record.value_type == "PROCESS_INSTANCE"
        and record.value.get("bpmnElementType") == "PROCESS"
    )
    return (
        record.partition,
        record.position,
        record.timestamp,
        record.record_type,
        record.value_type,
        record.intent,
        record.key,
        record.process_instance_key,
        record.parent_process_instance_key if starts_called else None,
        record.element_id,
        record.business_id,
        record.text,
    )


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
        for record in some:
            known = stored.get(record.position)
            if known is None:
                raise ReadModelError(f"position {record.position} came after position {head}: the source gives records out of order")
            if known != _identity(record):
                raise ReadModelError(
                    f"at position {record.position} the log holds {known[2]} {known[3]}, the source gives {record.value_type} {record.intent}: "
                    "this log belongs to another engine; give the engine a data directory of its own"
                )


def _instances_of(connection: Connection, business_id: str) -> list[int]:
    c = records.c
    first = func.min(c.position)
    query = select(c.process_instance_key).where(
        c.business_id == business_id, c.process_instance_key.is_not(None), c.record_type == "EVENT"
    )
    found = list(connection.scalars(query.group_by(c.process_instance_key).order_by(first)))
    for key in found:  # grows while it is walked: called instances call others
        children = connection.scalars(
            select(c.process_instance_key).where(c.parent_instance_key == key, c.record_type == "EVENT").order_by(c.position)
        )
        found.extend(child for child in children if child not in found)
    return found
