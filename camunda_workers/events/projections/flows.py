"""Sequence flows that process instances took."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Column, Table, Text

from camunda_workers.events.projections.base import Change, Projection, Put, column, metadata
from camunda_workers.events.record import Record

sequence_flows = Table(
    "sequence_flows",
    metadata,
    Column("process_instance_key", BigInteger, primary_key=True, autoincrement=False),
    Column("flow_id", Text, primary_key=True),
    column("process_definition_key", BigInteger),
    column("bpmn_process_id"),
    column("tenant_id"),
)


def _fold(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent == "SEQUENCE_FLOW_TAKEN" and isinstance(flow := value.get("elementId"), str):
        row = {name: value.get(field) for name, field in _FIELDS.items()}
        yield Put(sequence_flows, (int(value.get("processInstanceKey") or 0), flow), row)


_FIELDS: Final = {"process_definition_key": "processDefinitionKey", "bpmn_process_id": "bpmnProcessId", "tenant_id": "tenantId"}

PROJECTION: Final = Projection("sequence-flows", 1, (sequence_flows,), {"PROCESS_INSTANCE": _fold})
