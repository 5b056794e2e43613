"""The rows of a list of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from camunda_workers.client import UserTask
from camunda_workers.client.models import VariableItem
from camunda_workers.inbox.views.glance import MISSING, at_path, in_words, number
from camunda_workers.inbox.views.times import Due, Say, due
from camunda_workers.project_people import InboxProcess, InboxSection
from camunda_workers.tasks import Caller
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.effort import Effort, slack
from camunda_workers.tasks.sensitive import mark_of

URGENT = 75
"""From this priority on a task is marked (Tasklist's "high" and above)."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in a list.

    Attributes:
        is_tight: less time is left than the work usually takes.
        is_protected: the case is sensitive: who and what it is about is shown when it is opened, which is written down.
    """

    key: int
    name: str
    process: str
    element_id: str
    business_id: str | None
    title: str
    amount: str
    due: Due | None
    assignee: str | None
    is_mine: bool
    groups: Sequence[str]
    is_urgent: bool
    is_tight: bool = False
    is_protected: bool = False


def rows(
    tasks: Iterable[UserTask],
    variables: Mapping[int, Mapping[str, Any]],
    processes: Mapping[str, InboxProcess],
    caller: Caller,
    now: datetime,
    say: Say,
    *,
    section: InboxSection | None = None,
    efforts: Mapping[tuple[str, str], Effort] | None = None,
    forms: Mapping[int, str] | None = None,
) -> list[TaskRow]:
    """Tasks as rows.

    Args:
        tasks: in order.
        variables: by process instance, those that titles, amounts and marks need.
        processes: what is shown of them.
        caller: who looks.
        now: the time.
        say: the reader's words.
        section: says which cases are sensitive.
        efforts: how long tasks take.
        forms: form key to form id, where forms are marked as sensitive.
    """
    result: list[TaskRow] = []
    for task in tasks:
        process = processes.get(task.process_definition_id, InboxProcess())
        seen = variables.get(task.process_instance_key or 0, {})
        form_id = (forms or {}).get(task.form_key or 0)
        mark = mark_of(section, task.process_definition_id, seen, elements=(task.element_id,), form_id=form_id) if section else None
        hidden = mark is not None
        title = at_path(seen, process.title) if process.title and not hidden else MISSING
        amount = at_path(seen, process.amount) if process.amount and not hidden else MISSING
        spare = slack(task, efforts or {}, now)
        result.append(
            TaskRow(
                key=task.user_task_key,
                name=task.name or task.element_id,
                process=task.process_name or task.process_definition_id,
                element_id=task.element_id,
                business_id=business_of(task),
                title=in_words(title, say) if title is not MISSING else "",
                amount=number(amount, say) if isinstance(amount, int | float) else "",
                due=due(task.due_date, now, say),
                assignee=task.assignee,
                is_mine=caller.is_(task.assignee),
                groups=task.candidate_groups,
                is_urgent=task.priority >= URGENT,
                is_tight=spare is not None and spare < timedelta(0) <= (task.due_date or now) - now,
                is_protected=hidden,
            )
        )
    return result


def by_instance(items: Iterable[VariableItem]) -> dict[int, dict[str, Any]]:
    """Found variables by their scope."""
    result: dict[int, dict[str, Any]] = {}
    for item in items:
        try:
            result.setdefault(item.scope_key or 0, {})[item.name] = json.loads(item.value)
        except ValueError:
            continue
    return result
