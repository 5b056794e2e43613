"""What is in a log, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, inspect, select

from camunda_workers.events.chain.hashing import to_text
from camunda_workers.events.dates import to_iso
from camunda_workers.events.projections.base import positions
from camunda_workers.events.schema import checkpoints, payloads, records, state
from camunda_workers.events.writing import read_heads

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog


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
    first, last = connection.execute(select(func.min(c.timestamp), func.max(c.timestamp))).one()
    kinds = connection.execute(select(c.value_type, func.count()).group_by(c.value_type).order_by(func.count().desc(), c.value_type)).all()
    per_partition = {row[0]: row[1] for row in connection.execute(select(c.partition, func.count()).group_by(c.partition))}
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
        "cases": connection.scalar(select(func.count(c.business_id.distinct()))) or 0,
        "processInstances": connection.scalar(select(func.count(c.process_instance_key.distinct()))) or 0,
        "contents": connection.scalar(select(func.count()).select_from(payloads)) or 0,
        "from": to_iso(first) if first is not None else None,
        "to": to_iso(last) if last is not None else None,
        "checkpoints": signed[0],
        "signedTo": signed[1] or 0,
        "byKind": [{"valueType": kind, "records": count} for kind, count in kinds],
        "partitions": [
            {"partition": number, "position": head.position, "records": per_partition.get(number, 0), "chain": to_text(head.link)}
            for number, head in sorted(read_heads(connection).items())
        ],
        "projections": folded,
    }
