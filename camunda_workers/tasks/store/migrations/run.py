"""Brings a task store's tables up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from camunda_workers.errors import ReadModelError
from camunda_workers.tasks.store.tables import versions

HERE: Final = Path(__file__).parent
_LOCK: Final = 7_237_861_341
"""PostgreSQL: only one process at a time."""


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration: nothing of it is in a file."""
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, name: str) -> None:
    """Apply what is missing, in the connection's transaction.

    Args:
        connection: to the store.
        name: what to call it.

    Raises:
        ReadModelError: it was written by a newer version of camunda-workers.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    config = config_for(connection)
    if versions.name in inspect(connection).get_table_names():
        found = connection.scalar(select(versions.c.version_num))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise ReadModelError(
                f"the task store {name} was written by a newer version of camunda-workers (tables '{found}'): install that one"
            )
    command.upgrade(config, "head")
