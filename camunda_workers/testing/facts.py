"""What the engine's records say is the case: plain data that expectations are checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Value = Mapping[str, Any]


@dataclass(slots=True)
class ElementFact:
    """One element instance.

    Attributes:
        state: ``active``, ``completed`` or ``terminated``.
        begun: the position of the record with which it began; ``ended`` that with which it ended, 0 while it has not.
    """

    key: int
    element_id: str
    kind: str
    instance: int
    scope: int
    state: str
    begun: int
    ended: int = 0


@dataclass(slots=True)
class InstanceFact:
    """One process instance."""

    key: int
    process_id: str
    definition: int
    version: int
    parent: int
    caller: int
    tags: tuple[str, ...]
    state: str = "active"
    elements: dict[int, ElementFact] = field(default_factory=dict[int, ElementFact])
    completed: list[ElementFact] = field(default_factory=list[ElementFact])
    flows: list[str] = field(default_factory=list[str])

    def active(self) -> list[ElementFact]:
        """Element instances that are active, the longest first."""
        return [one for one in self.elements.values() if one.state == "active"]

    def path(self) -> list[str]:
        """Ids of completed elements, in the order in which they completed."""
        return [one.element_id for one in self.completed]


@dataclass(slots=True)
class JobFact:
    """One job; ``state`` is created, activated, completed, failed, error or canceled."""

    key: int
    value: Value
    state: str
    instance: int

    @property
    def type(self) -> str:
        """The job type."""
        return str(self.value.get("type"))

    @property
    def element_id(self) -> str:
        """The element it belongs to."""
        return str(self.value.get("elementId"))


@dataclass(slots=True)
class TaskFact:
    """One user task; ``state`` is created, completed or canceled (in the making: creating)."""

    key: int
    value: dict[str, Any]
    state: str
    instance: int


@dataclass(slots=True)
class IncidentFact:
    """One incident; ``state`` is active or resolved."""

    key: int
    value: Value
    state: str
    instance: int


@dataclass(slots=True)
class SubscriptionFact:
    """One message subscription of a process instance; ``state`` is waiting, correlated or gone."""

    key: int
    name: str
    correlation_key: str
    element_id: str
    instance: int
    state: str
    correlated: int = 0


@dataclass(slots=True)
class TimerFact:
    """One timer; ``state`` is waiting, triggered or canceled."""

    key: int
    element_id: str
    due: int
    instance: int
    state: str


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """One evaluation of one decision (of those it required as well).

    Attributes:
        output: what it gave; ``rules`` the numbers of the rows that matched, from 1, and ``rule_ids`` their ids.
        failed: why it could not be evaluated; empty when it could.
    """

    decision_id: str
    name: str
    output: Any
    rules: tuple[int, ...]
    rule_ids: tuple[str, ...]
    inputs: Mapping[str, Any]
    instance: int
    element_id: str
    requirements: int
    failed: str = ""


@dataclass(frozen=True, slots=True)
class ProcessFact:
    """A process as it was deployed."""

    key: int
    process_id: str
    version: int
    resource: str
    content: bytes


@dataclass(frozen=True, slots=True)
class RequirementsFact:
    """A DMN file as it was deployed."""

    key: int
    resource: str
    content: bytes
