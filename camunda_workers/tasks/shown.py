"""Rows of the read model as user tasks, and the variables that are shown beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection

from camunda_workers.client import UserTask
from camunda_workers.events.entities import USER_TASK
from camunda_workers.events.filters import Field, Kind
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.tasks.statements import EVERYTHING, TASKS, among, rows

_NAMES: Final = tuple(USER_TASK.fields)
_KINDS: Final = tuple(field.kind for field in USER_TASK.fields.values())
_DEFAULTS: Final = tuple(field.default for field in USER_TASK.fields.values())
_DATES: Final = tuple(number for number, kind in enumerate(_KINDS) if kind is Kind.DATE)
_JSON: Final = tuple(number for number, kind in enumerate(_KINDS) if kind in (Kind.JSON, Kind.TEXTS))


def _column(field: Field) -> str:
    column: Any = field.column
    return f'{column.table.name}."{column.name}"'


_SHOWN: Final = f"SELECT {', '.join(map(_column, USER_TASK.fields.values()))} FROM {EVERYTHING} WHERE "
_KEY: Final = _NAMES.index("userTaskKey")
assert USER_TASK.fields["userTaskKey"].column is user_tasks.c.key


def shown(connection: Connection, keys: Sequence[int]) -> list[UserTask]:
    """The tasks with these keys, in this order; those that there are."""
    if not keys:
        return []
    asked = among(connection, f"{TASKS}.key", "keys", keys)
    by_key = {row[_KEY]: _task(row) for row in rows(connection, _SHOWN + asked.sql, asked.values)}
    return [by_key[key] for key in keys if key in by_key]


def _task(row: Sequence[Any]) -> UserTask:
    """A row as the engine's search would show it, without the detour over its text."""
    values = list(row)
    for number in _DATES:
        if values[number] is not None:
            values[number] = datetime.fromtimestamp(values[number] / 1000, UTC)
    for number in _JSON:
        if values[number] is not None:
            values[number] = _json(values[number])
    given = {name: default if value is None else value for name, value, default in zip(_NAMES, values, _DEFAULTS, strict=True)}
    return UserTask.model_validate(given)


@lru_cache(maxsize=1024)
def _json(text: str) -> Any:
    """Groups and headers: few different ones. Validation copies what is in them."""
    return json.loads(text)


def values_of(connection: Connection, instances: Sequence[int], names: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Variables of process instances, by instance and name."""
    result: dict[int, dict[str, Any]] = {}
    if not instances or not names:
        return result
    scopes, named = among(connection, "scope_key", "scopes", instances), among(connection, "name", "names", names)
    query = f"SELECT scope_key, name, value FROM variables WHERE {scopes.sql} AND {named.sql}"
    for scope, name, value in rows(connection, query, {**scopes.values, **named.values}):
        try:
            result.setdefault(scope, {})[name] = json.loads(value)
        except (TypeError, ValueError):
            continue
    return result


def forms_of(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    """The ids of forms, by their keys."""
    if not keys:
        return {}
    asked = among(connection, "key", "keys", keys)
    return {key: form_id for key, form_id in rows(connection, f"SELECT key, form_id FROM forms WHERE {asked.sql}", asked.values) if form_id}
