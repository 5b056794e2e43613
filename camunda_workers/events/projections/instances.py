"""Process instances and element instances."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import BigInteger, Index, Integer, Table

from camunda_workers.events.projections.base import Change, Patch, Projection, Put, column, key_column, metadata
from camunda_workers.events.record import Record, known_key

process_instances = Table(
    "process_instances",
    metadata,
    key_column("key"),
    column("bpmn_process_id"),
    column("process_definition_key", BigInteger),
    column("version", Integer),
    column("state"),
    column("business_id"),
    column("tags"),
    column("tenant_id"),
    column("parent_process_instance_key", BigInteger),
    column("parent_element_instance_key", BigInteger),
    column("root_process_instance_key", BigInteger),
    column("started_at", BigInteger),
    column("ended_at", BigInteger),
)
Index("process_instances_by_business_id", process_instances.c.business_id)
Index("process_instances_by_root", process_instances.c.root_process_instance_key)
_c = process_instances.c
_called: Final = _c.parent_process_instance_key.is_not(None)
Index("process_instances_by_parent", _c.parent_process_instance_key, sqlite_where=_called, postgresql_where=_called)
# What lists are filtered by and then sorted by: a page is read off, however many match.
Index("process_instances_by_start", _c.started_at, _c.key)
Index("process_instances_by_state", _c.state, _c.bpmn_process_id, _c.key)
Index("process_instances_by_state_and_start", _c.state, _c.started_at, _c.key)
Index("process_instances_by_process", _c.bpmn_process_id, _c.state, _c.started_at, _c.key)
Index("process_instances_by_definition", _c.process_definition_key, _c.state, _c.started_at, _c.key)
Index("process_instances_by_state_and_end", _c.state, _c.ended_at, _c.key).ddl_if(dialect="sqlite")
# Absent ends come last, and PostgreSQL uses an index only in the order that it has.
Index("process_instances_by_latest_end", _c.state, _c.ended_at.desc().nulls_last(), _c.key.desc()).ddl_if(dialect="postgresql")

elements = Table(
    "element_instances",
    metadata,
    key_column("key"),
    column("process_instance_key", BigInteger),
    column("process_definition_key", BigInteger),
    column("bpmn_process_id"),
    column("element_id"),
    column("type"),
    column("scope_key", BigInteger),
    column("state"),
    column("tenant_id"),
    column("started_at", BigInteger),
    column("ended_at", BigInteger),
)
Index("element_instances_by_process_instance", elements.c.process_instance_key)

_ENDINGS: Final = {"ELEMENT_COMPLETED": "COMPLETED", "ELEMENT_TERMINATED": "TERMINATED"}


def root_of(value: Any) -> int | None:
    """The outermost process instance, on records that say so (the first of each element instance does)."""
    path = cast("list[list[int]]", value.get("elementInstancePath") or [])
    return known_key(value.get("rootProcessInstanceKey")) or (known_key(path[0][0]) if path and path[0] else None)


def _fold(record: Record) -> Iterable[Change]:
    value = record.value
    is_process = value.get("bpmnElementType") == "PROCESS"
    table = process_instances if is_process else elements
    if record.intent == "ELEMENT_ACTIVATING":
        yield Put(table, record.key, _started_process(record) if is_process else _started_element(record))
    elif (state := _ENDINGS.get(record.intent)) is not None:
        yield Patch(table, record.key, {"state": state, "ended_at": record.timestamp})
    elif record.intent in {"ELEMENT_MIGRATED", "ANCESTOR_MIGRATED"}:
        definition: dict[str, Any] = {
            "process_definition_key": value.get("processDefinitionKey"),
            "bpmn_process_id": value.get("bpmnProcessId"),
        }
        yield Patch(
            table, record.key, definition | ({"version": value.get("version")} if is_process else {"element_id": value.get("elementId")})
        )


def _started_process(record: Record) -> dict[str, Any]:
    value = record.value
    return {
        "bpmn_process_id": value.get("bpmnProcessId"),
        "process_definition_key": value.get("processDefinitionKey"),
        "version": value.get("version"),
        "state": "ACTIVE",
        "business_id": record.business_id,
        "tags": json.dumps(sorted(value.get("tags") or [])),
        "tenant_id": value.get("tenantId"),
        "parent_process_instance_key": record.parent_process_instance_key,
        "parent_element_instance_key": known_key(value.get("parentElementInstanceKey")),
        "root_process_instance_key": root_of(value) or record.key,
        "started_at": record.timestamp,
    }


def _started_element(record: Record) -> dict[str, Any]:
    value = record.value
    return {
        "process_instance_key": value.get("processInstanceKey"),
        "process_definition_key": value.get("processDefinitionKey"),
        "bpmn_process_id": value.get("bpmnProcessId"),
        "element_id": value.get("elementId"),
        "type": value.get("bpmnElementType"),
        "scope_key": known_key(value.get("flowScopeKey")),
        "state": "ACTIVE",
        "tenant_id": value.get("tenantId"),
        "started_at": record.timestamp,
    }


PROJECTION: Final = Projection("instances", 3, (process_instances, elements), {"PROCESS_INSTANCE": _fold})
