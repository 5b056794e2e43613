"""Human tasks: rules that hold whoever completes them, from Tasklist, from the inbox, from a script."""

from __future__ import annotations

from camunda_workers.tasks.four_eyes import CompletedBy, SearchCompletedBy, four_eyes

__all__ = ["CompletedBy", "SearchCompletedBy", "four_eyes"]
