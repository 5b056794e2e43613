"""Alembic runs this; the connection comes from `camunda_workers.events.migrations.run`."""

from __future__ import annotations

from typing import Any

from alembic import context

from camunda_workers.events.schema import metadata

config: Any = context.config
context.configure(connection=config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
