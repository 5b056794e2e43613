"""What is known while a case is being told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from camunda_workers.events.bpmn import Diagram, DiagramElement
from camunda_workers.events.record import Record
from camunda_workers.events.story.model import Actor, Instance, Step, Tone

NOT_IN_DIAGRAM = DiagramElement(None, "")


class Telling:
    """The story so far, and the names to tell it with.

    Args:
        diagrams: by process definition key.
        agents: job types that AI tasks do.
        set_from_outside: positions of commands that set variables directly.

    Attributes:
        steps: told so far.
        instances: the case's process instances by key, in the order in which they began.
        definition_of: process instance key to process definition key.
        since: when something with this key began.
        given: the variables that a process instance was started with.
        element_of: element instance key to element id.
        wanted_assignee: user task key to who was last to be assigned; a listener may have said no.
    """

    def __init__(self, diagrams: Mapping[int, Diagram], agents: Collection[str], set_from_outside: Collection[int]) -> None:
        self.diagrams = diagrams
        self.agents = agents
        self.set_from_outside = set_from_outside
        self.steps: list[Step] = []
        self.instances: dict[int, Instance] = {}
        self.definition_of: dict[int, int] = {}
        self.since: dict[int, datetime] = {}
        self.given: dict[int, Mapping[str, Any]] = {}
        self.element_of: dict[int, str] = {}
        self.wanted_assignee: dict[int, str] = {}

    def tell(
        self,
        record: Record,
        actor: Actor,
        who: str | None,
        what: str,
        tone: Tone = Tone.PLAIN,
        *details: str,
        element_id: str | None = None,
        took: timedelta | None = None,
        due: datetime | None = None,
    ) -> None:
        """Add a step. It is told of the record's own element unless another is named."""
        identifier = element_id or record.element_id or ""
        key = record.process_instance_key or -1
        instance = self.instances.get(key)
        self.steps.append(
            Step(
                time=record.time,
                actor=actor,
                who=who or None,
                element_id=identifier,
                element=self.name(record, identifier),
                what=what,
                tone=tone,
                details=tuple(detail for detail in details if detail),
                took=took,
                depth=instance.depth if instance is not None else 0,
                process_instance_key=key,
                position=record.position,
                due=due,
            )
        )

    def took(self, record: Record, key: int | None = None) -> timedelta | None:
        """How long ago that with this key (the record's own) began."""
        since = self.since.get(record.key if key is None else key)
        return record.time - since if since is not None else None

    def name(self, record: Record, element_id: str) -> str:
        """What the diagram calls an element; its id where it has no name."""
        return self.element(record, element_id).name or element_id

    def element(self, record: Record, element_id: str) -> DiagramElement:
        """The element as the diagram has it."""
        diagram = self.diagram(record)
        return diagram.elements.get(element_id, NOT_IN_DIAGRAM) if diagram is not None else NOT_IN_DIAGRAM

    def diagram(self, record: Record) -> Diagram | None:
        """The diagram a record belongs to; some records (message subscriptions) name only the process instance."""
        key: int = record.value.get("processDefinitionKey") or -1
        return self.diagrams.get(key) or self.diagrams.get(self.definition_of.get(record.process_instance_key or -1, -1))
