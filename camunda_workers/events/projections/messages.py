"""What process instances wait for: message subscriptions, and the messages that reached them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table

from camunda_workers.events.projections.base import Change, Projection, Put, column, key_column, metadata, text_or_none
from camunda_workers.events.record import Record, known_key

message_subscriptions = Table(
    "message_subscriptions",
    metadata,
    key_column("key"),
    column("bpmn_process_id"),
    column("process_instance_key", BigInteger),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("state"),
    column("message_name"),
    column("correlation_key"),
    column("tenant_id"),
    column("updated_at", BigInteger),
)
Index("message_subscriptions_by_process_instance", message_subscriptions.c.process_instance_key)
Index("message_subscriptions_by_name", message_subscriptions.c.message_name, message_subscriptions.c.correlation_key)

correlated_messages = Table(
    "correlated_messages",
    metadata,
    Column("message_key", BigInteger, primary_key=True, autoincrement=False),
    Column("subscription_key", BigInteger, primary_key=True, autoincrement=False),
    column("message_name"),
    column("correlation_key"),
    column("bpmn_process_id"),
    column("process_definition_key", BigInteger),
    column("process_instance_key", BigInteger),
    column("element_id"),
    column("element_instance_key", BigInteger),
    column("partition_id", Integer),
    column("tenant_id"),
    column("correlated_at", BigInteger),
)
Index("correlated_messages_by_process_instance", correlated_messages.c.process_instance_key)

_STATES: Final = {"CREATED": "CREATED", "CORRELATED": "CORRELATED", "DELETED": "DELETED", "MIGRATED": "MIGRATED"}


def _fold_subscription(record: Record) -> Iterable[Change]:
    state = _STATES.get(record.intent)
    if state is None:
        return
    value = record.value
    row = {
        "bpmn_process_id": value.get("bpmnProcessId"),
        "process_instance_key": known_key(value.get("processInstanceKey")),
        "element_id": value.get("elementId"),
        "element_instance_key": known_key(value.get("elementInstanceKey")),
        "message_name": value.get("messageName"),
        "correlation_key": text_or_none(value.get("correlationKey")),
        "tenant_id": value.get("tenantId"),
    }
    yield Put(message_subscriptions, record.key, row | {"state": state, "updated_at": record.timestamp})
    if state == "CORRELATED":
        yield from _correlated(record, row)


def _fold_start(record: Record) -> Iterable[Change]:
    if record.intent != "CORRELATED":
        return
    value = record.value
    row = {
        "bpmn_process_id": value.get("bpmnProcessId"),
        "process_definition_key": known_key(value.get("processDefinitionKey")),
        "process_instance_key": known_key(value.get("processInstanceKey")),
        "element_id": value.get("startEventId"),
        "element_instance_key": None,
        "message_name": value.get("messageName"),
        "correlation_key": text_or_none(value.get("correlationKey")),
        "tenant_id": value.get("tenantId"),
    }
    yield from _correlated(record, row)


def _correlated(record: Record, row: dict[str, Any]) -> Iterable[Change]:
    message = known_key(record.value.get("messageKey"))
    if message is not None:
        yield Put(correlated_messages, (message, record.key), row | {"partition_id": record.partition, "correlated_at": record.timestamp})


PROJECTION: Final = Projection(
    "message-subscriptions",
    2,
    (message_subscriptions, correlated_messages),
    {"PROCESS_MESSAGE_SUBSCRIPTION": _fold_subscription, "MESSAGE_START_EVENT_SUBSCRIPTION": _fold_start},
)
