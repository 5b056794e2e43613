"""Opening a log: what is missing is made, an older one is brought up to date, and one that cannot be is refused in words."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, select

from camunda_workers.errors import ReadModelError
from camunda_workers.events import schema

if TYPE_CHECKING:
    from camunda_workers.events.database import Database


def prepare(database: Database) -> str:
    """Make the log's tables, or check that they are the ones this version writes.

    Returns:
        The log's id.

    Raises:
        ReadModelError: it cannot be opened, or holds something else.
    """
    found = database.query(_version, "used")
    if found == schema.VERSION:
        return database.query(_log_id) or database.run(_named)
    if found == "foreign":
        raise ReadModelError(
            f"{database.name} was written by an early version of camunda-workers, before its records were chained and signed, and is not "
            "carried over: move it away, and the log is written anew from the engine's records"
        )
    if found is None and not database.is_postgresql:
        return database.run(_make)  # a new file needs no migrations, and not the time it takes to load them
    from camunda_workers.events.migrations.run import upgrade

    upgrade(database)
    return database.run(_named)


def _version(connection: Connection) -> str | None:
    names = set(inspect(connection).get_table_names())
    if schema.versions.name in names:
        return connection.scalar(select(schema.versions.c.version_num))
    return "foreign" if schema.records.name in names else None


def _log_id(connection: Connection) -> str:
    return connection.scalar(select(schema.state.c.log_id)) or ""


def _make(connection: Connection) -> str:
    if (found := _version(connection)) is not None:  # another process was first
        if found != schema.VERSION:
            raise ReadModelError("another version of camunda-workers has just made this log: run that version")
        return _log_id(connection)
    schema.metadata.create_all(connection)
    connection.execute(schema.versions.insert().values(version_num=schema.VERSION))
    return _named(connection)


def _named(connection: Connection) -> str:
    log_id = connection.scalar(select(schema.state.c.log_id))
    if log_id is None:
        log_id = uuid.uuid4().hex
        connection.execute(schema.state.insert().values(id=1, log_id=log_id, size=0, archived_to=0))
    return log_id
