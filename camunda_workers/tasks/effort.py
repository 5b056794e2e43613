"""How long tasks take once somebody has them: what the project file says, or what they took lately, by the event log.

Time left minus expected work is a task's slack. Two hours before it is due, a task of ten minutes can wait, and one of four hours is late.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from sqlalchemy import Connection, func, literal_column, select

from camunda_workers.client import UserTask
from camunda_workers.events.projections.user_tasks import user_tasks

LOOKED_AT: Final = 200
"""So many of an element's latest tasks count."""
_FRESH: Final = 60.0

_t = user_tasks.c
# As the index says it, so that the database knows it by it: not a bound value.
_DONE: Final = (_t.state == literal_column("'COMPLETED'"), _t.assigned_at.is_not(None))
Read = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long tasks of an element take.

    Attributes:
        expected: from taking one to completing it.
        measured: over how many tasks; 0 where the project file says so.
    """

    expected: timedelta
    measured: int = 0


class Efforts:
    """Expected work by process and element.

    Args:
        stated: what the project file says, by ``element`` or ``process/element``; goes before what is measured.
    """

    def __init__(self, stated: Mapping[str, timedelta] | None = None) -> None:
        self._stated = {_kind(name): Effort(expected) for name, expected in (stated or {}).items()}
        self._known: Mapping[tuple[str, str], Effort] = {}
        self._until = 0.0

    @property
    def stated(self) -> Mapping[tuple[str, str], Effort]:
        """What the project file says."""
        return self._stated

    async def of(self, read: Read) -> Mapping[tuple[str, str], Effort]:
        """Expected work by process id and element id (what is stated for an element of any process: with an empty one); once a minute anew."""
        if time.monotonic() >= self._until:
            # Before it is measured: who asks meanwhile takes what was known, instead of measuring it, too.
            self._until = time.monotonic() + _FRESH
            self._known = await read(self._measure)
        return self._known

    def forget(self) -> None:
        """Measure anew the next time."""
        self._until = 0.0

    def _measure(self, connection: Connection) -> Mapping[tuple[str, str], Effort]:
        stated = sorted(self._stated.items(), reverse=True)  # the more exact first: an empty process id comes last
        kinds = [kind for kind in _kinds(connection) if not {kind, ("", kind[1])} & set(self._stated)]
        return dict(stated) | {kind: effort for kind in kinds if (effort := _measured(connection, *kind)) is not None}


def _kind(name: str) -> tuple[str, str]:
    process, slash, element = name.partition("/")
    return (process, element) if slash else ("", process)


def slack(task: UserTask, efforts: Mapping[tuple[str, str], Effort], now: datetime) -> timedelta | None:
    """Time left minus expected work: below zero, the task is late unless it goes faster than usual; ``None`` without a due date."""
    if task.due_date is None:
        return None
    effort = efforts.get((task.process_definition_id, task.element_id)) or efforts.get(("", task.element_id))
    return task.due_date - now - (effort.expected if effort is not None else timedelta(0))


def _kinds(connection: Connection) -> list[tuple[str, str]]:
    """The processes' elements of which tasks were done. There are few, so each is found by a step through the index."""
    found: list[tuple[str, str]] = []
    process: str | None = ""
    while process is not None:
        process = connection.scalar(select(func.min(_t.bpmn_process_id)).where(*_DONE, _t.bpmn_process_id > process))
        element: str | None = ""
        while process is not None and element is not None:
            mine = (*_DONE, _t.bpmn_process_id == process)
            element = connection.scalar(select(func.min(_t.element_id)).where(*mine, _t.element_id > element))
            if element is not None:
                found.append((process, element))
    return found


def _measured(connection: Connection, process: str, element: str) -> Effort | None:
    query = select(_t.ended_at - _t.assigned_at).where(*_DONE, _t.bpmn_process_id == process, _t.element_id == element)
    took = list(connection.scalars(query.order_by(_t.ended_at.desc()).limit(LOOKED_AT)))
    return Effort(timedelta(milliseconds=median(took)), len(took)) if took else None
