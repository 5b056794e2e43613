"""How a job ends: a closed union. The executor computes one, the reporter sends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from camunda_workers.errors import JobOutcome

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a task listener changes in its user task before the change takes effect.

    For every attribute ``None`` keeps what is there, and ``""`` or an empty list clears it.

    Attributes:
        assignee: the new assignee.
        due_date: aware, or text in ISO 8601.
        follow_up_date: aware, or text in ISO 8601.
        candidate_users: replaces all candidate users.
        candidate_groups: replaces all candidate groups.
        priority: 0 to 100.

    Raises:
        ValueError: the priority is out of range or a date has no time zone.
    """

    assignee: str | None = None
    due_date: datetime | str | None = None
    follow_up_date: datetime | str | None = None
    candidate_users: Sequence[str] | None = None
    candidate_groups: Sequence[str] | None = None
    priority: int | None = None

    def __post_init__(self) -> None:
        if self.priority is not None and not 0 <= self.priority <= 100:
            raise ValueError(f"a user task's priority is 0 to 100, not {self.priority}")
        for name, date in (("due_date", self.due_date), ("follow_up_date", self.follow_up_date)):
            if isinstance(date, datetime) and date.tzinfo is None:
                raise ValueError(f"{name} has no time zone: the engine could not tell when it is due")


@dataclass(frozen=True, slots=True)
class ActivateElement:
    """An element of an ad-hoc sub-process to start.

    Attributes:
        element_id: its id in the diagram.
        variables: set in its own scope.
    """

    element_id: str
    variables: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class AdHoc:
    """What comes next in an ad-hoc sub-process whose job this is; the engine makes a new job whenever a flow in it has ended.

    ``return AdHoc(activate=["search-policies"])`` starts elements; ``return AdHoc(done=True)`` completes the sub-process.

    Attributes:
        activate: elements to start, by id or with variables.
        done: whether its completion condition is fulfilled.
        cancel_remaining: whether elements that still run are cancelled when it is done.
        variables: set in the sub-process.

    Raises:
        ValueError: it is done and activates something, which exclude each other, or cancels without being done.
    """

    activate: Sequence[ActivateElement | str] = ()
    done: bool = False
    cancel_remaining: bool = False
    variables: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        if self.done and self.activate:
            raise ValueError("an ad-hoc sub-process that is done activates nothing: leave out activate or done")
        if self.cancel_remaining and not self.done:
            raise ValueError("cancel_remaining is for an ad-hoc sub-process that is done: set done=True")


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done.

    Attributes:
        variables: process variables to set.
        result: what a task listener changes in the user task, or what comes next in an ad-hoc sub-process.
    """

    variables: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    result: Corrected | AdHoc | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The job failed for a technical reason.

    Attributes:
        message: for people; the incident's text when no retries are left.
        retries: tries that are left; 0 raises an incident.
        back_off: how long the engine waits before it hands the job out again.
        variables: set in the task's own scope.
        cause: what the function raised, for logs and middleware; not sent.
    """

    message: str
    retries: int = 0
    back_off: timedelta = timedelta(0)
    variables: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    cause: BaseException | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bpmn:
    """A business error that the diagram catches.

    Attributes:
        code: the error code in the diagram.
        message: for people.
        variables: set in the scope of the event that catches the error.
    """

    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Denied:
    """A task listener refuses the assignment, update or completion; the user is told the reason."""

    reason: str


Outcome: TypeAlias = Completed | Failed | Bpmn | Denied
"""How a job ends. Match on it and close the match with ``assert_never``."""


class Deny(JobOutcome):
    """Raised by a task listener to refuse what the user wants to do: ``raise Deny("the assessor cannot approve")``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
