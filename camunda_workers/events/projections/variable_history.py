"""Every value that a variable has had. The values themselves stay in the log alone: what is erased there is gone here, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table

from camunda_workers.events.projections.base import Change, Projection, Put, column, metadata
from camunda_workers.events.record import Record

variable_changes = Table(
    "variable_changes",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    column("variable_key", BigInteger),
    column("name"),
    column("operation"),
    column("scope_key", BigInteger),
    column("process_instance_key", BigInteger),
    # The command that this came from: a job's completion, a person's, an operator's.
    column("source_position", BigInteger),
    column("changed_at", BigInteger),
)
Index("variable_changes_by_instance", variable_changes.c.process_instance_key, variable_changes.c.name)
Index("variable_changes_by_variable", variable_changes.c.variable_key)

_OPERATIONS: Final = {"CREATED", "UPDATED", "MIGRATED"}


def _fold(record: Record) -> Iterable[Change]:
    if record.intent not in _OPERATIONS:
        return
    value = record.value
    row = {
        "variable_key": record.key,
        "name": value.get("name"),
        "operation": record.intent,
        "scope_key": value.get("scopeKey"),
        "process_instance_key": value.get("processInstanceKey"),
        "source_position": record.source_position,
        "changed_at": record.timestamp,
    }
    yield Put(variable_changes, (record.partition, record.position), row)


PROJECTION: Final = Projection("variable-history", 1, (variable_changes,), {"VARIABLE": _fold})
