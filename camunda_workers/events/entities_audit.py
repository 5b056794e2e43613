"""What can be searched, in REST v2's names: what was done with a user task."""

from __future__ import annotations

from typing import Final

from sqlalchemy import case, literal

from camunda_workers.events.entities import DATE, KEY, NOTHING, TEXT
from camunda_workers.events.filters import Field
from camunda_workers.events.projections.audit import task_operations
from camunda_workers.events.projections.instances import process_instances
from camunda_workers.events.search import Entity

_o, _i = task_operations.c, process_instances.c

AUDIT_LOG: Final = Entity(
    name="audit log entry",
    key_field="auditLogKey",
    source=task_operations.outerjoin(process_instances, _i.key == _o.process_instance_key),
    fields={
        "auditLogKey": Field(_o.position, KEY),
        "entityKey": Field(_o.user_task_key, KEY),
        "entityType": Field(literal("USER_TASK"), TEXT),
        "entityDescription": Field(_o.element_id, TEXT),
        "operationType": Field(_o.operation, TEXT),
        "result": Field(_o.result, TEXT),
        "category": Field(literal("USER_TASKS"), TEXT),
        "timestamp": Field(_o.done_at, DATE, always=True),
        "actorId": Field(_o.actor, TEXT),
        "actorType": Field(case((_o.actor.is_(None), "ANONYMOUS"), else_="USER"), TEXT),
        "agentElementId": Field(NOTHING, TEXT),
        "tenantId": Field(_o.tenant_id, TEXT),
        "processDefinitionId": Field(_o.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(_o.process_definition_key, KEY),
        "processInstanceKey": Field(_o.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "elementInstanceKey": Field(_o.element_instance_key, KEY),
        "userTaskKey": Field(_o.user_task_key, KEY),
        **{
            name: Field(NOTHING, KEY if name.endswith("Key") else TEXT)
            for name in (
                "batchOperationKey",
                "batchOperationType",
                "jobKey",
                "decisionRequirementsId",
                "decisionRequirementsKey",
                "decisionDefinitionId",
                "decisionDefinitionKey",
                "decisionEvaluationKey",
                "deploymentKey",
                "formKey",
                "resourceKey",
                "relatedEntityKey",
                "relatedEntityType",
                "inboundChannelToolName",
                "inboundChannelType",
            )
        },
    },
)
