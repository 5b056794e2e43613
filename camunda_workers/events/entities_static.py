"""What can be searched, in REST v2's names: jobs, and what was deployed and decided."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, and_, cast, func, literal, select
from sqlalchemy import Text as SqlText

from camunda_workers.events.entities import DATE, FLAG, INTEGER, KEY, NOTHING, TEXT
from camunda_workers.events.enumerations import DECISION_INSTANCE_STATES, JOB_KINDS, JOB_STATES, LISTENER_EVENTS
from camunda_workers.events.filters import Field, Kind, Special, flag
from camunda_workers.events.projections.definitions import decision_instances, decisions, processes, requirements
from camunda_workers.events.projections.instances import process_instances
from camunda_workers.events.projections.work import jobs
from camunda_workers.events.search import Entity


def _is_latest(table: Table, identifier: Column[Any]) -> Special:
    other = table.alias()
    same = and_(
        other.c[identifier.name] == identifier, other.c.tenant_id.is_not_distinct_from(table.c.tenant_id), other.c.state == "ACTIVE"
    )
    newest = select(func.max(other.c.version)).where(same).correlate(table).scalar_subquery()

    def condition(asked: Any, path: str) -> ColumnElement[bool]:
        latest = and_(table.c.version == newest, table.c.state == "ACTIVE")
        return latest if flag(asked, path) else literal(True)

    return condition


_i, _j = process_instances.c, jobs.c
JOB: Final = Entity(
    name="job",
    key_field="jobKey",
    source=jobs.outerjoin(process_instances, _i.key == _j.process_instance_key),
    fields={
        "jobKey": Field(_j.key, KEY),
        "type": Field(_j.type, TEXT),
        "kind": Field(_j.kind, TEXT, values=JOB_KINDS),
        "listenerEventType": Field(_j.listener_event_type, TEXT, values=LISTENER_EVENTS),
        "state": Field(_j.state, TEXT, common=True, values=JOB_STATES),
        "worker": Field(_j.worker, TEXT, default=""),
        "retries": Field(_j.retries, INTEGER),
        "priority": Field(NOTHING, INTEGER, default=0),
        "deadline": Field(_j.deadline, DATE),
        "errorCode": Field(_j.error_code, TEXT),
        "errorMessage": Field(_j.error_message, TEXT),
        "hasFailedWithRetriesLeft": Field(and_(_j.state == "FAILED", _j.retries > 0), FLAG),
        "isDenied": Field(_j.is_denied, FLAG),
        "deniedReason": Field(_j.denied_reason, TEXT),
        "customHeaders": Field(_j.headers, Kind.JSON, default={}),
        "elementId": Field(_j.element_id, TEXT),
        "elementInstanceKey": Field(_j.element_instance_key, KEY),
        "processDefinitionId": Field(_j.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(_j.process_definition_key, KEY),
        "processInstanceKey": Field(_j.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "businessId": Field(_i.business_id, TEXT),
        "tenantId": Field(_j.tenant_id, TEXT),
        "creationTime": Field(_j.created_at, DATE),
        "lastUpdateTime": Field(_j.updated_at, DATE),
        "endTime": Field(_j.ended_at, DATE),
    },
)

_d = processes.c
PROCESS_DEFINITION: Final = Entity(
    name="process definition",
    key_field="processDefinitionKey",
    source=processes,
    fields={
        "processDefinitionKey": Field(_d.key, KEY),
        "processDefinitionId": Field(_d.bpmn_process_id, TEXT),
        "name": Field(_d.name, TEXT),
        "resourceName": Field(_d.resource_name, TEXT),
        "version": Field(_d.version, INTEGER),
        "versionTag": Field(_d.version_tag, TEXT),
        "tenantId": Field(_d.tenant_id, TEXT),
        "hasStartForm": Field(_d.start_form_id.is_not(None), FLAG),
        "state": Field(_d.state, TEXT),
    },
    specials={"isLatestVersion": _is_latest(processes, _d.bpmn_process_id)},
)

_c, _r = decisions.c, requirements.c
DECISION_DEFINITION: Final = Entity(
    name="decision definition",
    key_field="decisionDefinitionKey",
    source=decisions.outerjoin(requirements, _r.key == _c.requirements_key),
    fields={
        "decisionDefinitionKey": Field(_c.key, KEY),
        "decisionDefinitionId": Field(_c.decision_id, TEXT),
        "name": Field(_c.name, TEXT),
        "version": Field(_c.version, INTEGER),
        "decisionRequirementsId": Field(_c.requirements_id, TEXT),
        "decisionRequirementsKey": Field(_c.requirements_key, KEY),
        "decisionRequirementsName": Field(_r.name, TEXT),
        "decisionRequirementsVersion": Field(_r.version, INTEGER),
        "tenantId": Field(_c.tenant_id, TEXT),
    },
    specials={"isLatestVersion": _is_latest(decisions, _c.decision_id)},
    base=(_c.state == "ACTIVE",),
)

_z = decision_instances.c
DECISION_INSTANCE: Final = Entity(
    name="decision instance",
    key_field="decisionEvaluationInstanceKey",
    source=decision_instances.outerjoin(process_instances, _i.key == _z.process_instance_key),
    fields={
        "decisionEvaluationInstanceKey": Field(cast(_z.evaluation_key, SqlText) + "-" + cast(_z.number, SqlText), TEXT),
        "decisionEvaluationKey": Field(_z.evaluation_key, KEY),
        "state": Field(_z.state, TEXT, values=DECISION_INSTANCE_STATES),
        "evaluationDate": Field(_z.evaluated_at, DATE),
        "evaluationFailure": Field(_z.failure, TEXT),
        "decisionDefinitionId": Field(_z.decision_id, TEXT),
        "decisionDefinitionKey": Field(_z.decision_key, KEY),
        "decisionDefinitionName": Field(_z.name, TEXT),
        "decisionDefinitionVersion": Field(_z.version, INTEGER),
        "decisionDefinitionType": Field(_z.type, TEXT),
        "rootDecisionDefinitionKey": Field(_z.root_decision_key, KEY),
        "decisionRequirementsKey": Field(_z.requirements_key, KEY),
        "result": Field(_z.output, TEXT, default="null"),
        "processInstanceKey": Field(_z.process_instance_key, KEY),
        "processDefinitionKey": Field(_z.process_definition_key, KEY),
        "elementInstanceKey": Field(_z.element_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "businessId": Field(_i.business_id, TEXT),
        "tenantId": Field(_z.tenant_id, TEXT),
        "evaluatedInputs": Field(_z.inputs, Kind.JSON, default=[]),
        "matchedRules": Field(_z.rules, Kind.JSON, default=[]),
    },
    hidden=frozenset({"decisionRequirementsKey", "evaluatedInputs", "matchedRules"}),
)
