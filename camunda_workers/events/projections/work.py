"""What happens at elements: jobs, incidents and variables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import BigInteger, Column, Index, Integer, Table

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
from camunda_workers.events.projections.instances import root_of
from camunda_workers.events.record import Record, known_key

incidents = Table(
    "incidents",
    metadata,
    key_column("key"),
    column("process_instance_key", BigInteger),
    column("root_process_instance_key", BigInteger),
    column("process_definition_key", BigInteger),
    column("bpmn_process_id"),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("job_key", BigInteger),
    column("error_type"),
    column("error_message"),
    column("state"),
    column("tenant_id"),
    column("created_at", BigInteger),
    column("resolved_at", BigInteger),
)
Index("incidents_by_process_instance", incidents.c.process_instance_key)
Index("incidents_by_element_instance", incidents.c.element_instance_key)
Index("incidents_by_state", incidents.c.state, incidents.c.created_at, incidents.c.key)

incident_scopes = Table(
    "incident_scopes",
    metadata,
    Column("scope_key", BigInteger, primary_key=True, autoincrement=False),
    Column("incident_key", BigInteger, primary_key=True, autoincrement=False),
)
"""Everything around an incident, calling process instances too: each of them has an incident."""

variables = Table(
    "variables",
    metadata,
    key_column("key"),
    column("name"),
    column("value"),
    column("scope_key", BigInteger),
    column("process_instance_key", BigInteger),
    column("process_definition_key", BigInteger),
    column("bpmn_process_id"),
    column("tenant_id"),
    column("updated_at", BigInteger),
)
Index("variables_by_scope", variables.c.scope_key, variables.c.name)
Index("variables_by_process_instance", variables.c.process_instance_key)

jobs = Table(
    "jobs",
    metadata,
    key_column("key"),
    column("type"),
    column("kind"),
    column("listener_event_type"),
    column("state"),
    column("worker"),
    column("retries", Integer),
    column("deadline", BigInteger),
    column("error_code"),
    column("error_message"),
    column("is_denied", Integer),
    column("denied_reason"),
    column("headers"),
    column("process_instance_key", BigInteger),
    column("process_definition_key", BigInteger),
    column("bpmn_process_id"),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("tenant_id"),
    column("created_at", BigInteger),
    column("updated_at", BigInteger),
    column("ended_at", BigInteger),
)
Index("jobs_by_process_instance", jobs.c.process_instance_key)
Index("jobs_by_state", jobs.c.state, jobs.c.type, jobs.c.key)

_JOB_STATES: Final = {
    "CREATED": "CREATED",
    "COMPLETED": "COMPLETED",
    "FAILED": "FAILED",
    "ERROR_THROWN": "ERROR_THROWN",
    "CANCELED": "CANCELED",
    "TIMED_OUT": "TIMED_OUT",
    "RETRIES_UPDATED": "RETRIES_UPDATED",
    "TIMEOUT_UPDATED": "TIMEOUT_UPDATED",
    "PRIORITY_UPDATED": "PRIORITY_UPDATED",
    "MIGRATED": "MIGRATED",
    "UPDATED": "RETRIES_UPDATED",
    "RECURRED_AFTER_BACKOFF": "CREATED",
    "YIELDED": "CREATED",
}
_JOB_ENDS: Final = {"COMPLETED", "ERROR_THROWN", "CANCELED"}


def _fold_incident(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent == "CREATED":
        yield Put(
            incidents,
            record.key,
            {
                "process_instance_key": value.get("processInstanceKey"),
                "root_process_instance_key": root_of(value) or value.get("processInstanceKey"),
                "process_definition_key": value.get("processDefinitionKey"),
                "bpmn_process_id": value.get("bpmnProcessId"),
                "element_id": value.get("elementId"),
                "element_instance_key": known_key(value.get("elementInstanceKey")),
                "job_key": known_key(value.get("jobKey")),
                "error_type": value.get("errorType"),
                "error_message": value.get("errorMessage"),
                "state": "ACTIVE",
                "tenant_id": value.get("tenantId"),
                "created_at": record.timestamp,
            },
        )
        path = cast("list[list[int]]", value.get("elementInstancePath") or [])
        around = {value.get("processInstanceKey"), value.get("elementInstanceKey"), *(key for part in path for key in part)}
        for scope in sorted(key for key in map(known_key, around) if key is not None):
            yield Put(incident_scopes, (scope, record.key), {})
    elif record.intent == "RESOLVED":
        yield Patch(incidents, record.key, {"state": "RESOLVED", "resolved_at": record.timestamp})
    elif record.intent == "MIGRATED":
        names = {"process_definition_key": "processDefinitionKey", "bpmn_process_id": "bpmnProcessId", "element_id": "elementId"}
        yield Patch(incidents, record.key, {name: value.get(field) for name, field in names.items()})


def _fold_variable(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent not in {"CREATED", "UPDATED", "MIGRATED"}:
        return
    kept = {
        "name": value.get("name"),
        "scope_key": value.get("scopeKey"),
        "process_instance_key": value.get("processInstanceKey"),
        "process_definition_key": value.get("processDefinitionKey"),
        "bpmn_process_id": value.get("bpmnProcessId"),
        "tenant_id": value.get("tenantId"),
        "updated_at": record.timestamp,
    }
    # A migrated variable's record does not repeat its value.
    yield Put(variables, record.key, kept if record.intent == "MIGRATED" else kept | {"value": value.get("value")})


def _fold_job(record: Record) -> Iterable[Change]:
    state = _JOB_STATES.get(record.intent)
    if state is None:
        return
    value = record.value
    row = _described(value) | {"state": state, "updated_at": record.timestamp}
    if record.intent == "CREATED":
        row["created_at"] = record.timestamp
    if record.intent in _JOB_ENDS:
        row["ended_at"] = record.timestamp
    if record.intent == "COMPLETED" and value.get("jobKind") == "TASK_LISTENER":
        result = cast("dict[str, Any]", value.get("result") or {})
        row |= {"is_denied": int(bool(result.get("denied"))), "denied_reason": text_or_none(result.get("deniedReason"))}
    yield Put(jobs, record.key, row)


def _described(value: Any) -> dict[str, Any]:
    return {
        "type": value.get("type"),
        "kind": value.get("jobKind"),
        "listener_event_type": value.get("jobListenerEventType"),
        "worker": text_or_none(value.get("worker")),
        "retries": value.get("retries"),
        "deadline": epoch_or_none(value.get("deadline")),
        "error_code": text_or_none(value.get("errorCode")),
        "error_message": text_or_none(value.get("errorMessage")),
        "headers": json.dumps(value.get("customHeaders") or {}),
        "process_instance_key": value.get("processInstanceKey"),
        "process_definition_key": value.get("processDefinitionKey"),
        "bpmn_process_id": value.get("bpmnProcessId"),
        "element_id": value.get("elementId"),
        "element_instance_key": value.get("elementInstanceKey"),
        "tenant_id": value.get("tenantId"),
    }


def _fold_job_batch(record: Record) -> Iterable[Change]:
    # Handing a job out writes no record of the job itself.
    if record.intent == "ACTIVATED":
        value = record.value
        for key, job in zip(
            cast("list[int]", value.get("jobKeys") or []), cast("list[dict[str, Any]]", value.get("jobs") or []), strict=False
        ):
            yield Patch(jobs, key, {"worker": text_or_none(job.get("worker")), "deadline": epoch_or_none(job.get("deadline"))})


INCIDENTS: Final = Projection("incidents", 2, (incidents, incident_scopes), {"INCIDENT": _fold_incident})
VARIABLES: Final = Projection("variables", 2, (variables,), {"VARIABLE": _fold_variable})
JOBS: Final = Projection("jobs", 2, (jobs,), {"JOB": _fold_job, "JOB_BATCH": _fold_job_batch})
