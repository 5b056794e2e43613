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
Index("process_instances_by_start", process_instances.c.started_at, process_instances.c.key)
Index("process_instances_by_state", process_instances.c.state, process_instances.c.bpmn_process_id)

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


PROJECTION: Final = Projection("instances", 2, (process_instances, elements), {"PROCESS_INSTANCE": _fold})
