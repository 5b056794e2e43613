"""What was deployed: processes with the names in their diagrams, decisions, forms; and the decisions that were taken."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from camunda_workers.events.bpmn import read_diagram
from camunda_workers.events.projections.base import Change, Patch, Projection, Put, column, key_column, metadata, text_or_none
from camunda_workers.events.record import Record, known_key

processes = Table(
    "process_definitions",
    metadata,
    key_column("key"),
    column("bpmn_process_id"),
    column("name"),
    column("version", Integer),
    column("version_tag"),
    column("resource_name"),
    column("start_form_id"),
    column("state"),
    column("tenant_id"),
    column("xml"),
)
Index("process_definitions_by_id", processes.c.bpmn_process_id, processes.c.version)

element_names = Table(
    "element_names",
    metadata,
    Column("process_definition_key", BigInteger, primary_key=True, autoincrement=False),
    Column("element_id", Text, primary_key=True),
    column("name"),
    column("type"),
)

forms = Table(
    "forms",
    metadata,
    key_column("key"),
    column("form_id"),
    column("version", Integer),
    column("version_tag"),
    column("resource_name"),
    column("schema"),
    column("state"),
    column("tenant_id"),
)

requirements = Table(
    "decision_requirements",
    metadata,
    key_column("key"),
    column("requirements_id"),
    column("name"),
    column("version", Integer),
    column("resource_name"),
    column("xml"),
    column("state"),
    column("tenant_id"),
)

decisions = Table(
    "decision_definitions",
    metadata,
    key_column("key"),
    column("decision_id"),
    column("name"),
    column("version", Integer),
    column("requirements_id"),
    column("requirements_key", BigInteger),
    column("state"),
    column("tenant_id"),
)

decision_instances = Table(
    "decision_instances",
    metadata,
    Column("evaluation_key", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    column("decision_id"),
    column("decision_key", BigInteger),
    column("name"),
    column("version", Integer),
    column("type"),
    column("root_decision_key", BigInteger),
    column("requirements_key", BigInteger),
    column("state"),
    column("failure"),
    column("output"),
    column("inputs"),
    column("rules"),
    column("process_instance_key", BigInteger),
    column("process_definition_key", BigInteger),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("tenant_id"),
    column("evaluated_at", BigInteger),
)
Index("decision_instances_by_process_instance", decision_instances.c.process_instance_key)


def resource_of(value: Any) -> bytes:
    """A deployed file's content (base64 in records); empty when the record does not have it."""
    try:
        return base64.b64decode(value.get("resource") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return b""


def _fold_process(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent in {"DELETING", "DELETED"}:
        yield Patch(processes, record.key, {"state": "DELETED"})
    elif record.intent == "CREATED":
        xml = resource_of(value)
        diagram = read_diagram(xml, str(value.get("bpmnProcessId")))
        row = {
            "bpmn_process_id": value.get("bpmnProcessId"),
            "name": diagram.name,
            "version": value.get("version"),
            "version_tag": text_or_none(value.get("versionTag")),
            "resource_name": value.get("resourceName"),
            "start_form_id": diagram.start_form_id,
            "state": "ACTIVE",
            "tenant_id": value.get("tenantId"),
            "xml": xml.decode(errors="replace"),
        }
        yield Put(processes, record.key, row)
        for identifier, element in diagram.elements.items():
            yield Put(element_names, (record.key, identifier), {"name": element.name, "type": element.type})


def _fold_form(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent == "DELETED":
        yield Patch(forms, record.key, {"state": "DELETED"})
    elif record.intent == "CREATED":
        row = {
            "form_id": value.get("formId"),
            "schema": resource_of(value).decode(errors="replace"),
            "version_tag": text_or_none(value.get("versionTag")),
        }
        yield Put(forms, record.key, row | _common(value, "version", "resourceName"))


def _fold_requirements(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent == "DELETED":
        yield Patch(requirements, record.key, {"state": "DELETED"})
    elif record.intent == "CREATED":
        row = {
            "requirements_id": value.get("decisionRequirementsId"),
            "name": value.get("decisionRequirementsName"),
            "xml": resource_of(value).decode(errors="replace"),
        }
        yield Put(requirements, record.key, row | _common(value, "decisionRequirementsVersion", "resourceName"))


def _fold_decision(record: Record) -> Iterable[Change]:
    value = record.value
    if record.intent == "DELETED":
        yield Patch(decisions, record.key, {"state": "DELETED"})
    elif record.intent == "CREATED":
        row = {
            "decision_id": value.get("decisionId"),
            "name": value.get("decisionName"),
            "requirements_id": value.get("decisionRequirementsId"),
            "requirements_key": value.get("decisionRequirementsKey"),
        }
        yield Put(decisions, record.key, row | _common(value, "version"))


def _common(value: Any, version: str, resource: str | None = None) -> dict[str, Any]:
    row = {"version": value.get(version), "state": "ACTIVE", "tenant_id": value.get("tenantId")}
    return row | ({"resource_name": value.get(resource)} if resource is not None else {})


def _fold_evaluation(record: Record) -> Iterable[Change]:
    if record.intent not in {"EVALUATED", "FAILED"}:
        return
    value = record.value
    failed = text_or_none(value.get("failedDecisionId")) if record.intent == "FAILED" else None
    for number, decision in enumerate(cast("list[dict[str, Any]]", value.get("evaluatedDecisions") or []), start=1):
        is_failed = record.intent == "FAILED" and decision.get("decisionId") == failed
        row = {
            "decision_id": decision.get("decisionId"),
            "decision_key": known_key(decision.get("decisionKey")),
            "name": decision.get("decisionName"),
            "version": decision.get("decisionVersion"),
            "type": decision.get("decisionType"),
            "root_decision_key": known_key(value.get("decisionKey")),
            "requirements_key": known_key(value.get("decisionRequirementsKey")),
            "state": "FAILED" if is_failed else "EVALUATED",
            "failure": text_or_none(value.get("evaluationFailureMessage")) if is_failed else None,
            "output": decision.get("decisionOutput"),
            "inputs": json.dumps(decision.get("evaluatedInputs") or []),
            "rules": json.dumps(decision.get("matchedRules") or []),
            "process_instance_key": known_key(value.get("processInstanceKey")),
            "process_definition_key": known_key(value.get("processDefinitionKey")),
            "element_id": text_or_none(value.get("elementId")),
            "element_instance_key": known_key(value.get("elementInstanceKey")),
            "tenant_id": value.get("tenantId"),
            "evaluated_at": record.timestamp,
        }
        yield Put(decision_instances, (record.key, number), row)


DEFINITIONS: Final = Projection(
    "definitions",
    2,
    (processes, element_names, forms, requirements, decisions),
    {"PROCESS": _fold_process, "FORM": _fold_form, "DECISION_REQUIREMENTS": _fold_requirements, "DECISION": _fold_decision},
)
DECISION_INSTANCES: Final = Projection("decisions", 1, (decision_instances,), {"DECISION_EVALUATION": _fold_evaluation})
