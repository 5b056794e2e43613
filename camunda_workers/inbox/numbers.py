"""How a process runs: how often each element was done, how long it takes, what waits there now. Read from the read model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, and_, case, distinct, func, select

from camunda_workers.events.entities import has_incident
from camunda_workers.events.projections.definitions import processes
from camunda_workers.events.projections.flows import sequence_flows
from camunda_workers.events.projections.instances import elements, process_instances

Heat = Literal["often", "long"]

FRESH: Final = 1.0
"""Seconds for which numbers are shown again without being counted again, at least."""

MOST_KEPT: Final = 500

STEPS: Final = 5
"""Shades of the heat map."""

_e, _i, _d, _f = elements.c, process_instances.c, processes.c, sequence_flows.c


@dataclass(frozen=True, slots=True)
class Definition:
    """A deployed version of a process, with what runs of it."""

    key: int
    process_id: str
    name: str
    version: int
    tenant: str
    running: int
    ended: int
    broken: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """One element's numbers.

    Attributes:
        done: how often it was completed.
        waiting: tokens there now.
        broken: of those, the ones with an incident.
        usual: the time that half of them took at most (median).
        slow: the time that nine of ten took at most.
    """

    element_id: str
    type: str
    done: int
    waiting: int
    broken: int
    usual: timedelta | None
    slow: timedelta | None

    def heat(self, by: Heat) -> float:
        """What the heat map goes by."""
        return float(self.done + self.waiting) if by == "often" else self.usual.total_seconds() if self.usual is not None else 0.0


def definitions(connection: Connection, tenants: Sequence[str] | None) -> list[Definition]:
    """Every deployed version, the newest of each process first."""
    broken = and_(_i.state == "ACTIVE", has_incident(_i.key))
    query = select(
        _d.key,
        _d.bpmn_process_id,
        _d.name,
        _d.version,
        _d.tenant_id,
        func.count(_i.key).filter(_i.state == "ACTIVE").label("running"),
        func.count(_i.key).filter(_i.state != "ACTIVE").label("ended"),
        func.count(_i.key).filter(broken).label("broken"),
    ).select_from(processes.outerjoin(process_instances, _i.process_definition_key == _d.key))
    if tenants is not None:
        query = query.where(_d.tenant_id.in_(tenants))
    rows = connection.execute(
        query.group_by(_d.key, _d.bpmn_process_id, _d.name, _d.version, _d.tenant_id).order_by(_d.bpmn_process_id, _d.version.desc())
    )
    return [
        Definition(
            row.key, row.bpmn_process_id, row.name or row.bpmn_process_id, row.version, row.tenant_id, row.running, row.ended, row.broken
        )
        for row in rows
    ]


def numbers(connection: Connection, definition_key: int, since: datetime | None) -> list[Numbers]:
    """The numbers of a version's elements.

    Args:
        connection: the read model's.
        definition_key: which version.
        since: only what was entered after this; what waits now is counted in any case.
    """
    mine: list[ColumnElement[bool]] = [_e.process_definition_key == definition_key]
    active, broken = _e.state == "ACTIVE", has_incident(_e.key)
    recent = _e.started_at >= int(since.timestamp() * 1000) if since is not None else _e.started_at >= 0
    counted = select(
        _e.element_id,
        func.max(_e.type).label("type"),
        func.count().filter(and_(_e.state == "COMPLETED", recent)).label("done"),
        func.count().filter(active).label("waiting"),
        func.count().filter(and_(active, broken)).label("broken"),
    )
    rows = connection.execute(counted.where(*mine).group_by(_e.element_id).order_by(_e.element_id)).all()
    times = _times(connection, [*mine, _e.state == "COMPLETED", _e.ended_at.is_not(None), recent])
    return [Numbers(row.element_id, row.type, row.done, row.waiting, row.broken, *times.get(row.element_id, (None, None))) for row in rows]


def _times(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> dict[str, tuple[timedelta, timedelta]]:
    took = (_e.ended_at - _e.started_at).label("took")
    ranked = (
        select(
            _e.element_id,
            took,
            func.row_number().over(partition_by=_e.element_id, order_by=took).label("place"),
            func.count().over(partition_by=_e.element_id).label("all"),
        )
        .where(*conditions)
        .subquery()
    )
    r = ranked.c
    # The nearest rank: the smallest time that half, or nine of ten, do not exceed.
    half, most = case((r.place == (r.all + 1) // 2, r.took)), case((r.place == (r.all * 9 + 9) // 10, r.took))
    query = select(r.element_id, func.max(half).label("half"), func.max(most).label("most")).group_by(r.element_id)
    return {row.element_id: (timedelta(milliseconds=row.half), timedelta(milliseconds=row.most)) for row in connection.execute(query)}


def flows(connection: Connection, definition_key: int) -> dict[str, int]:
    """How many instances took each sequence flow."""
    query = select(_f.flow_id, func.count(distinct(_f.process_instance_key)).label("times")).where(
        _f.process_definition_key == definition_key
    )
    return {row.flow_id: row.times for row in connection.execute(query.group_by(_f.flow_id))}


def shades(found: Sequence[Numbers], by: Heat) -> dict[str, int]:
    """Element to shade, 1 to `STEPS`: equal parts of the way from nothing to the hottest, so that what stands out does."""
    shown = [one for one in found if one.type not in ("PROCESS", "SUB_PROCESS") and one.heat(by) > 0]
    hottest = max((one.heat(by) for one in shown), default=0.0)
    return {one.element_id: min(STEPS, max(1, ceil(STEPS * one.heat(by) / hottest))) for one in shown} if hottest else {}


@dataclass
class Kept:
    """Numbers that were counted a moment ago: everybody who looks gets the same ones, and what takes long is counted the more seldom.

    Attributes:
        now: monotonic seconds.
    """

    now: Callable[[], float] = time.monotonic
    _found: dict[tuple[Any, ...], tuple[float, Any]] = field(default_factory=dict[tuple[Any, ...], tuple[float, Any]])
    _asked: dict[tuple[Any, ...], asyncio.Future[Any]] = field(default_factory=dict[tuple[Any, ...], "asyncio.Future[Any]"])

    async def get(self, key: tuple[Any, ...], count: Callable[[], Awaitable[Any]], *, fresh: float = FRESH) -> Any:
        """What was counted under this key, or what it counts to now; of those who ask at once, one counts.

        Args:
            key: what is counted.
            count: counts it.
            fresh: seconds for which it is good enough, at least.
        """
        kept = self._found.get(key)
        if kept is not None and self.now() < kept[0]:
            return kept[1]
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(self._count(key, count, fresh))
            asked.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(asked)

    async def _count(self, key: tuple[Any, ...], count: Callable[[], Awaitable[Any]], fresh: float) -> Any:
        begun = self.now()
        found = await count()
        ended = self.now()
        if len(self._found) >= MOST_KEPT:
            self._found.clear()
        self._found[key] = (ended + max(fresh, 10 * (ended - begun)), found)
        return found
