"""Alembic runs this; the connection comes from `camunda_workers.tasks.store.migrations.run`."""

from __future__ import annotations

from typing import Any

from alembic import context

from camunda_workers.tasks.store.tables import metadata, versions

config: Any = context.config
context.configure(connection=config.attributes["connection"], target_metadata=metadata, version_table=versions.name)
context.run_migrations()
