"""Reading the log as it grows: an async iterator for the inbox, monitors and ``log tail``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, and_, select, true

from camunda_workers.errors import InvalidArgument
from camunda_workers.events.reading import TEXT_COLUMNS, texts
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.schema import records, state

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

POLL: Final = 0.2
"""Seconds between two looks at a SQLite file that another process writes."""
PAGE: Final = 1000

FIELDS: Final[dict[str, ColumnElement[Any]]] = {
    "partition": records.c.partition,
    "valueType": records.c.value_type,
    "intent": records.c.intent,
    "recordType": records.c.record_type,
    "key": records.c.key,
    "processInstanceKey": records.c.process_instance_key,
    "elementId": records.c.element_id,
    "businessId": records.c.business_id,
}
_NUMBERS: Final = {"partition", "key", "processInstanceKey"}


@dataclass(frozen=True, slots=True)
class Where:
    """Which records; several conditions must all hold, several values are alternatives."""

    conditions: dict[str, Collection[str | int]] = field(default_factory=dict[str, Collection[str | int]])

    def sql(self) -> ColumnElement[bool]:
        """The condition in SQL."""
        return and_(true(), *(FIELDS[name].in_(sorted(values, key=str)) for name, values in self.conditions.items()))


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its place in the log."""

    seq: int
    record: Record

    @property
    def partition(self) -> int:
        """The partition; 0 are our own facts."""
        return self.record.partition


def parse_filter(given: Sequence[str]) -> Where:
    """Read conditions such as ``valueType=JOB,INCIDENT``.

    Raises:
        InvalidArgument: there is no such field, or a value is not a number where one is needed.
    """
    conditions: dict[str, Collection[str | int]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or name not in FIELDS:
            raise InvalidArgument(f"'{one}' is not a condition: expected FIELD=VALUE, with one of the fields {', '.join(FIELDS)}")
        values = [part.strip() for part in value.split(",")]
        if name in _NUMBERS and not all(part.lstrip("-").isdigit() for part in values):
            raise InvalidArgument(f"'{one}': {name} is a number")
        conditions[name] = [int(part) if name in _NUMBERS else part for part in values]
    return Where(conditions)


async def latest(log: EventLog, where: Where | None = None, count: int = 20) -> tuple[list[Found], int]:
    """The latest records, the oldest of them first, and the place behind which to go on."""
    query = select(*TEXT_COLUMNS).where((where or Where()).sql()).order_by(records.c.seq.desc()).limit(count)

    def find(connection: Connection) -> tuple[list[Found], int]:
        size = connection.scalar(select(state.c.size)) or 0
        rows = connection.execute(query).all()[::-1]
        return [Found(row.seq, parse_record(text)) for row, text in zip(rows, texts(connection, rows), strict=True)], size - 1

    return await log.database.read(find)


async def subscribe(log: EventLog, *, after: int | None = None, where: Where | None = None) -> AsyncGenerator[Found]:
    """Records in the order of the log, for ever: those behind a place, then those that come.

    Args:
        log: which.
        after: the place to begin behind; -1 for the first record, ``None`` for what comes from now on. The last ``Found.seq`` goes on without
            gap or double.
        where: only these.
    """
    place = await log.size() - 1 if after is None else after
    query = select(*TEXT_COLUMNS).where((where or Where()).sql()).order_by(records.c.seq).limit(PAGE)

    def find(connection: Connection, place: int) -> tuple[list[Found], int]:
        size = connection.scalar(select(state.c.size)) or 0
        rows = connection.execute(query.where(records.c.seq > place, records.c.seq < size)).all()
        found = [Found(row.seq, parse_record(text)) for row, text in zip(rows, texts(connection, rows), strict=True)]
        return found, rows[-1].seq if len(rows) == PAGE else size - 1

    async with aclosing(_bells(log)) as bells:
        async for _ in bells:
            while True:
                found, reached = await log.database.read(lambda connection, place=place: find(connection, place))
                for one in found:
                    yield one
                more, place = len(found) == PAGE, reached
                if not more:
                    break


async def _bells(log: EventLog) -> AsyncGenerator[None]:
    """Rings whenever the log may have grown, and once at the beginning."""
    if log.database.is_postgresql:
        async with aclosing(_notifications(log)) as told:
            async for _ in told:
                yield
        return
    size = -1
    while True:
        now = await log.size()
        if now != size:
            size = now
            yield
        else:
            await log.wait(size, POLL)


async def _notifications(log: EventLog) -> AsyncGenerator[None]:
    import psycopg

    from camunda_workers.events.writing import CHANNEL

    address = str(log.database.address).replace("postgresql+psycopg://", "postgresql://")
    while True:
        with suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                yield
                async for _ in connection.notifies():
                    yield
        await asyncio.sleep(POLL)  # the server was restarted; what came meanwhile is found at the first look
