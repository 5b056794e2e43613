"""The read model's parts, each a pure fold over the log."""

from __future__ import annotations

from typing import Final

from camunda_workers.events.projections import audit, definitions, flows, instances, messages, user_tasks, work
from camunda_workers.events.projections.base import Change, Patch, Projection, Put

PROJECTIONS: Final[tuple[Projection, ...]] = (
    instances.PROJECTION,
    user_tasks.PROJECTION,
    work.INCIDENTS,
    work.VARIABLES,
    work.JOBS,
    definitions.DEFINITIONS,
    definitions.DECISION_INSTANCES,
    flows.PROJECTION,
    messages.PROJECTION,
    audit.PROJECTION,
)

__all__ = ["PROJECTIONS", "Change", "Patch", "Projection", "Put"]
