"""What is in a log, counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, func, inspect, select

from camunda_workers.events.chain.hashing import to_text
from camunda_workers.events.dates import to_iso
from camunda_workers.events.projections.base import positions
from camunda_workers.events.schema import checkpoints, payloads, records, state
from camunda_workers.events.writing import read_heads

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

_COUNTED_AT_ONCE: Final = 100_000


async def log_stats(log: EventLog) -> dict[str, Any]:
    """Records by kind and partition, cases, span of time, bytes, what is signed and how far each projection is."""
    found = await log.database.read(_stats)
    if log.path is not None:
        files = [log.path, *(log.path.with_name(log.path.name + suffix) for suffix in ("-wal", "-shm"))]
        size = sum(path.stat().st_size for path in files if path.exists())
    elif log.database.is_postgresql:
        size = await log.database.read(
            lambda connection: int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar() or 0)
        )
    else:
        size = 0
    count = found["records"] or 1
    return {"log": log.database.name, "logId": log.log_id, "bytes": size, "bytesPerRecord": round(size / count, 1), **found}


def _stats(connection: Connection) -> dict[str, Any]:
    c = records.c
    row = connection.execute(select(state)).one()
    kinds, per_partition, first, last = _counted(connection, int(row.size))
    folded: list[dict[str, Any]] = []
    if positions.name in inspect(connection).get_table_names():
        folded = [
            {"projection": one.name, "partition": one.partition, "position": one.position}
            for one in connection.execute(select(positions).order_by(positions.c.name))
        ]
    signed = connection.execute(select(func.count(), func.max(checkpoints.c.size))).one()
    return {
        "records": int(row.size),
        "archived": int(row.archived_to),
        "cases": _different(connection, c.business_id),
        "processInstances": _different(connection, c.process_instance_key),
        "contents": connection.scalar(select(func.count()).select_from(payloads)) or 0,
        "from": to_iso(first) if first is not None else None,
        "to": to_iso(last) if last is not None else None,
        "checkpoints": signed[0],
        "signedTo": signed[1] or 0,
        "byKind": [{"valueType": kind, "records": count} for kind, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))],
        "partitions": [
            {"partition": number, "position": head.position, "records": per_partition.get(number, 0), "chain": to_text(head.link)}
            for number, head in sorted(read_heads(connection).items())
        ],
        "projections": folded,
    }


def _different(connection: Connection, column: ColumnElement[Any]) -> int:
    # Said in the words of the sparse index: then it is read alone, in order.
    return connection.scalar(select(func.count(column.distinct())).where(column.is_not(None))) or 0


def _counted(connection: Connection, size: int) -> tuple[Counter[str], Counter[int], int | None, int | None]:
    """By kind, by partition, the first moment and the last; some at a time, because SQLite sorts what it groups, in memory."""
    c = records.c
    query = select(c.value_type, c.partition, func.count(), func.min(c.timestamp), func.max(c.timestamp)).group_by(
        c.value_type, c.partition
    )
    kinds, partitions = Counter[str](), Counter[int]()
    moments: list[int] = []
    for begin in range(0, size, _COUNTED_AT_ONCE):
        for kind, partition, count, first, last in connection.execute(query.where(c.seq >= begin, c.seq < begin + _COUNTED_AT_ONCE)):
            kinds[kind] += count
            partitions[partition] += count
            moments = [min([*moments, first]), max([*moments, last])]
    return kinds, partitions, moments[0] if moments else None, moments[-1] if moments else None
