"""From a case's records to the steps of its story: a fold, one small method per kind of record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from camunda_workers.events.bpmn import Diagram
from camunda_workers.events.dates import millis_or_none
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.record import Record, known_key
from camunda_workers.events.story import Actor, Instance, Step, Tone, Wait
from camunda_workers.events.story_waits import Waits
from camunda_workers.events.story_words import brief, cut, duration, from_json_text, variables

_ENDS = {"ELEMENT_COMPLETED": "completed", "ELEMENT_TERMINATED": "terminated"}
_LISTENED = {"TIMER", "MESSAGE"}  # catch events that have records of their own
_DENIALS = {"COMPLETION_DENIED": "completion", "ASSIGNMENT_DENIED": "assignment", "UPDATE_DENIED": "change"}


@dataclass(slots=True)
class _Open:
    """When something began, to say how long it took."""

    since: datetime


class Teller:
    """Hears a case's records in order and tells its steps.

    Args:
        keys: the case's process instances, called ones too.
        diagrams: by process definition key.
        agent_job_types: job types that AI tasks do.
        set_from_outside: positions of commands that set variables directly.
    """

    def __init__(self, keys: Sequence[int], diagrams: Mapping[int, Diagram], agent_job_types: Collection[str], set_from_outside: Collection[int]) -> None:
        self.steps: list[Step] = []
        self._instances: dict[int, Instance] = {}
        self._keys = keys
        self._diagrams = diagrams
        self._agents = agent_job_types
        self._outside = set_from_outside
        self._since: dict[int, datetime] = {}
        self._given: dict[int, dict[str, Any]] = {}
        self._answers: set[str] = set()
        self._waits = Waits()
        self._methods: Mapping[str, Callable[[Record], None]] = {
            "PROCESS_INSTANCE": self._process_instance,
            "PROCESS_INSTANCE_CREATION": self._creation,
            "PROCESS_INSTANCE_MODIFICATION": self._by_operator("MODIFIED", "process instance modified"),
            "PROCESS_INSTANCE_MIGRATION": self._by_operator("MIGRATED", "moved to another version of the process"),
            "JOB": self._job,
            "USER_TASK": self._user_task,
            "TIMER": self._timer,
            "PROCESS_MESSAGE_SUBSCRIPTION": self._message,
            "DECISION_EVALUATION": self._decision,
            "INCIDENT": self._incident,
            "ESCALATION": self._escalation,
            "COMPENSATION_SUBSCRIPTION": self._compensation,
            "VARIABLE": self._variable,
        }

    def hear(self, record: Record) -> None:
        """Take in the next record."""
        method = self._methods.get(record.value_type)
        if record.is_event and method is not None:
            method(record)
            self._waits.hear(record)

    def instances(self) -> list[Instance]:
        """The case's process instances, in the order in which they began."""
        return list(self._instances.values())

    def waits(self) -> list[Wait]:
        """What the case waits for."""
        return self._waits.now(self._name)

    def _name(self, record: Record, element_id: str) -> str:
        diagram = self._diagrams.get(record.value.get("processDefinitionKey", -1)) or self._diagrams.get(self._definition(record))
        element = diagram.elements.get(element_id) if diagram is not None else None
        return (element.name if element is not None else None) or element_id

    def _definition(self, record: Record) -> int:
        """The definition key of a record that does not carry it (message subscriptions do not)."""
        return self._definitions.get(record.process_instance_key or -1, -1)

    @property
    def _definitions(self) -> dict[int, int]:
        return self._definition_of

    def _tell(
        self,
        record: Record,
        actor: Actor,
        who: str | None,
        what: str,
        tone: Tone = Tone.PLAIN,
        *details: str,
        element_id: str | None = None,
        took: timedelta | None = None,
    ) -> None:
        identifier = element_id or record.element_id or ""
        key = record.process_instance_key or -1
        instance = self._instances.get(key)
        self.steps.append(
            Step(
                time=record.time,
                actor=actor,
                who=who or None,
                element_id=identifier,
                element=self._name(record, identifier),
                what=what,
                tone=tone,
                details=tuple(detail for detail in details if detail),
                took=took,
                depth=instance.depth if instance is not None else 0,
                process_instance_key=key,
                position=record.position,
            )
        )
