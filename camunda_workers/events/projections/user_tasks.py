"""User tasks (Camunda's own, ``zeebe:userTask``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import BigInteger, Index, Integer, Table, and_, literal_column, text

from camunda_workers.events.dates import millis_or_none
from camunda_workers.events.projections.base import (
    Change,
    Patch,
    Projection,
    Put,
    column,
    epoch_or_none,
    key_column,
    metadata,
    text_or_none,
)
from camunda_workers.events.record import Record, known_key

user_tasks = Table(
    "user_tasks",
    metadata,
    key_column("key"),
    column("process_instance_key", BigInteger),
    column("process_definition_key", BigInteger),
    column("bpmn_process_id"),
    column("process_version", Integer),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("state"),
    column("assignee"),
    column("candidate_groups"),
    # The candidate groups as one short text: what tasks for the same groups have in common.
    column("queue"),
    column("candidate_users"),
    column("due_at", BigInteger),
    column("follow_up_at", BigInteger),
    column("priority", Integer),
    column("form_key", BigInteger),
    column("external_form"),
    column("headers"),
    column("action"),
    column("completed_by"),
    column("tenant_id"),
    column("created_at", BigInteger),
    column("assigned_at", BigInteger),
    column("ended_at", BigInteger),
)
_c = user_tasks.c
Index("user_tasks_by_process_instance", _c.process_instance_key)
Index("user_tasks_by_state", _c.state, _c.assignee, _c.created_at, _c.key)
Index("user_tasks_by_state_and_creation", _c.state, _c.created_at, _c.key)
# People's lists: whatever they are sorted by and counted over is in the index, and only open tasks are in it, however many are done.
_open: Final = _c.ended_at.is_(None)
Index(
    "user_tasks_open",
    *(_c.assignee, _c.queue, _c.due_at, _c.state, _c.priority, _c.created_at),
    *(_c.element_id, _c.bpmn_process_id, _c.tenant_id, _c.key),
    sqlite_where=_open,
    postgresql_where=_open,
)
Index(
    "user_tasks_open_by_due",
    *(_c.due_at, _c.state, _c.priority, _c.created_at, _c.element_id, _c.bpmn_process_id, _c.tenant_id, _c.key),
    sqlite_where=_open,
    postgresql_where=_open,
)
Index("user_tasks_open_by_creation", _c.created_at, _c.state, _c.tenant_id, _c.key, sqlite_where=_open, postgresql_where=_open)
# As lists by priority say it, so that the database knows it by it: what has no due date comes last.
Index(
    "user_tasks_open_by_priority",
    *(text("(coalesce(priority, -4611686018427387904)) DESC"), text("(coalesce(due_at, 4611686018427387904))"), _c.key),
    *(_c.state, _c.tenant_id, _c.element_id),
    sqlite_where=_open,
    postgresql_where=_open,
)
Index(
    "user_tasks_for_users",
    _c.candidate_users,
    sqlite_where=and_(_c.ended_at.is_(None), _c.candidate_users != literal_column("'[]'")),
    postgresql_where=and_(_c.ended_at.is_(None), _c.candidate_users != literal_column("'[]'")),
)
# How long tasks took lately, by element.
_done = and_(_c.state == literal_column("'COMPLETED'"), _c.assigned_at.is_not(None))
Index("user_tasks_done", _c.bpmn_process_id, _c.element_id, _c.ended_at, sqlite_where=_done, postgresql_where=_done)

# What a task is while its listeners decide. Nothing else of such a record counts: the listeners may still deny or correct it.
_PASSING: Final = {
    "ASSIGNING": "ASSIGNING",
    "CLAIMING": "ASSIGNING",
    "UPDATING": "UPDATING",
    "COMPLETING": "COMPLETING",
    "CANCELING": "CANCELING",
}
LONGEST_QUEUE: Final = 400
"""Characters; an index of PostgreSQL takes no longer texts for granted. Longer ones are a hash, with a # in front."""

_DENIED: Final = {"ASSIGNMENT_DENIED", "UPDATE_DENIED", "COMPLETION_DENIED"}
_SETTLED: Final = {"CREATING": "CREATING", "CREATED": "CREATED", "ASSIGNED": "CREATED", "UPDATED": "CREATED", "MIGRATED": "CREATED"}
_ENDED: Final = {"COMPLETED": "COMPLETED", "CANCELED": "CANCELED"}


def actor_of(record: Record) -> str | None:
    """The user a record was asked for by, where the engine knows (it does when authentication is on)."""
    found = record.authorizations.get("authorized_username")
    return found if isinstance(found, str) and found else None


def _fold(record: Record) -> Iterable[Change]:
    intent = record.intent
    if (passing := _PASSING.get(intent)) is not None:
        yield Patch(user_tasks, record.key, {"state": passing})
    elif intent in _DENIED:
        yield Patch(user_tasks, record.key, {"state": "CREATED"})
    elif (settled := _SETTLED.get(intent)) is not None:
        given = {"assigned_at": record.timestamp} if intent == "ASSIGNED" else {}
        yield Put(user_tasks, record.key, _described(record) | {"state": settled} | given)
    elif (ended := _ENDED.get(intent)) is not None:
        by = (actor_of(record) or text_or_none(record.value.get("assignee"))) if ended == "COMPLETED" else None
        yield Put(user_tasks, record.key, _described(record) | {"state": ended, "ended_at": record.timestamp, "completed_by": by})


def _described(record: Record) -> dict[str, Any]:
    value = record.value
    return {
        "process_instance_key": value.get("processInstanceKey"),
        "process_definition_key": value.get("processDefinitionKey"),
        "bpmn_process_id": value.get("bpmnProcessId"),
        "process_version": value.get("processDefinitionVersion"),
        "element_id": value.get("elementId"),
        "element_instance_key": value.get("elementInstanceKey"),
        "assignee": text_or_none(value.get("assignee")),
        "candidate_groups": (groups := json.dumps(value.get("candidateGroupsList") or [])),
        "queue": groups if len(groups) <= LONGEST_QUEUE else f"#{hashlib.sha256(groups.encode()).hexdigest()}",
        "candidate_users": json.dumps(value.get("candidateUsersList") or []),
        "due_at": millis_or_none(value.get("dueDate")),
        "follow_up_at": millis_or_none(value.get("followUpDate")),
        "priority": value.get("priority"),
        "form_key": known_key(value.get("formKey")),
        "external_form": text_or_none(value.get("externalFormReference")),
        "headers": json.dumps(value.get("customHeaders") or {}),
        "action": text_or_none(value.get("action")),
        "tenant_id": value.get("tenantId"),
        "created_at": epoch_or_none(value.get("creationTimestamp")) or record.timestamp,
    }


PROJECTION: Final = Projection("user-tasks", 3, (user_tasks,), {"USER_TASK": _fold})
