"""Steps of the process itself: begin and end, gateways, timers, messages, errors, compensation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from camunda_workers.events.projections.base import epoch_or_none
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.record import Record
from camunda_workers.events.story.model import Actor, Instance, Tone
from camunda_workers.events.story.telling import Telling
from camunda_workers.events.story.words import duration, variables

_ENDS = {"ELEMENT_COMPLETED": "completed", "ELEMENT_TERMINATED": "terminated"}
_TOLD_ELSEWHERE = {"TIMER", "MESSAGE"}  # such events have records of their own
_CAUGHT = {"ERROR": "error caught", "ESCALATION": "escalation caught", "SIGNAL": "signal arrived", "CONDITIONAL": "condition came true"}
_THROWN = {
    "ERROR": "error thrown",
    "ESCALATION": "escalated",
    "SIGNAL": "signal sent",
    "COMPENSATION": "compensation finished",
    "TERMINATE": "everything else stopped",
}
_DONE_BY_ENGINE = {"SCRIPT_TASK", "MANUAL_TASK", "TASK"}


def process_instance(telling: Telling, record: Record) -> None:
    """Begin, end, and what an element does by itself."""
    kind: str = record.value.get("bpmnElementType", "")
    if kind == "PROCESS":
        _process(telling, record)
    elif kind == "SEQUENCE_FLOW":
        _flow(telling, record)
    elif record.intent == "ELEMENT_ACTIVATING":
        telling.since[record.key] = record.time
        telling.element_of[record.key] = record.element_id or ""
    elif record.intent == "ELEMENT_COMPLETED":
        _completed(telling, record, kind)


def _process(telling: Telling, record: Record) -> None:
    key = record.key
    if record.intent == "ELEMENT_ACTIVATING":
        telling.definition_of[key] = record.value.get("processDefinitionKey", -1)
        parent = telling.instances.get(record.parent_process_instance_key or -1)
        process_id = str(record.value.get("bpmnProcessId"))
        diagram = telling.diagram(record)
        telling.instances[key] = Instance(
            key=key,
            process_id=process_id,
            process=(diagram.name if diagram is not None else None) or process_id,
            version=record.value.get("version", -1),
            state="active",
            started=record.time,
            ended=None,
            depth=parent.depth + 1 if parent is not None else 0,
        )
        if parent is not None:
            caller = telling.element_of.get(record.value.get("parentElementInstanceKey", -1))
            _began(telling, record, f"process '{telling.instances[key].process}' called", element_id=caller)
        elif key in telling.given:
            _began(telling, record, "case opened")
        else:  # its creation comes later in the log: started by a message, a signal or a timer
            _began(telling, record, "process started by an event")
    elif (state := _ENDS.get(record.intent)) is not None and key in telling.instances:
        instance = telling.instances[key] = replace(telling.instances[key], state=state, ended=record.time)
        if state == "terminated":
            called = f"process '{instance.process}' " if instance.depth else ""
            telling.tell(
                record,
                Actor.OPERATOR if not instance.depth else Actor.ENGINE,
                actor_of(record),
                f"{called}cancelled",
                Tone.BAD,
                element_id=record.element_id,
            )


def _began(telling: Telling, record: Record, what: str, *, element_id: str | None = None) -> None:
    given = telling.given.get(record.key)
    if element_id is None or record.parent_process_instance_key is None:
        diagram = telling.diagram(record)
        start = diagram.start_id if diagram is not None else None
        telling.tell(
            record, Actor.ENGINE, actor_of(record), what, Tone.PLAIN, variables(given) if given else "", element_id=element_id or start
        )
        return
    # The call activity is an element of the caller's diagram.
    caller = telling.diagrams.get(telling.definition_of.get(record.parent_process_instance_key, -1))
    element = caller.elements.get(element_id) if caller is not None else None
    telling.tell(record, Actor.ENGINE, None, what, element_id=element_id)
    telling.steps[-1] = replace(telling.steps[-1], element=(element.name if element is not None else None) or element_id)


def _flow(telling: Telling, record: Record) -> None:
    flow = telling.element(record, record.element_id or "")
    gateway = telling.element(record, flow.source or "")
    # A gateway with a name is a question, the flow that was taken its answer.
    if record.intent == "SEQUENCE_FLOW_TAKEN" and gateway.name and gateway.type in {"exclusiveGateway", "inclusiveGateway"}:
        telling.tell(record, Actor.RULES, None, f"answer: {flow.name or record.element_id}", element_id=flow.source)


def _completed(telling: Telling, record: Record, kind: str) -> None:
    event_type: str = record.value.get("bpmnEventType", "UNSPECIFIED")
    if kind == "END_EVENT":
        what = _THROWN.get(event_type)
        tone = Tone.CAREFUL if event_type in {"ERROR", "ESCALATION", "TERMINATE"} else Tone.GOOD
        telling.tell(record, Actor.ENGINE, None, f"reached, {what}" if what else "reached", tone)
    elif kind in {"BOUNDARY_EVENT", "INTERMEDIATE_CATCH_EVENT", "START_EVENT"} and event_type in _CAUGHT:
        telling.tell(record, Actor.ENGINE, None, _CAUGHT[event_type], Tone.CAREFUL)
    elif kind == "INTERMEDIATE_THROW_EVENT" and event_type not in _TOLD_ELSEWHERE:
        telling.tell(record, Actor.ENGINE, None, _THROWN.get(event_type, "reached"))
    elif kind in _DONE_BY_ENGINE:
        telling.tell(record, Actor.ENGINE, None, "done")


def creation(telling: Telling, record: Record) -> None:
    """What a process instance was started with.

    The engine writes this before the instance's first record or after it, depending on how it was started.
    """
    if record.intent != "CREATED" or record.process_instance_key is None:
        return
    given = cast("Mapping[str, Any]", record.value.get("variables") or {})
    telling.given[record.process_instance_key] = given
    for number, step in enumerate(telling.steps):
        if step.process_instance_key == record.process_instance_key and step.what == "process started by an event":
            telling.steps[number] = replace(step, what="case opened", details=(variables(given),) if given else ())
            return


def modification(telling: Telling, record: Record) -> None:
    """An operator moved a process instance's tokens."""
    if record.intent == "MODIFIED":
        telling.tell(record, Actor.OPERATOR, actor_of(record), "process instance modified", Tone.CAREFUL)


def migration(telling: Telling, record: Record) -> None:
    """An operator moved a process instance to another version."""
    if record.intent == "MIGRATED" and record.process_instance_key is not None:
        telling.definition_of[record.process_instance_key] = record.value.get("targetProcessDefinitionKey", -1)
        telling.tell(record, Actor.OPERATOR, actor_of(record), "moved to another version of the process", Tone.CAREFUL)


def timer(telling: Telling, record: Record) -> None:
    """A timer went off."""
    if record.intent == "CREATED":
        telling.since[record.key] = record.time
    elif record.intent == "TRIGGERED" and record.process_instance_key is not None:
        due = epoch_or_none(record.value.get("dueDate"))
        late = record.time - datetime.fromtimestamp(due / 1000, UTC) if due is not None else None
        # An engine that was down fires late; a few seconds are how timers are.
        what = "time is up" if late is None or late.total_seconds() < 60 else f"time is up ({duration(late)} late)"
        boundary = telling.element(record, record.element_id or "").type == "boundaryEvent"
        telling.tell(record, Actor.TIMER, None, what, Tone.CAREFUL if boundary else Tone.PLAIN, took=telling.took(record))


def message(telling: Telling, record: Record) -> None:
    """A message was correlated."""
    if record.intent in {"CREATING", "CREATED"}:
        telling.since.setdefault(record.key, record.time)
    elif record.intent == "CORRELATED":
        given = cast("Mapping[str, Any]", record.value.get("variables") or {})
        name: str = record.value.get("messageName", "")
        telling.tell(record, Actor.MESSAGE, name, "arrived", Tone.PLAIN, variables(given) if given else "", took=telling.took(record))


def escalation(telling: Telling, record: Record) -> None:
    """An escalation was raised that nothing caught (a caught one is told by its event)."""
    if record.intent == "NOT_ESCALATED":
        code: str = record.value.get("escalationCode", "")
        telling.tell(
            record,
            Actor.ENGINE,
            None,
            f"escalation {code} was raised, nothing caught it",
            Tone.CAREFUL,
            element_id=record.value.get("throwElementId"),
        )


def compensation(telling: Telling, record: Record) -> None:
    """Something that was done is being undone."""
    undone: str = record.value.get("compensableActivityId", "")
    if record.intent == "TRIGGERED" and record.value.get("compensationHandlerId"):
        name = telling.name(record, undone)
        telling.tell(record, Actor.ENGINE, None, f"undoes '{name}'", Tone.CAREFUL, element_id=record.value["compensationHandlerId"])
