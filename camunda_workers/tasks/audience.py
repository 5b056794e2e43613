"""Whose tasks, and which of them: as conditions that the index over open tasks answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, cast

from sqlalchemy import Connection, and_, literal

from camunda_workers.client.queries import search_body
from camunda_workers.events.entities import USER_TASK
from camunda_workers.events.filters import where
from camunda_workers.tasks.statements import TASKS, Part, among, compiled, one, rows

_OPEN: Final = Part(f"{TASKS}.ended_at IS NULL AND {TASKS}.state NOT IN ('CREATING', 'CANCELING')", {})
_NOBODY: Final = f"{TASKS}.assignee IS NULL"


@dataclass(frozen=True)
class Wanted:
    """Whose tasks; a task is wanted that fits one of these.

    Attributes:
        assignees: assigned to one of these.
        away: assigned to one of these, and of one of these tenants.
        groups: assigned to nobody and for one of these groups.
        user: assigned to nobody and for this user.
        keys: one of these tasks.
        everything: every task.
    """

    assignees: Collection[str] = ()
    groups: Collection[str] = ()
    user: str | None = None
    keys: Collection[int] = ()
    everything: bool = False
    away: Collection[tuple[str, frozenset[str]]] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A part of a list that has no task in common with the others.

    Attributes:
        part: the condition.
        kind: all tasks, those of one queue, or few ones: what indexes there are depends on it.
    """

    part: Part
    kind: Literal["all", "queue", "few"] = "few"


def streams_of(connection: Connection, wanted: Wanted) -> list[Stream]:
    """The parts of a list, each of which an index answers."""
    if wanted.everything:
        return [Stream(Part("1 = 1", {}), "all")]
    streams = [Stream(Part(f"{TASKS}.assignee = :assignee", {"assignee": name})) for name in sorted(set(wanted.assignees))]
    for name, tenants in wanted.away:
        if name in wanted.assignees:
            continue
        of_them = among(connection, f"{TASKS}.tenant_id", "tenants", sorted(tenants))
        streams.append(Stream(Part(f"{TASKS}.assignee = :assignee AND {of_them.sql}", {"assignee": name, **of_them.values})))
    queues = _queues(connection, wanted.groups) if wanted.groups else []
    streams += [Stream(Part(f"{_NOBODY} AND {TASKS}.queue = :queue", {"queue": queue}), "queue") for queue in queues]
    if wanted.user is not None and (texts := _for_user(connection, wanted.user)):
        for_them = among(connection, f"{TASKS}.candidate_users", "texts", texts)
        others = among(connection, f"{TASKS}.queue", "queues", queues)
        # What is in one of the queues is in its stream already.
        apart = f" AND NOT ({others.sql})" if queues else ""
        sql = f"{_NOBODY} AND {for_them.sql} AND {TASKS}.candidate_users <> '[]'{apart}"
        streams.append(Stream(Part(sql, {**for_them.values, **(others.values if queues else dict[str, Any]())})))
    if wanted.keys:
        streams.append(Stream(among(connection, f"{TASKS}.key", "keys", sorted(wanted.keys))))
    return streams


def _queues(connection: Connection, groups: Collection[str]) -> list[str]:
    """The queues of open tasks that are for one of these groups."""
    wanted, found = set(groups), list[str]()
    for queue in _values(connection, _DIFFERENT_QUEUES):
        text = queue
        if queue.startswith("#"):
            text = one(connection, _GROUPS_OF, {"queue": queue}) or "[]"
        if wanted & _texts(text):
            found.append(queue)
    return found


def _for_user(connection: Connection, user: str) -> list[str]:
    return [text for text in _values(connection, _DIFFERENT_USERS) if user in _texts(text)]


def _values(connection: Connection, sql: str) -> list[str]:
    return [row[0] for row in rows(connection, sql, {}) if row[0] is not None]


@lru_cache(maxsize=4096)
def _texts(text: str) -> frozenset[str]:
    return frozenset(cast("list[str]", json.loads(text)))


def _different(column: str, conditions: str, order: str) -> str:
    """The different values of a column. There are few, so each is found by a step through the index, whose first column may be another."""
    return (
        f"WITH RECURSIVE different(value) AS (SELECT (SELECT {column} FROM {TASKS} WHERE {conditions} ORDER BY {order} LIMIT 1) UNION ALL "
        f"SELECT (SELECT {column} FROM {TASKS} WHERE {conditions} AND {column} > different.value ORDER BY {order} LIMIT 1) "
        "FROM different WHERE different.value IS NOT NULL) SELECT value FROM different"
    )


_DIFFERENT_QUEUES: Final = _different("queue", "ended_at IS NULL AND assignee IS NULL", "assignee, queue")
_DIFFERENT_USERS: Final = _different("candidate_users", "ended_at IS NULL AND candidate_users <> '[]'", "candidate_users")
_GROUPS_OF: Final = f"SELECT candidate_groups FROM {TASKS} WHERE ended_at IS NULL AND assignee IS NULL AND queue = :queue LIMIT 1"


def conditions_of(connection: Connection, filter: Mapping[str, Any]) -> Part:
    """Which tasks: open ones, unless a state is named.

    Raises:
        InvalidArgument: there is no such field, or no such operator.
    """
    if not filter:
        return _OPEN
    given = cast("dict[str, Any]", _plain(search_body(filter, None, None).get("filter") or {}))
    found = compiled(connection, and_(literal(True), *where(USER_TASK.fields, USER_TASK.specials, given)))
    return found if "state" in given else Part(f"{_OPEN.sql} AND {found.sql}", found.values, found.is_wide)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("Sequence[Any]", value)]
    return value.isoformat() if isinstance(value, datetime) else value
