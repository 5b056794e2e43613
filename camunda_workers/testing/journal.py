"""Follows an engine's records and keeps what they say: the one source of every expectation."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from camunda_workers.events.source import RecordSource
from camunda_workers.testing.facts import (
    DecisionFact,
    ElementFact,
    IncidentFact,
    InstanceFact,
    JobFact,
    ProcessFact,
    RequirementsFact,
    SubscriptionFact,
    TaskFact,
    TimerFact,
    Value,
)

_BATCH = 1000
_JOB_STATES = {
    "CREATED": "created", "COMPLETED": "completed", "FAILED": "failed", "ERROR_THROWN": "error", "CANCELED": "canceled",
    "TIMED_OUT": "created", "RECURRED_AFTER_BACKOFF": "created", "YIELDED": "created",
}  # fmt: skip
_TASK_STATES = {"CREATING": "creating", "CREATED": "created", "COMPLETED": "completed", "CANCELED": "canceled"}
_STORY_NOISE = {"USAGE_METRIC", "IDENTITY_SETUP", "TENANT", "ROLE", "AUTHORIZATION", "MAPPING_RULE", "GROUP", "USER", "CLOCK"}


class Journal:
    """A fold of an engine's records.

    Args:
        source: where they come from.
        also: told every event as well (value type, intent, key, value), in order.
    """

    def __init__(self, source: RecordSource, also: Callable[[str, str, int, Value], None] | None = None) -> None:
        self._source = source
        self._also = also
        self._lock = asyncio.Lock()
        self.position = 0
        self.time = 0
        self.lines: list[str | bytes] = []
        self.instances: dict[int, InstanceFact] = {}
        self.variables: dict[int, dict[str, Any]] = {}
        self.jobs: dict[int, JobFact] = {}
        self.tasks: dict[int, TaskFact] = {}
        self.incidents: dict[int, IncidentFact] = {}
        self.subscriptions: dict[int, SubscriptionFact] = {}
        self.timers: dict[int, TimerFact] = {}
        self.signals: dict[int, str] = {}
        self.decisions: list[DecisionFact] = []
        self.processes: dict[int, ProcessFact] = {}
        self.requirements: dict[int, RequirementsFact] = {}
        self._tellers: Mapping[str, Callable[[str, int, Value], None]] = {
            "PROCESS": self._process,
            "DECISION_REQUIREMENTS": self._decision_requirements,
            "PROCESS_INSTANCE": self._process_instance,
            "PROCESS_INSTANCE_CREATION": self._creation,
            "VARIABLE": self._variable,
            "JOB": self._job,
            "JOB_BATCH": self._job_batch,
            "USER_TASK": self._user_task,
            "INCIDENT": self._incident,
            "PROCESS_MESSAGE_SUBSCRIPTION": self._subscription,
            "TIMER": self._timer,
            "SIGNAL_SUBSCRIPTION": self._signal,
            "DECISION_EVALUATION": self._decision,
        }

    async def catch_up(self) -> bool:
        """Take in what the source has and this has not; whether there was anything."""
        async with self._lock:
            before = self.position
            while lines := await self._source.read(self.position, _BATCH):
                for line in lines:
                    self.take(line)
                if len(lines) < _BATCH:
                    break
            return self.position > before

    async def wait(self, timeout: float) -> bool:
        """Wait for a record that is not taken in yet."""
        return await self._source.wait(self.position, timeout)

    def descendants(self, instance: int) -> list[int]:
        """The process instance and those that it called, and so on, in the order in which they began."""
        found = [instance]
        found += [key for key, one in self.instances.items() if one.parent in found]
        return found

    def latest(self, process_id: str) -> ProcessFact | None:
        """The newest version of a process."""
        versions = [one for one in self.processes.values() if one.process_id == process_id]
        return max(versions, key=lambda one: one.version, default=None)

    def of_instance(self, key: int) -> Iterator[IncidentFact]:
        """Active incidents of a process instance and those it called."""
        keys = set(self.descendants(key))
        return (one for one in self.incidents.values() if one.state == "active" and one.instance in keys)

    def take(self, line: str | bytes) -> None:
        """Take in one record."""
        record = from_json(line)
        self.position = record["position"]
        self.time = max(self.time, record["timestamp"])
        kind: str = record["valueType"]
        if kind not in _STORY_NOISE:
            self.lines.append(line)
        if record["recordType"] != "EVENT":
            return
        if (teller := self._tellers.get(kind)) is not None:
            teller(record["intent"], record["key"], record["value"])
        if self._also is not None:
            self._also(kind, record["intent"], record["key"], record["value"])

    def _process(self, intent: str, key: int, value: Value) -> None:
        if intent == "CREATED":
            self.processes[key] = ProcessFact(key, value["bpmnProcessId"], value["version"], value["resourceName"], _content(value))

    def _decision_requirements(self, intent: str, key: int, value: Value) -> None:
        if intent == "CREATED":
            self.requirements[key] = RequirementsFact(key, value["resourceName"], _content(value))

    def _process_instance(self, intent: str, key: int, value: Value) -> None:
        kind, owner = value["bpmnElementType"], value["processInstanceKey"]
        if kind == "SEQUENCE_FLOW":
            if intent == "SEQUENCE_FLOW_TAKEN" and owner in self.instances:
                self.instances[owner].flows.append(value["elementId"])
            return
        if kind == "PROCESS":
            if intent == "ELEMENT_ACTIVATING":
                self.instances[key] = InstanceFact(
                    key, value["bpmnProcessId"], value["processDefinitionKey"], value["version"], value["parentProcessInstanceKey"],
                    value["parentElementInstanceKey"], tuple(value.get("tags", ())),
                )  # fmt: skip
            elif intent in ("ELEMENT_COMPLETED", "ELEMENT_TERMINATED") and key in self.instances:
                self.instances[key].state = intent.removeprefix("ELEMENT_").lower()
            elif intent == "ELEMENT_MIGRATED" and key in self.instances:
                one = self.instances[key]
                one.process_id, one.definition, one.version = value["bpmnProcessId"], value["processDefinitionKey"], value["version"]
            return
        instance = self.instances.get(owner)
        if instance is None:
            return
        if intent == "ELEMENT_ACTIVATING":
            element = ElementFact(key, value["elementId"], kind, owner, value["flowScopeKey"], "activating", self.position)
            instance.elements[key] = element
        elif (known := instance.elements.get(key)) is None:
            return
        elif intent == "ELEMENT_ACTIVATED":
            known.state = "active"
        elif intent == "ELEMENT_COMPLETED" or (
            intent == "ELEMENT_TERMINATED" and kind == "END_EVENT" and value.get("bpmnEventType") == "ERROR"
        ):
            # The engine ends an error end event by terminating it; who reads the diagram says that it was passed.
            known.state, known.ended = "completed", self.position
            instance.completed.append(known)
        elif intent == "ELEMENT_TERMINATED":
            known.state, known.ended = "terminated", self.position
        elif intent == "ELEMENT_MIGRATED":
            known.element_id = value["elementId"]

    def _creation(self, intent: str, _: int, value: Value) -> None:
        # An instance that is started at chosen elements has its tags only here.
        if intent == "CREATED" and (one := self.instances.get(value["processInstanceKey"])) is not None and not one.tags:
            one.tags = tuple(value.get("tags", ()))

    def _variable(self, intent: str, _: int, value: Value) -> None:
        if intent in ("CREATED", "UPDATED"):
            self.variables.setdefault(value["scopeKey"], {})[value["name"]] = from_json(value["value"])

    def _job(self, intent: str, key: int, value: Value) -> None:
        known = self.jobs.get(key)
        state = _JOB_STATES.get(intent) or (known.state if known else "created")
        if intent == "FAILED" and value.get("retries", 0) > 0:
            state = "created"
        self.jobs[key] = JobFact(key, value, state, value["processInstanceKey"])

    def _job_batch(self, intent: str, _: int, value: Value) -> None:
        if intent == "ACTIVATED":
            for key in value["jobKeys"]:
                if key in self.jobs:
                    self.jobs[key].state = "activated"

    def _user_task(self, intent: str, key: int, value: Value) -> None:
        known = self.tasks.get(key)
        if known is None:
            self.tasks[key] = TaskFact(key, dict(value), _TASK_STATES.get(intent, "creating"), value["processInstanceKey"])
        elif intent in ("CREATED", "ASSIGNED", "UPDATED", "CORRECTED", "COMPLETED", "CANCELED", "MIGRATED"):
            known.value.update(value)
            known.state = _TASK_STATES.get(intent, known.state)

    def _incident(self, intent: str, key: int, value: Value) -> None:
        if intent in ("CREATED", "MIGRATED"):
            self.incidents[key] = IncidentFact(key, value, "active", value["processInstanceKey"])
        elif intent == "RESOLVED" and key in self.incidents:
            self.incidents[key].state = "resolved"

    def _subscription(self, intent: str, key: int, value: Value) -> None:
        if key not in self.subscriptions:
            self.subscriptions[key] = SubscriptionFact(
                key, value["messageName"], value["correlationKey"], value["elementId"], value["processInstanceKey"], "opening"
            )
        one = self.subscriptions[key]
        if intent == "CREATED":
            one.state = "waiting"
        elif intent == "CORRELATED":
            one.correlated += 1
            one.state = "correlated" if value.get("interrupting") else "waiting"
        elif intent == "DELETED" and one.state != "correlated":
            one.state = "gone"

    def _timer(self, intent: str, key: int, value: Value) -> None:
        if intent == "CREATED":
            self.timers[key] = TimerFact(key, value["targetElementId"], value["dueDate"], value["processInstanceKey"], "waiting")
        elif key in self.timers and intent in ("TRIGGERED", "CANCELED"):
            self.timers[key].state = intent.lower()

    def _signal(self, intent: str, key: int, value: Value) -> None:
        if intent == "CREATED" and value.get("catchEventInstanceKey", -1) > 0:
            self.signals[key] = value["signalName"]
        elif intent == "DELETED":
            self.signals.pop(key, None)

    def _decision(self, intent: str, _: int, value: Value) -> None:
        for one in value.get("evaluatedDecisions", ()):
            rules = one.get("matchedRules", ())
            self.decisions.append(
                DecisionFact(
                    decision_id=one["decisionId"],
                    name=one["decisionName"],
                    output=_json(one.get("decisionOutput")),
                    rules=tuple(rule["ruleIndex"] for rule in rules),
                    rule_ids=tuple(rule["ruleId"] for rule in rules),
                    inputs={given["inputName"] or given["inputId"]: _json(given["inputValue"]) for given in one.get("evaluatedInputs", ())},
                    instance=value["processInstanceKey"],
                    element_id=value["elementId"],
                    requirements=value["decisionRequirementsKey"],
                    failed=value.get("evaluationFailureMessage", "")
                    if intent == "FAILED" and one["decisionId"] == value["failedDecisionId"]
                    else "",
                )
            )


def _content(value: Value) -> bytes:
    try:
        return base64.b64decode(value.get("resource") or b"")
    except binascii.Error:
        return b""


def _json(text: Any) -> Any:
    try:
        return from_json(text) if text else None
    except ValueError:
        return text
