"""What happened to one case, step by step, told from the log alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from camunda_workers.errors import NotFound
from camunda_workers.events.bpmn import Diagram, read_diagram
from camunda_workers.events.log import EventLog
from camunda_workers.events.projections.definitions import resource_of
from camunda_workers.events.record import Record, known_key


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


@dataclass(frozen=True, slots=True)
class Wait:
    """Something the case waits for now.

    Attributes:
        optional: whether the case can also go on without it (a boundary event, an event sub-process).
        due: when it is due, where that is known.
    """

    actor: Actor
    who: str | None
    element_id: str
    element: str
    what: str
    since: datetime
    due: datetime | None
    optional: bool


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


async def case_story(log: EventLog, business_id: str, *, now: datetime | None = None, agent_job_types: Collection[str] = ()) -> CaseStory:
    """Tell a case.

    Args:
        log: where it is read from; nothing is written.
        business_id: the case.
        now: the moment of telling, for what is still open; default is the later of now and the log's last word on the case.
        agent_job_types: job types that AI tasks do. A job whose result says how sure it is and why (``confidence`` and ``rationale``)
            counts as an agent's in any case.

    Raises:
        NotFound: the log knows no such business id; the text names the nearest.
    """
    from camunda_workers.events.story_steps import Teller

    keys = await log.instances_of(business_id)
    if not keys:
        raise NotFound(await _not_found(log, business_id))
    found = [record async for record in log.records(process_instance_keys=keys)]
    diagrams = await _diagrams(log, found)
    sources = {record.source_position for record in found if record.value_type == "VARIABLE"}
    teller = Teller(keys, diagrams, frozenset(agent_job_types), await log.positions_of("VARIABLE_DOCUMENT", sources))
    for record in found:
        teller.hear(record)
    told_at = max(now or datetime.now(UTC), found[-1].time)
    roots = [one for one in teller.instances() if one.depth == 0]
    states = {one.state for one in roots}
    is_over = "active" not in states
    return CaseStory(
        business_id=business_id,
        state="active" if not is_over else ("completed" if "completed" in states else "terminated"),
        started=min((one.started for one in roots), default=found[0].time),
        ended=max((one.ended for one in roots if one.ended is not None), default=None) if is_over else None,
        told_at=told_at,
        instances=tuple(teller.instances()),
        steps=tuple(teller.steps),
        waits=tuple(teller.waits()),
    )


async def _diagrams(log: EventLog, found: list[Record]) -> dict[int, Diagram]:
    keys = {key for record in found if (key := known_key(record.value.get("processDefinitionKey"))) is not None}
    definitions = await log.process_definitions(keys)
    return {record.key: read_diagram(resource_of(record.value), str(record.value.get("bpmnProcessId"))) for record in definitions}


async def _not_found(log: EventLog, business_id: str) -> str:
    near = await log.business_ids_near(business_id)
    if near:
        return f"there is no case '{business_id}'; did you mean {' or '.join(repr(name) for name in near)}?"
    latest = await log.business_ids(5)
    if latest:
        return f"there is no case '{business_id}'; the latest are {', '.join(repr(name) for name in latest)}"
    return f"there is no case '{business_id}': the event log {log.database.name} holds no cases yet"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment is not None else None
