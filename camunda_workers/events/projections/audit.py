"""What was done with user tasks, when and by whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Index, Table

from camunda_workers.events.projections.base import Change, Projection, Put, column, key_column, metadata, text_or_none
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.record import Record

task_operations = Table(
    "user_task_operations",
    metadata,
    key_column("position"),
    column("user_task_key", BigInteger),
    column("operation"),
    column("result"),
    column("actor"),
    column("bpmn_process_id"),
    column("process_definition_key", BigInteger),
    column("process_instance_key", BigInteger),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("tenant_id"),
    column("done_at", BigInteger),
)
Index("user_task_operations_by_task", task_operations.c.user_task_key)

OPERATIONS: Final = {
    "CREATED": ("CREATE", "SUCCESS"),
    "ASSIGNED": ("ASSIGN", "SUCCESS"),
    "UPDATED": ("UPDATE", "SUCCESS"),
    "COMPLETED": ("COMPLETE", "SUCCESS"),
    "CANCELED": ("CANCEL", "SUCCESS"),
    "MIGRATED": ("MIGRATE", "SUCCESS"),
    "ASSIGNMENT_DENIED": ("ASSIGN", "FAIL"),
    "UPDATE_DENIED": ("UPDATE", "FAIL"),
    "COMPLETION_DENIED": ("COMPLETE", "FAIL"),
}


def _fold(record: Record) -> Iterable[Change]:
    done = OPERATIONS.get(record.intent)
    if done is None:
        return
    operation, result = done
    value = record.value
    if operation == "ASSIGN" and result == "SUCCESS" and text_or_none(value.get("assignee")) is None:
        operation = "UNASSIGN"
    row = {
        "user_task_key": record.key,
        "operation": operation,
        "result": result,
        "actor": actor_of(record),
        "bpmn_process_id": value.get("bpmnProcessId"),
        "process_definition_key": value.get("processDefinitionKey"),
        "process_instance_key": value.get("processInstanceKey"),
        "element_id": value.get("elementId"),
        "element_instance_key": value.get("elementInstanceKey"),
        "tenant_id": value.get("tenantId"),
        "done_at": record.timestamp,
    }
    # Partitions count their positions each for itself, as they do keys: the number of the partition is in the upper bits.
    yield Put(task_operations, record.position + ((record.partition - 1) << 51), row)


PROJECTION: Final = Projection("user-task-operations", 3, (task_operations,), {"USER_TASK": _fold})
