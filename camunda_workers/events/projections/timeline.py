"""What happened in each case, one row for each thing that a person would call one, of all partitions and our own facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table

from camunda_workers.events.projections.base import Change, Projection, Put, column, metadata, text_or_none
from camunda_workers.events.projections.instances import root_of
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.record import Record, known_key

case_timeline = Table(
    "case_timeline",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    column("happened_at", BigInteger),
    column("kind"),
    column("actor"),
    column("who"),
    column("element_id"),
    column("key", BigInteger),
    column("process_instance_key", BigInteger),
    column("root_process_instance_key", BigInteger),
    column("business_id"),
)
Index("case_timeline_by_instance", case_timeline.c.process_instance_key, case_timeline.c.happened_at)
Index("case_timeline_by_root", case_timeline.c.root_process_instance_key, case_timeline.c.happened_at)
Index("case_timeline_by_case", case_timeline.c.business_id)

_Who = Callable[[Record], str | None]


def _worker(record: Record) -> str | None:
    return text_or_none(record.value.get("worker")) or text_or_none(record.value.get("type"))


def _person(record: Record) -> str | None:
    return actor_of(record) or text_or_none(record.value.get("assignee"))


def _nobody(record: Record) -> str | None:
    return None


_KINDS: Final[Mapping[str, Mapping[str, tuple[str, str, _Who]]]] = {
    "JOB": {
        "COMPLETED": ("JOB_COMPLETED", "service", _worker),
        "FAILED": ("JOB_FAILED", "service", _worker),
        "ERROR_THROWN": ("ERROR_THROWN", "service", _worker),
        "TIMED_OUT": ("JOB_TIMED_OUT", "service", _worker),
        "RETRIES_UPDATED": ("RETRIES_SET", "operator", actor_of),
    },
    "USER_TASK": {
        "CREATED": ("TASK_OPENED", "engine", _nobody),
        "ASSIGNED": ("TASK_ASSIGNED", "person", _person),
        "COMPLETED": ("TASK_COMPLETED", "person", _person),
        "CANCELED": ("TASK_CANCELED", "engine", _nobody),
        "ASSIGNMENT_DENIED": ("ASSIGNMENT_DENIED", "rules", _nobody),
        "UPDATE_DENIED": ("UPDATE_DENIED", "rules", _nobody),
        "COMPLETION_DENIED": ("COMPLETION_DENIED", "rules", _nobody),
    },
    "INCIDENT": {"CREATED": ("INCIDENT_RAISED", "engine", _nobody), "RESOLVED": ("INCIDENT_RESOLVED", "operator", actor_of)},
    "TIMER": {"TRIGGERED": ("TIMER_WENT_OFF", "timer", _nobody)},
    "PROCESS_MESSAGE_SUBSCRIPTION": {
        "CORRELATED": ("MESSAGE_ARRIVED", "message", lambda record: text_or_none(record.value.get("messageName")))
    },
    "DECISION_EVALUATION": {
        "EVALUATED": ("DECISION_MADE", "rules", lambda record: text_or_none(record.value.get("decisionId"))),
        "FAILED": ("DECISION_FAILED", "rules", lambda record: text_or_none(record.value.get("decisionId"))),
    },
    "PROCESS_INSTANCE_MODIFICATION": {"MODIFIED": ("INSTANCE_MODIFIED", "operator", actor_of)},
    "PROCESS_INSTANCE_MIGRATION": {"MIGRATED": ("INSTANCE_MIGRATED", "operator", actor_of)},
}
_PROCESS: Final = {
    "ELEMENT_ACTIVATING": "PROCESS_STARTED",
    "ELEMENT_COMPLETED": "PROCESS_COMPLETED",
    "ELEMENT_TERMINATED": "PROCESS_TERMINATED",
}
_FACTS: Final[Mapping[str, tuple[str, str]]] = {
    "AI_DECISION": ("agent", "strategy"),
    "APPROVAL": ("person", "by"),
    "POLICY_DECISION": ("rules", "policy"),
    "SLA_BREACH": ("timer", "policy"),
}
"""Our own facts that belong in a case's story: who is meant, and the field with the name."""
_LISTENERS: Final = {"TASK_LISTENER", "EXECUTION_LISTENER"}


def _row(record: Record, kind: str, actor: str, who: str | None) -> Put:
    value = record.value
    row: dict[str, Any] = {
        "happened_at": record.timestamp,
        "kind": kind,
        "actor": actor,
        "who": who,
        "element_id": record.element_id,
        "key": known_key(record.key),
        "process_instance_key": record.process_instance_key,
        "root_process_instance_key": root_of(value) or record.process_instance_key,
        "business_id": record.business_id,
    }
    return Put(case_timeline, (record.partition, record.position), row)


def _fold(record: Record) -> Iterable[Change]:
    found = _KINDS[record.value_type].get(record.intent)
    if found is None or (record.value.get("jobKind") in _LISTENERS and record.intent == "COMPLETED"):
        return  # a listener's verdict is the task's
    kind, actor, who = found
    yield _row(record, kind, actor, who(record))


def _fold_instance(record: Record) -> Iterable[Change]:
    if record.value.get("bpmnElementType") == "PROCESS" and (kind := _PROCESS.get(record.intent)) is not None:
        yield _row(record, kind, "engine", actor_of(record))


def _fold_fact(record: Record) -> Iterable[Change]:
    if record.partition == 0:
        actor, name = _FACTS[record.value_type]
        yield _row(record, record.value_type, actor, text_or_none(record.value.get(name)))


PROJECTION: Final = Projection(
    "case-timeline",
    1,
    (case_timeline,),
    {"PROCESS_INSTANCE": _fold_instance, **dict.fromkeys(_KINDS, _fold), **dict.fromkeys(_FACTS, _fold_fact)},
)
