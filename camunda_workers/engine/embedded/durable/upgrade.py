"""A newer engine takes over the state of an older one: the engine's own migrations."""

from __future__ import annotations

from typing import Any

from camunda_workers.engine.embedded.homes import PARTITION
from camunda_workers.engine.embedded.java import jpype, zeebe
from camunda_workers.engine.embedded.versions import processing_state
from camunda_workers.engine.embedded.wiring import quieten
from camunda_workers.errors import EngineFailure


def migrate(database: Any, running: str) -> None:
    """Run the engine's own migrations on a state, as a broker does before it starts to process.

    Raises:
        EngineFailure: one of them failed; the state is then of no use, and the snapshot that it came from as it was.
    """
    quieten()
    try:
        # Its own check of versions is off: ours has decided, and states of ours carry no mark of the version that wrote them.
        cluster = zeebe("stream.impl.ClusterContextImpl")(1)
        zeebe("engine.state.migration.DbMigratorImpl")(False, cluster, processing_state(database, PARTITION), running).runMigrations()
    except jpype.JException as error:
        raise EngineFailure(
            f"the state could not be migrated to engine {running}: {error}; the older engine still reads the folder"
        ) from error
