"""What was: every value of a variable, and what happened in each case, without reading cases record by record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, and_, func, select

from camunda_workers.events.dates import to_iso
from camunda_workers.events.partitions import EveryPartition
from camunda_workers.events.projections.instances import elements, process_instances
from camunda_workers.events.projections.timeline import case_timeline
from camunda_workers.events.projections.variable_history import variable_changes
from camunda_workers.events.reading import TEXT_COLUMNS, read_records
from camunda_workers.events.schema import records

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class VariableChange:
    """A value that a variable got.

    Attributes:
        operation: ``CREATED``, ``UPDATED`` or ``MIGRATED``.
        value: as JSON text; ``None`` where the record does not say it (a migration) or was archived.
        element_id: whose scope it is in; ``None`` for the process instance's own.
        source_position: the command that it came from.
    """

    name: str
    time: datetime
    operation: str
    value: str | None
    scope_key: int
    element_id: str | None
    process_instance_key: int
    partition: int
    position: int
    source_position: int

    @property
    def parsed(self) -> Any:
        """The value."""
        try:
            return json.loads(self.value) if self.value is not None else None
        except ValueError:
            return self.value

    def to_json(self) -> dict[str, Any]:
        """The same, as plain JSON values."""
        return {
            "name": self.name,
            "time": to_iso(int(self.time.timestamp() * 1000)),
            "operation": self.operation,
            "value": self.parsed,
            "elementId": self.element_id,
            "scopeKey": str(self.scope_key),
            "processInstanceKey": str(self.process_instance_key),
            "partition": self.partition,
            "position": self.position,
        }


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case in a list.

    Attributes:
        state: ``ACTIVE``, ``COMPLETED`` or ``TERMINATED``.
        last: what happened last, ``TASK_OPENED`` for example, and where and when.
    """

    business_id: str
    process_id: str
    state: str
    started: datetime | None
    last: str | None
    last_element_id: str | None
    last_time: datetime | None

    def to_json(self) -> dict[str, Any]:
        """The same, as plain JSON values."""
        return {
            "businessId": self.business_id,
            "processDefinitionId": self.process_id,
            "state": self.state,
            "started": self.started.isoformat() if self.started else None,
            "last": self.last,
            "lastElementId": self.last_element_id,
            "lastTime": self.last_time.isoformat() if self.last_time else None,
        }


class Histories:
    """Reads the projections of what was; they are folded first, so an answer is never behind the log.

    Args:
        log: what they are derived from.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._model = EveryPartition(log)

    async def variables(self, business_id: str, *, name: str | None = None) -> list[VariableChange]:
        """Every value that the variables of a case have had, in the order in which they got them.

        Args:
            business_id: the case; process instances that it called count, too.
            name: one variable.
        """
        return await self.variables_of(await self._log.instances_of(business_id), name=name)

    async def variables_of(self, process_instance_keys: list[int], *, name: str | None = None) -> list[VariableChange]:
        """The same for process instances by their keys."""
        await self._model.catch_up()
        return await self._log.database.read(lambda connection: _changes(connection, process_instance_keys, name))

    async def cases(self, *, state: str | None = None, limit: int = 20) -> list[CaseLine]:
        """The cases in which something happened last, the latest first.

        Args:
            state: ``ACTIVE``, ``COMPLETED`` or ``TERMINATED``.
            limit: how many.
        """
        await self._model.catch_up()
        return await self._log.database.read(lambda connection: _cases(connection, state, limit))


def _changes(connection: Connection, keys: list[int], name: str | None) -> list[VariableChange]:
    c = variable_changes.c
    found: list[VariableChange] = []
    for start in range(0, len(keys), _AT_ONCE):
        query = select(variable_changes).where(c.process_instance_key.in_(keys[start : start + _AT_ONCE]))
        if name is not None:
            query = query.where(c.name == name)
        rows = connection.execute(query).all()
        values = _values(connection, [(row.partition, row.position) for row in rows])
        scopes = _scopes(connection, sorted({row.scope_key for row in rows}))
        found += [
            VariableChange(
                row.name,
                datetime.fromtimestamp(row.changed_at / 1000, UTC),
                row.operation,
                values.get((row.partition, row.position)) if row.operation != "MIGRATED" else None,
                row.scope_key,
                scopes.get(row.scope_key),
                row.process_instance_key,
                row.partition,
                row.position,
                row.source_position,
            )
            for row in rows
        ]
    return sorted(found, key=lambda one: (one.time, one.partition, one.position))


def _values(connection: Connection, places: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
    c = records.c
    found: dict[tuple[int, int], str] = {}
    for partition in sorted({one for one, _ in places}):
        positions = sorted(position for one, position in places if one == partition)
        for start in range(0, len(positions), _AT_ONCE):
            query = select(*TEXT_COLUMNS).where(c.partition == partition, c.position.in_(positions[start : start + _AT_ONCE]))
            for record in read_records(connection, query):
                found[partition, record.position] = str(record.value.get("value"))
    return found


def _scopes(connection: Connection, keys: list[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(keys), _AT_ONCE):
        query = select(elements.c.key, elements.c.element_id).where(elements.c.key.in_(keys[start : start + _AT_ONCE]))
        found.update((row.key, row.element_id) for row in connection.execute(query))
    return found


def _cases(connection: Connection, state: str | None, limit: int) -> list[CaseLine]:
    instances, happened = process_instances.c, case_timeline.c
    latest = (
        select(happened.root_process_instance_key.label("root"), func.max(happened.happened_at).label("at"))
        .where(happened.partition > 0)
        .group_by(happened.root_process_instance_key)
        .subquery()
    )
    query = (
        select(process_instances, latest.c.at)
        .join(latest, latest.c.root == instances.key)
        .where(instances.business_id.is_not(None), instances.parent_process_instance_key.is_(None))
        .order_by(latest.c.at.desc(), instances.key.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(instances.state == state)
    return [_line(connection, row) for row in connection.execute(query).all()]


def _line(connection: Connection, row: Any) -> CaseLine:
    c = case_timeline.c
    mine = and_(c.root_process_instance_key == row.key, c.partition > 0, c.happened_at == row.at)
    last = connection.execute(select(c.kind, c.element_id).where(mine).order_by(c.position.desc()).limit(1)).one_or_none()
    return CaseLine(
        row.business_id,
        row.bpmn_process_id or "",
        row.state or "",
        datetime.fromtimestamp(row.started_at / 1000, UTC) if row.started_at else None,
        last.kind if last is not None else None,
        last.element_id if last is not None else None,
        datetime.fromtimestamp(row.at / 1000, UTC),
    )


__all__ = ["CaseLine", "Histories", "VariableChange"]
