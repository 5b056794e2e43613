"""What a case's story consists of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Actor(StrEnum):
    """Who did it."""

    PERSON = "person"
    AGENT = "agent"
    SERVICE = "service"
    RULES = "rules"
    TIMER = "timer"
    MESSAGE = "message"
    OPERATOR = "operator"
    ENGINE = "engine"


class Tone(StrEnum):
    """How to take it."""

    PLAIN = "plain"
    GOOD = "good"
    CAREFUL = "careful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    Attributes:
        time: when (UTC).
        actor: what kind of somebody did it; ``who`` is its name, where it has one.
        element: the element's name in the diagram, its id when it has none.
        what: in a few words; ``details`` are further lines.
        took: how long it was worked on or waited for.
        due: when what began here is due.
        depth: 0 in the case's own process, 1 in one that it called, and so on.
        position: where in the log it is.
    """

    time: datetime
    actor: Actor
    who: str | None
    element_id: str
    element: str
    what: str
    tone: Tone
    details: tuple[str, ...]
    took: timedelta | None
    depth: int
    process_instance_key: int
    position: int
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something the case waits for now.

    Attributes:
        optional: whether the case can also go on without it (a boundary event, an event sub-process).
        due: when it is due, where that is known.
        position: where in the log it began, or changed last, in which partition.
    """

    actor: Actor
    who: str | None
    element_id: str
    element: str
    what: str
    since: datetime
    due: datetime | None
    optional: bool
    position: int = 0
    partition: int = 1


@dataclass(frozen=True, slots=True)
class Instance:
    """A process instance of the case."""

    key: int
    process_id: str
    process: str
    version: int
    state: str
    started: datetime
    ended: datetime | None
    depth: int


@dataclass(frozen=True, slots=True)
class CaseStory:
    """Everything that shares one business id."""

    business_id: str
    state: str
    started: datetime
    ended: datetime | None
    told_at: datetime
    instances: tuple[Instance, ...]
    steps: tuple[Step, ...]
    waits: tuple[Wait, ...]

    @property
    def duration(self) -> timedelta:
        """From the beginning to the end, or to the moment of telling."""
        return (self.ended or self.told_at) - self.started

    def to_json(self) -> dict[str, Any]:
        """The story as plain JSON values: moments in ISO 8601 (UTC), durations in seconds, keys as text."""
        return {
            "businessId": self.business_id,
            "state": self.state,
            "started": _iso(self.started),
            "ended": _iso(self.ended),
            "durationSeconds": self.duration.total_seconds(),
            "processInstances": [
                {
                    "processInstanceKey": str(one.key),
                    "processDefinitionId": one.process_id,
                    "processName": one.process,
                    "version": one.version,
                    "state": one.state,
                    "started": _iso(one.started),
                    "ended": _iso(one.ended),
                    "depth": one.depth,
                }
                for one in self.instances
            ],
            "steps": [
                {
                    "time": _iso(step.time),
                    "sinceStartSeconds": (step.time - self.started).total_seconds(),
                    "actor": step.actor.value,
                    "who": step.who,
                    "elementId": step.element_id,
                    "element": step.element,
                    "what": step.what,
                    "tone": step.tone.value,
                    "details": list(step.details),
                    "tookSeconds": step.took.total_seconds() if step.took is not None else None,
                    "due": _iso(step.due),
                    "depth": step.depth,
                    "processInstanceKey": str(step.process_instance_key),
                    "position": step.position,
                }
                for step in self.steps
            ],
            "waitsFor": [
                {
                    "actor": wait.actor.value,
                    "who": wait.who,
                    "elementId": wait.element_id,
                    "element": wait.element,
                    "what": wait.what,
                    "since": _iso(wait.since),
                    "due": _iso(wait.due),
                    "optional": wait.optional,
                }
                for wait in self.waits
            ],
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment is not None else None
