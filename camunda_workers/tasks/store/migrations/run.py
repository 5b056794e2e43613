"""Brings a task store's tables up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic.config import Config
from sqlalchemy import Connection

from camunda_workers.events.migrating import alembic_config, upgrade_tables
from camunda_workers.tasks.store.tables import versions

HERE: Final = Path(__file__).parent
_LOCK: Final = 7_237_861_341


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration for a store."""
    return alembic_config(HERE, connection)


def upgrade(connection: Connection, name: str) -> None:
    """Apply what is missing, in the connection's transaction.

    Args:
        connection: to the store.
        name: what to call it.

    Raises:
        ReadModelError: it was written by a newer version of camunda-workers.
    """
    upgrade_tables(connection, HERE, versions, lock=_LOCK, name=f"the task store {name}")
