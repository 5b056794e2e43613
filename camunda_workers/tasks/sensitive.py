"""Which cases are sensitive: what the project file marks, by process, user task, form, or what a case says of itself.

Whoever shows something of a task asks here: lists, search, the task's page, notifications, the command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from camunda_workers.project_people import InboxProcess, InboxSection

MISSING: Final = object()

VIEWED: Final = "case.viewed"
"""The kind of fact that a look at a sensitive case is."""


def at_path(variables: Mapping[str, Any], path: str) -> Any:
    """What is at a dotted path; `MISSING` where nothing is."""
    value: Any = variables
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = cast("Mapping[str, Any]", value)[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[int(part)]
        else:
            return MISSING
    return value


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


def title_of(section: InboxSection, process_id: str, element_id: str, variables: Mapping[str, Any], form_id: str | None = None) -> str:
    """A case's title as it is searched; empty for a sensitive case, and where there is none."""
    path = section.processes.get(process_id, InboxProcess()).title
    if not path or mark_of(section, process_id, variables, elements=(element_id,), form_id=form_id) is not None:
        return ""
    value = at_path(variables, path)
    if value is MISSING or value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def marks_anything(section: InboxSection) -> bool:
    """Whether there is a case that could be sensitive at all."""
    return bool(section.sensitive) or bool(names_needed(section))


def marks_forms(section: InboxSection) -> bool:
    """Whether a form makes a case sensitive, so that one has to know which form a task has."""
    return any(one.startswith("form:") for one in section.sensitive)


def names_needed(section: InboxSection) -> set[str]:
    """The variables that say whether a case is sensitive."""
    return {path.split(".")[0] for one in section.processes.values() for path in one.sensitive_when}


def names_shown(processes: Mapping[str, InboxProcess]) -> list[str]:
    """The variables in which titles and amounts are, and what says whether a case is sensitive."""
    paths = (path for one in processes.values() for path in (one.title, one.amount, *one.sensitive_when) if path)
    return sorted({path.split(".")[0] for path in paths})


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _same(one: Any, other: Any) -> bool:
    # true is not 1 here.
    return type(one) is type(other) and one == other
