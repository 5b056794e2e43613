"""``camunda-workers duties audit``: what was completed against the rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import typer

from camunda_workers.cli.task_session import Json, duties_here, show_json
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.tasks.duties.audit import Violation


def audit(as_json: Json = False) -> None:
    """Find tasks that were completed against the rules, and record them; exits with 1 if there are any.

    Goes through the whole event log, by today's rules. Where listeners are asked there is nothing to find: on an engine before 8.8, or where a
    diagram lacks a listener, whoever completes tasks in Tasklist or over the API walks around them.
    """
    found = asyncio.run(_found())
    if as_json:
        show_json({"violations": [_json(one) for one in found]})
    else:
        for one in found:
            task = f"task {one.completed.key} ({one.completed.element_id})"
            print(f"{one.completed.time:%Y-%m-%d %H:%M:%S} {task}, completed by {one.user or 'nobody'}: {one.decision.text}")
        if not found:
            print("no task was completed against the rules")
    if found:
        raise typer.Exit(1)


async def _found() -> list[Violation]:
    from camunda_workers.cli.log_options import open_log
    from camunda_workers.tasks import TaskStore
    from camunda_workers.tasks.duties.audit_running import AuditTrail
    from camunda_workers.tasks.store import store_of

    async with open_log(None, None) as log, TaskStore(store_of(Settings())) as store:
        return await AuditTrail(duties_here(), log, store).everything()


def _json(one: Violation) -> dict[str, Any]:
    completed = one.completed
    return {
        "task": str(completed.key),
        "elementId": completed.element_id,
        "processInstanceKey": str(completed.process_instance_key),
        "businessId": completed.business_id,
        "user": one.user,
        "at": completed.time.isoformat(),
        "reasons": [{"rule": reason.rule, "text": reason.text} for reason in one.decision.denials],
    }
