"""Statements of task lists as text, spoken to the driver itself.

A list is read on every click, by everybody at once. Putting its statements together as expressions each time costs more of the processor
than the database needs to answer them, so they are text: with names for what is bound, the same for SQLite and PostgreSQL. Filters, which
may be anything, are compiled from the expressions that the REST API's searches use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from camunda_workers.events.entities import USER_TASK
from camunda_workers.events.projections.user_tasks import user_tasks

TASKS: Final = user_tasks.name

_NAMED: Final = re.compile(r"(?<!:):([a-z_][a-z_0-9]*)")  # not PostgreSQL's casts
_SQLITE: Final = sqlite.dialect(paramstyle="named")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a statement.

    Attributes:
        sql: its text.
        values: what is bound in it.
        is_wide: whether it names tables besides the tasks'.
        first: what the database goes through to come to the tasks.
    """

    sql: str
    values: Mapping[str, Any]
    is_wide: bool = False
    first: str = ""


def is_postgresql(connection: Connection) -> bool:
    """Which of the two it is."""
    return connection.dialect.name == "postgresql"


def begin(connection: Connection) -> None:
    """Everything that is read from here on is of one moment."""
    if connection.in_transaction():
        return
    connection.begin()
    if is_postgresql(connection):
        # What a page is taken from is found in an index: workers beside it would take longer to start than it takes.
        rows(connection, "SET LOCAL max_parallel_workers_per_gather = 0", {})


def rows(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    driver: Any = connection.connection.driver_connection
    text = _for_postgresql(sql) if is_postgresql(connection) else sql
    cursor = driver.execute(text, values)
    return cast("list[tuple[Any, ...]]", cursor.fetchall()) if cursor.description is not None else []


def one(connection: Connection, sql: str, values: Mapping[str, Any]) -> Any:
    """The first column of the first row; ``None`` where there is none."""
    found = rows(connection, sql, values)
    return found[0][0] if found else None


@lru_cache(maxsize=2048)
def _for_postgresql(sql: str) -> str:
    return _NAMED.sub(r"%(\1)s", sql)


def among(connection: Connection, column: str, name: str, values: Sequence[Any]) -> Part:
    """That a column has one of these values, however many there are: the text stays the same, and with it the database's plan."""
    if is_postgresql(connection):
        return Part(f"{column} = ANY(:{name})", {name: list(values)})
    return Part(f"{column} IN (SELECT value FROM json_each(:{name}))", {name: json.dumps(list(values))})


def compiled(connection: Connection, condition: Any) -> Part:
    """A condition as text."""
    dialect = connection.dialect if is_postgresql(connection) else _SQLITE
    found: Any = condition.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    is_wide = any(table is not user_tasks for table in condition._from_objects)
    return Part(str(found), dict(found.params), is_wide)


EVERYTHING: Final = " ".join(str(USER_TASK.source.compile(dialect=_SQLITE)).split())
"""The tasks with their cases, processes and names."""


def source(*parts: Part) -> str:
    """The table alone, unless names or cases are asked for: those are in others."""
    tasks = EVERYTHING if any(part.is_wide for part in parts) else TASKS
    return " CROSS JOIN ".join([*(part.first for part in parts if part.first), tasks])
