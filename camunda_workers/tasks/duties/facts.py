"""What a decision about duties is made from, and what comes out. Plain data: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from camunda_workers.tasks.forms.data import MISSING, get

Action: TypeAlias = Literal["assign", "complete"]


@dataclass(frozen=True, slots=True)
class Deed:
    """Somebody completed a task, or approved it as one of several.

    Attributes:
        people: everybody who had a part: the assignee, who made the call, who delegated and who was delegated to. An empty text stands for
            somebody who is not known.
    """

    process_id: str
    element_id: str
    task_key: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """One of several approvals of a task that is still open.

    Attributes:
        agreed: the values that all approvals must have in common, by dotted path.
    """

    process_id: str
    element_id: str
    task_key: int
    person: str
    agreed: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Question:
    """May this person have, or complete, this task?

    Attributes:
        action: ``assign`` when somebody is to get the task, ``complete`` when it is to be completed.
        user: who gets it, or who has it and completes it.
        behalf: for whom, when it was delegated or somebody is absent.
        actor: who makes the call, where that is known (an engine with authentication tells).
        candidate_groups: as the task names them.
        candidate_users: as the task names them.
    """

    action: Action
    user: str
    process_id: str
    element_id: str
    task_key: int
    behalf: tuple[str, ...] = ()
    actor: str | None = None
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when the question is asked.

    Attributes:
        deeds: every completed task of the case.
        votes: approvals of tasks of the case, open ones too.
        variables: what the task sees, with what is being submitted.
        groups: the user's groups; ``None`` where nobody knows them.
        replaced: what variables were before somebody submitted others: no rule is taken out by what comes with the completion itself.
    """

    deeds: tuple[Deed, ...] = ()
    votes: tuple[Vote, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    groups: frozenset[str] | None = None
    replaced: tuple[Mapping[str, Any], ...] = ()

    def values_at(self, path: str) -> list[Any]:
        """A variable by its dotted path: as it would be, and as it was where it is being replaced; ``MISSING`` alone where it is nowhere."""
        parts = tuple(path.split("."))
        were = [value for variables in self.replaced if (value := get(variables, parts)) not in (MISSING, None)]
        return [get(self.variables, parts), *were]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule says.

    Attributes:
        rule: its name in ``[duties]``.
        kind: ``separate``, ``approvals``, ``limits``, ``conflicts``, ``candidates``, ``delegation`` or ``caller``.
        allowed: whether it has nothing against it.
        text: why, for people.
    """

    rule: str
    kind: str
    allowed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What all rules together say.

    Attributes:
        allowed: whether the action may go on.
        reasons: every rule that was asked, in the order of the project file.
        vote: set when nothing is missing but further people's approval: what this attempt counts as.
    """

    allowed: bool
    reasons: tuple[Reason, ...]
    vote: Vote | None = None

    @property
    def denials(self) -> tuple[Reason, ...]:
        """The rules that say no."""
        return tuple(reason for reason in self.reasons if not reason.allowed)

    @property
    def text(self) -> str:
        """Why not, in one line; or that nothing speaks against it."""
        return "; ".join(f"{reason.text} (rule '{reason.rule}')" for reason in self.denials) or "no rule speaks against it"

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON."""
        return {"allowed": self.allowed, "reasons": [asdict(reason) for reason in self.reasons], "countsAsApproval": self.vote is not None}
