"""What can be searched, in REST v2's names: message subscriptions, correlated messages, decision requirements."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Text as SqlText
from sqlalchemy import cast, func, literal

from camunda_workers.events.entities import DATE, INTEGER, KEY, NOTHING, TEXT
from camunda_workers.events.filters import Field, Kind
from camunda_workers.events.projections.definitions import processes, requirements
from camunda_workers.events.projections.instances import process_instances
from camunda_workers.events.projections.messages import correlated_messages, message_subscriptions
from camunda_workers.events.search import Entity

_i, _d = process_instances.c, processes.c
_s, _c, _r = message_subscriptions.c, correlated_messages.c, requirements.c

MESSAGE_SUBSCRIPTION: Final = Entity(
    name="message subscription",
    key_field="messageSubscriptionKey",
    source=message_subscriptions.outerjoin(process_instances, _i.key == _s.process_instance_key).outerjoin(
        processes, _d.key == _i.process_definition_key
    ),
    fields={
        "messageSubscriptionKey": Field(_s.key, KEY),
        "processDefinitionId": Field(_s.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(_i.process_definition_key, KEY),
        "processInstanceKey": Field(_s.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "elementId": Field(_s.element_id, TEXT),
        "elementInstanceKey": Field(_s.element_instance_key, KEY),
        "messageSubscriptionState": Field(_s.state, TEXT),
        "lastUpdatedDate": Field(_s.updated_at, DATE),
        "messageName": Field(_s.message_name, TEXT),
        "correlationKey": Field(_s.correlation_key, TEXT),
        "businessId": Field(_i.business_id, TEXT),
        "messageSubscriptionType": Field(literal("PROCESS_EVENT"), TEXT),
        "processDefinitionName": Field(_d.name, TEXT),
        "processDefinitionVersion": Field(_i.version, INTEGER),
        "toolName": Field(NOTHING, TEXT),
        "toolProperties": Field(NOTHING, Kind.JSON, default={}),
        "inboundConnectorType": Field(NOTHING, TEXT),
        "tenantId": Field(_s.tenant_id, TEXT),
    },
)

CORRELATED_SUBSCRIPTION: Final = Entity(
    name="correlated message subscription",
    key_field="id",
    source=correlated_messages.outerjoin(process_instances, _i.key == _c.process_instance_key),
    fields={
        "id": Field(cast(_c.message_key, SqlText) + "-" + cast(_c.subscription_key, SqlText), TEXT),
        "correlationKey": Field(_c.correlation_key, TEXT),
        "correlationTime": Field(_c.correlated_at, DATE),
        "elementId": Field(_c.element_id, TEXT, default=""),
        "elementInstanceKey": Field(_c.element_instance_key, KEY),
        "messageKey": Field(_c.message_key, KEY),
        "messageName": Field(_c.message_name, TEXT),
        "partitionId": Field(_c.partition_id, INTEGER),
        "processDefinitionId": Field(_c.bpmn_process_id, TEXT),
        "processDefinitionKey": Field(func.coalesce(_c.process_definition_key, _i.process_definition_key), KEY),
        "processInstanceKey": Field(_c.process_instance_key, KEY),
        "rootProcessInstanceKey": Field(_i.root_process_instance_key, KEY),
        "businessId": Field(_i.business_id, TEXT),
        "subscriptionKey": Field(_c.subscription_key, KEY),
        "tenantId": Field(_c.tenant_id, TEXT),
    },
    hidden=frozenset({"id"}),
)

DECISION_REQUIREMENTS: Final = Entity(
    name="decision requirements",
    key_field="decisionRequirementsKey",
    source=requirements,
    fields={
        "decisionRequirementsKey": Field(_r.key, KEY),
        "decisionRequirementsId": Field(_r.requirements_id, TEXT),
        "decisionRequirementsName": Field(_r.name, TEXT),
        "version": Field(_r.version, INTEGER),
        "resourceName": Field(_r.resource_name, TEXT),
        "tenantId": Field(_r.tenant_id, TEXT),
    },
    base=(_r.state == "ACTIVE",),
)
