"""Brings tables up to date with Alembic: those of the event log, and those of the task store."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table, inspect, select

from camunda_workers.errors import ReadModelError


def alembic_config(folder: Path, connection: Connection | None = None) -> Config:
    """Alembic's configuration for the migrations in a folder: nothing of it is in a file."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


def upgrade_tables(connection: Connection, folder: Path, versions: Table, *, lock: int, name: str) -> None:
    """Apply what is missing, in the connection's transaction.

    Args:
        connection: to the database.
        folder: of the migrations.
        versions: the table that says how far they were applied.
        lock: PostgreSQL: only one process at a time has the advisory lock of this number.
        name: what errors call the database.

    Raises:
        ReadModelError: the tables were written by a newer version of camunda-workers.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")
    config = alembic_config(folder, connection)
    if versions.name in inspect(connection).get_table_names():
        found = connection.scalar(select(versions.c.version_num))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise ReadModelError(f"{name} was written by a newer version of camunda-workers (tables '{found}'): install that one")
    command.upgrade(config, "head")
