"""Which cases are sensitive: what the project file marks, by process, user task, form, or what a case says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from camunda_workers.inbox.views.glance import MISSING, at_path
from camunda_workers.project_people import InboxProcess, InboxSection


def mark_of(
    section: InboxSection,
    process_id: str,
    variables: Mapping[str, Any],
    *,
    elements: Iterable[str] = (),
    form_id: str | None = None,
) -> str | None:
    """What makes a case sensitive, as the project file says it; ``None`` when nothing does.

    Args:
        section: the project's ``[inbox]``.
        process_id: the case's process.
        variables: what is known of it.
        elements: the user tasks that are looked at.
        form_id: the form that is shown.
    """
    marked = set(section.sensitive)
    asked = [process_id, *(f"{process_id}/{element}" for element in elements), *([f"form:{form_id}"] if form_id else [])]
    for one in asked:
        if one in marked:
            return one
    for path, wanted in section.processes.get(process_id, InboxProcess()).sensitive_when.items():
        value = at_path(variables, path)
        if value is not MISSING and any(_same(value, one) for one in _list(wanted)):
            return path
    return None


def names_needed(section: InboxSection) -> set[str]:
    """The variables that say whether a case is sensitive."""
    return {path.split(".")[0] for one in section.processes.values() for path in one.sensitive_when}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _same(one: Any, other: Any) -> bool:
    # true is not 1 here.
    return type(one) is type(other) and one == other
