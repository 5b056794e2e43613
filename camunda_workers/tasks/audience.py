"""Whose tasks, and which of them: as conditions that the index over open tasks answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, literal_column, select

from camunda_workers.client.queries import search_body
from camunda_workers.events.entities import USER_TASK
from camunda_workers.events.filters import where
from camunda_workers.events.projections.user_tasks import user_tasks

_t = user_tasks.c
_OPEN: Final = _t.ended_at.is_(None)


@dataclass(frozen=True)
class Wanted:
    """Whose tasks; a task is wanted that fits one of these.

    Attributes:
        assignees: assigned to one of these.
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


def streams_of(connection: Connection, wanted: Wanted) -> list[list[ColumnElement[bool]]]:
    """The conditions of parts that have no task in common, each of which the index answers."""
    if wanted.everything:
        return [[]]
    streams: list[list[ColumnElement[bool]]] = [[_t.assignee == name] for name in sorted(set(wanted.assignees))]
    queues = _queues(connection, wanted.groups) if wanted.groups else []
    streams += [[_t.assignee.is_(None), _t.queue == queue] for queue in queues]
    if wanted.user is not None and (texts := _for_user(connection, wanted.user)):
        others = [_t.queue.not_in(queues)] if queues else []
        streams.append([_t.assignee.is_(None), _t.candidate_users.in_(texts), _t.candidate_users != literal_column("'[]'"), *others])
    if wanted.keys:
        streams.append([_t.key.in_(sorted(wanted.keys))])
    return streams


def _queues(connection: Connection, groups: Collection[str]) -> list[str]:
    """The queues of open tasks that are for one of these groups."""
    wanted, found, nobody = set(groups), list[str](), (_OPEN, _t.assignee.is_(None))
    for queue in _different(connection, _t.queue, *nobody, first=_t.assignee):
        text = queue
        if queue.startswith("#"):
            text = connection.scalar(select(_t.candidate_groups).where(*nobody, _t.queue == queue).limit(1)) or "[]"
        if wanted & set(cast("list[str]", json.loads(text))):
            found.append(queue)
    return found


def _for_user(connection: Connection, user: str) -> list[str]:
    some = (_OPEN, _t.candidate_users != literal_column("'[]'"))
    return [text for text in _different(connection, _t.candidate_users, *some) if user in json.loads(text)]


def _different(
    connection: Connection, column: ColumnElement[Any], *conditions: ColumnElement[bool], first: ColumnElement[Any] | None = None
) -> Sequence[str]:
    """The different values of a column. There are few, so each is found by a step through the index, whose first column may be another."""
    order = [column] if first is None else [first, column]
    smallest = select(column).where(*conditions).order_by(*order).limit(1).scalar_subquery()
    found = select(smallest.label("value")).cte("different", recursive=True)
    # The outer name stays outside: otherwise the table would be looked for in it once more.
    following = select(column).where(*conditions, column > found.c.value).order_by(*order).limit(1).correlate(found).scalar_subquery()
    found = found.union_all(select(following).where(found.c.value.is_not(None)))
    return [value for value in connection.scalars(select(found.c.value)) if value is not None]


def conditions_of(filter: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    given = cast("dict[str, Any]", _plain(search_body(filter, None, None).get("filter") or {}))
    conditions = where(USER_TASK.fields, USER_TASK.specials, given)
    return conditions if "state" in given else [_OPEN, _t.state.not_in(("CREATING", "CANCELING")), *conditions]


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("Sequence[Any]", value)]
    return value.isoformat() if isinstance(value, datetime) else value
