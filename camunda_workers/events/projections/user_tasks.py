"""User tasks (Camunda's own, ``zeebe:userTask``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import BigInteger, Index, Integer, Table

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
    column("ended_at", BigInteger),
)
Index("user_tasks_by_process_instance", user_tasks.c.process_instance_key)
Index("user_tasks_by_state", user_tasks.c.state, user_tasks.c.assignee)

# What a task is while its listeners decide. Nothing else of such a record counts: the listeners may still deny or correct it.
_PASSING: Final = {
    "ASSIGNING": "ASSIGNING",
    "CLAIMING": "ASSIGNING",
    "UPDATING": "UPDATING",
    "COMPLETING": "COMPLETING",
    "CANCELING": "CANCELING",
}
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
        yield Put(user_tasks, record.key, _described(record) | {"state": settled})
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
        "candidate_groups": json.dumps(value.get("candidateGroupsList") or []),
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


PROJECTION: Final = Projection("user-tasks", 1, (user_tasks,), {"USER_TASK": _fold})
