"""A task for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camunda_workers.tasks.duties.facts import Decision
    from camunda_workers.tasks.work import TaskPage

_LONGEST = 120


def page_json(page: TaskPage) -> dict[str, Any]:
    """Everything about a task as JSON."""
    return {
        "task": page.task.model_dump(mode="json", by_alias=True),
        "businessId": page.business_id,
        "form": {"formId": page.form.form_id, "version": page.form.version, "schema": page.form.schema} if page.form is not None else None,
        "variables": page.variables,
        "draft": asdict(page.draft) if page.draft is not None else None,
        "comments": [asdict(one) for one in page.comments],
        "attachments": [asdict(one) for one in page.attachments],
        "delegation": asdict(page.delegation) if page.delegation is not None else None,
        "mayComplete": page.may_complete.to_json(),
    }


def render(page: TaskPage) -> None:
    """Print a task for a person."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    task = page.task
    console.print(Text(f"{task.name or task.element_id}  ({task.key}, {task.state})", style="bold"))
    facts = {
        "case": page.business_id,
        "assignee": task.assignee,
        "for": ", ".join([*task.candidate_groups, *task.candidate_users]),
        "due": f"{task.due_date:%Y-%m-%d %H:%M %Z}" if task.due_date else None,
        "priority": task.priority,
        "form": f"{page.form.form_id} (version {page.form.version})" if page.form is not None else None,
        "delegated": f"{page.delegation.owner} to {page.delegation.delegate}" if page.delegation is not None else None,
        "draft": f"revision {page.draft.revision}, {page.draft.saved_at:%Y-%m-%d %H:%M %Z}" if page.draft is not None else None,
    }
    for name, value in facts.items():
        if value:
            console.print(Text(f"  {name:<10} {value}"))
    _section(console, "Variables", {name: _short(value) for name, value in page.variables.items()})
    _section(console, "Draft", {name: _short(value) for name, value in page.draft.variables.items()} if page.draft is not None else {})
    _section(console, "Files", {one.id: f"{one.name}, {one.size} bytes, {one.author}" for one in page.attachments})
    if page.comments:
        console.print(Text("Comments", style="bold"))
        for one in page.comments:
            console.print(Text(f"  {one.written_at:%Y-%m-%d %H:%M} {one.author}: {one.text}"))
    render_decision(page.may_complete, f"Completing it as {task.assignee or 'you'}", console)


def render_decision(decision: Decision, title: str, console: Any = None) -> None:
    """Print what the rules say, rule by rule."""
    from rich.console import Console
    from rich.text import Text

    out: Any = console or Console(highlight=False)
    verdict = "allowed" if decision.allowed else "counts as one approval" if decision.vote is not None else "denied"
    out.print(Text.assemble((f"{title}: ", "bold"), (verdict, "green" if decision.allowed else "red")))
    for reason in decision.reasons:
        out.print(Text(f"  {'yes' if reason.allowed else 'no '}  {reason.rule}: {reason.text}"))
    if not decision.reasons:
        out.print(Text("  no rule is about this task"))


def _section(console: Any, title: str, rows: Mapping[str, str]) -> None:
    from rich.text import Text

    if rows:
        console.print(Text(title, style="bold"))
        for name, value in rows.items():
            console.print(Text(f"  {name}: {value}"))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
