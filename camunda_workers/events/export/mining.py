"""From records to what process mining works with: events that happened to cases, tasks, people, agents and documents. A pure fold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from camunda_workers.events.bpmn import read_diagram
from camunda_workers.events.projections.definitions import resource_of
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.record import Record, known_key

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

_USER_TASK: Final = {"CREATED": "created", "ASSIGNED": "assigned", "COMPLETED": "completed", "CANCELED": "withdrawn"}
_JOB: Final = {"COMPLETED": "completed", "FAILED": "failed", "ERROR_THROWN": "ended with an error"}
_INCIDENT: Final = {"CREATED": "incident raised", "RESOLVED": "incident resolved"}
_DOCUMENT: Final = "camunda.document.type"

Value = str | int | float


@dataclass(slots=True)
class Thing:
    """An object of the log: a case, a process instance, a task, an agent, a service, a user, a document."""

    id: str
    type: str
    since: datetime
    attributes: dict[str, Value] = field(default_factory=dict[str, Value])
    related: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])


@dataclass(frozen=True, slots=True)
class Happening:
    """An event: what kind, when, in which case, by whom, and the objects it concerns with the role each has."""

    id: str
    type: str
    time: datetime
    case: str
    who: str | None
    lifecycle: str
    attributes: Mapping[str, Value]
    things: Mapping[str, str]


class Mining:
    """What is known while records are folded. Attributes: ``things`` by id."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._processes: dict[str, str] = {}
        self._case_of: dict[int, str] = {}
        self._process_of: dict[int, str] = {}

    def fold(self, record: Record) -> Happening | None:
        """Take in the next record; the event it is, if it is one."""
        if not record.is_event:
            return None
        value, intent = record.value, record.intent
        match record.value_type:
            case "PROCESS":
                self._learn(record)
            case "PROCESS_INSTANCE" if value.get("bpmnElementType") == "PROCESS":
                return self._instance(record)
            case "USER_TASK" if intent in _USER_TASK:
                return self._user_task(record)
            case "JOB" if intent in _JOB and value.get("jobKind", "BPMN_ELEMENT") == "BPMN_ELEMENT":
                return self._job(record)
            case "INCIDENT" if intent in _INCIDENT:
                return self._happened(record, _INCIDENT[intent], {"errorType": str(value.get("errorType", ""))}, {})
            case "TIMER" if intent == "TRIGGERED" and self._is_known(record):
                return self._happened(record, "timer fired", {}, {})
            case "PROCESS_MESSAGE_SUBSCRIPTION" if intent == "CORRELATED":
                return self._happened(record, "message received", {"message": str(value.get("messageName", ""))}, {})
            case "DECISION_EVALUATION" if intent == "EVALUATED" and self._is_known(record):
                return self._happened(record, "decided", {"decision": str(value.get("decisionName") or value.get("decisionId", ""))}, {})
            case "VARIABLE" if intent in {"CREATED", "UPDATED"} and _DOCUMENT in str(value.get("value", "")):
                return self._documents(record)
            case _:
                pass
        return None

    def _learn(self, record: Record) -> None:
        process_id = str(record.value.get("bpmnProcessId"))
        diagram = read_diagram(resource_of(record.value), process_id)
        self._processes[process_id] = diagram.name or process_id
        for element_id, element in diagram.elements.items():
            self._names[process_id, element_id] = element.name or element_id

    def _is_known(self, record: Record) -> bool:
        return record.process_instance_key in self._case_of

    def _instance(self, record: Record) -> Happening | None:
        verb = {"ELEMENT_ACTIVATED": "started", "ELEMENT_COMPLETED": "ended", "ELEMENT_TERMINATED": "terminated"}.get(record.intent)
        if record.intent == "ELEMENT_ACTIVATING":
            parent = record.parent_process_instance_key
            case = record.business_id or (self._case_of.get(parent) if parent is not None else None) or f"instance-{record.key}"
            self._case_of[record.key] = case
            process_id = str(record.value.get("bpmnProcessId"))
            self._process_of[record.key] = process_id
            self._thing(f"case:{case}", "case", record)
            instance = self._thing(f"process-instance:{record.key}", "process instance", record)
            instance.attributes |= {"process": process_id, "version": int(record.value.get("version") or 0)}
            instance.related[f"case:{case}", "belongs to"] = None
            if parent is not None:
                instance.related[f"process-instance:{parent}", "called by"] = None
            return None
        if verb is None or not self._is_known(record):
            return None
        process_id = str(record.value.get("bpmnProcessId"))
        return self._happened(record, verb, {}, {}, name=self._processes.get(process_id, process_id))

    def _user_task(self, record: Record) -> Happening | None:
        value = record.value
        verb = _USER_TASK[record.intent]
        task = self._thing(f"task:{record.key}", "task", record)
        task.attributes |= {"element": str(value.get("elementId")), "priority": int(value.get("priority") or 0)}
        task.related[f"process-instance:{record.process_instance_key}", "part of"] = None
        user = actor_of(record) or str(value.get("assignee") or "")
        things = {task.id: "task"}
        if user and verb in {"assigned", "completed"}:
            things[self._thing(f"user:{user}", "user", record).id] = "completed by" if verb == "completed" else "assigned to"
        attributes: dict[str, Value] = {}
        if groups := cast("list[str]", value.get("candidateGroupsList") or []):
            attributes["candidateGroups"] = ", ".join(groups)
        return self._happened(record, verb, attributes, things, who=user if verb == "completed" else None)

    def _job(self, record: Record) -> Happening | None:
        value = record.value
        given = cast("Mapping[str, Any]", value.get("variables") or {})
        is_agent = any(isinstance(one, dict) and {"confidence", "rationale"} <= set(cast("dict[str, Any]", one)) for one in given.values())
        kind = "agent" if is_agent else "service"
        worker = self._thing(f"{kind}:{value.get('type')}", kind, record)
        task = self._thing(f"task:{record.key}", "task", record)
        task.attributes |= {"element": str(value.get("elementId")), "jobType": str(value.get("type"))}
        task.related[f"process-instance:{record.process_instance_key}", "part of"] = None
        attributes: dict[str, Value] = {"retries": int(value.get("retries") or 0)}
        if code := value.get("errorCode"):
            attributes["errorCode"] = str(code)
        return self._happened(record, _JOB[record.intent], attributes, {task.id: "task", worker.id: "done by"}, who=str(value.get("type")))

    def _documents(self, record: Record) -> Happening | None:
        try:
            value: Any = json.loads(str(record.value.get("value")))
        except ValueError:
            return None
        things: dict[str, str] = {}
        for one in _documents_in(value):
            document = self._thing(f"document:{one.get('documentId')}", "document", record)
            metadata = cast("Mapping[str, Any]", one.get("metadata") or {})
            document.attributes |= {name: str(metadata[name]) for name in ("fileName", "contentType") if metadata.get(name)}
            things[document.id] = "document"
        name = str(record.value.get("name"))
        return self._happened(record, "documents added", {"variable": name}, things, name=name) if things else None

    def _happened(
        self,
        record: Record,
        verb: str,
        attributes: Mapping[str, Value],
        things: Mapping[str, str],
        *,
        name: str | None = None,
        who: str | None = None,
    ) -> Happening | None:
        instance = record.process_instance_key
        case = self._case_of.get(instance or -1)
        if instance is None or case is None:  # the log begins in the middle of its life
            return None
        element = record.element_id or ""
        process_id = self._process_of[instance]
        title = name or self._names.get((process_id, element), element) or self._processes.get(process_id, process_id)
        about: dict[str, Value] = {"process": process_id}
        if element and name is None:
            about["element"] = element
        return Happening(
            f"event:{record.partition}-{record.position}",
            f"{title}: {verb}",
            record.time,
            case,
            who,
            {"created": "schedule", "assigned": "assign", "completed": "complete", "started": "start"}.get(verb, "complete"),
            about | dict(attributes),
            {f"case:{case}": "case", f"process-instance:{instance}": "process instance", **things},
        )

    def _thing(self, identifier: str, kind: str, record: Record) -> Thing:
        return self.things.setdefault(identifier, Thing(identifier, kind, record.time))


def _documents_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _documents_in(one)
    elif isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        if _DOCUMENT in found and found.get("documentId"):
            yield found
        else:
            for one in found.values():
                yield from _documents_in(one)


async def mine(log: EventLog, process: str | None = None) -> tuple[list[Happening], list[Thing]]:
    """The events of a log and what they are about.

    Args:
        log: which; all of its partitions but our own facts.
        process: only events of this process (its id).
    """
    mining = Mining()
    events: list[Happening] = []
    for partition in sorted(one for one in await log.heads() if one > 0):
        async for record in log.records(partition=partition, value_types=MINED):
            event = mining.fold(record)
            if event is not None and process in (None, event.attributes["process"]):
                events.append(event)
    events.sort(key=lambda one: (one.time, one.id))
    used = {identifier for event in events for identifier in event.things}
    used |= {target for identifier in used for target, _ in mining.things[identifier].related}
    return events, [thing for identifier, thing in mining.things.items() if identifier in used]


MINED: Final = frozenset(
    {
        "PROCESS", "PROCESS_INSTANCE", "USER_TASK", "JOB", "INCIDENT", "TIMER", "PROCESS_MESSAGE_SUBSCRIPTION", "DECISION_EVALUATION", "VARIABLE",
    }
)  # fmt: skip

__all__ = ["Happening", "Mining", "Thing", "known_key", "mine"]
