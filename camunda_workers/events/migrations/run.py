"""Brings a log's tables up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from camunda_workers.errors import ReadModelError
from camunda_workers.events.schema import versions

if TYPE_CHECKING:
    from camunda_workers.events.database import Database

HERE: Final = Path(__file__).parent
_LOCK: Final = 7_237_861_340
"""PostgreSQL: only one process at a time."""


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration: nothing of it is in a file."""
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> None:
    """Apply what is missing, in one transaction.

    Raises:
        ReadModelError: the log was written by a newer version of camunda-workers, or the database refuses.
    """

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config = config_for(connection)
        if versions.name in inspect(connection).get_table_names():
            found = connection.scalar(select(versions.c.version_num))
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if found is not None and found not in known:
                raise ReadModelError(
                    f"the event log {database.name} was written by a newer version of camunda-workers (tables '{found}'): install that one"
                )
        command.upgrade(config, "head")

    database.run(work)
