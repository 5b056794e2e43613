"""Which cases are sensitive, as `camunda_workers.tasks.sensitive` has it for everything that shows tasks."""

from __future__ import annotations

from camunda_workers.tasks.sensitive import mark_of, names_needed

__all__ = ["mark_of", "names_needed"]
