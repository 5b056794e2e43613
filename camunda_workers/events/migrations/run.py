"""Brings a log's tables up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic.config import Config
from sqlalchemy import Connection

from camunda_workers.events.migrating import alembic_config, upgrade_tables
from camunda_workers.events.schema import versions

if TYPE_CHECKING:
    from camunda_workers.events.database import Database

HERE: Final = Path(__file__).parent
_LOCK: Final = 7_237_861_340


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration for a log."""
    return alembic_config(HERE, connection)


def upgrade(database: Database) -> None:
    """Apply what is missing, in one transaction.

    Raises:
        ReadModelError: the log was written by a newer version of camunda-workers, or the database refuses.
    """
    name = f"the event log {database.name}"
    database.run(lambda connection: upgrade_tables(connection, HERE, versions, lock=_LOCK, name=name))
