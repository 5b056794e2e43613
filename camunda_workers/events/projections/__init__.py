"""The read model's parts, each a pure fold over the log."""

from __future__ import annotations

from typing import Final

from camunda_workers.events.projections import audit, definitions, flows, instances, messages, timeline, user_tasks, variable_history, work
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

HISTORIES: Final[tuple[Projection, ...]] = (variable_history.PROJECTION, timeline.PROJECTION)
"""What was. No search of Camunda's asks for it, so an engine's read model does without; whoever asks has it folded."""

__all__ = ["HISTORIES", "PROJECTIONS", "Change", "Patch", "Projection", "Put"]
