"""What a story about a process is made of: steps that workers, people, messages and the clock do, and what must come of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class CompleteJob:
    """A worker finishes the job of `element`."""

    element: str
    type: str
    variables: Variables = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class FailJob:
    """A worker fails the job of `element`, leaving `retries`; with none left the engine raises an incident."""

    element: str
    type: str
    retries: int
    message: str


@dataclass(frozen=True)
class ThrowError:
    """A worker throws a BPMN error from the job of `element`."""

    element: str
    type: str
    code: str


@dataclass(frozen=True)
class AssignTask:
    """A person takes the user task `element`; the worker of `listener` lets it pass, or denies it with a reason."""

    element: str
    assignee: str
    listener: str | None = None
    denied: str | None = None


@dataclass(frozen=True)
class CompleteTask:
    """A person completes the user task `element`; the worker of `listener` lets it pass, or denies it with a reason."""

    element: str
    variables: Variables
    listener: str | None = None
    denied: str | None = None


@dataclass(frozen=True)
class Publish:
    """A message arrives for the claim; the correlation key is its `claim_id`."""

    name: str
    variables: Variables = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Advance:
    """Time goes by."""

    hours: float


@dataclass(frozen=True)
class ResolveIncident:
    """Operations sees the incident at `element`, gives the job new retries and resolves it."""

    element: str
    retries: int = 1


Step = CompleteJob | FailJob | ThrowError | AssignTask | CompleteTask | Publish | Advance | ResolveIncident


@dataclass(frozen=True)
class Story:
    """One claim from report to end.

    Attributes:
        name: What happens, in a few words.
        variables: What the instance starts with.
        steps: What workers, people, the claimant and the clock do, in order.
        end: The end event that closes the instance.
        flows: Sequence flows that must be taken, in this order, beside any others.
        never: Elements that must not have been activated.
        decision: Fields of the variable `decision` at the end.
    """

    name: str
    variables: Variables
    steps: tuple[Step, ...]
    end: str
    flows: tuple[str, ...]
    never: tuple[str, ...] = ()
    decision: Variables = field(default_factory=dict[str, Any])
