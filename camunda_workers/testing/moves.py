"""What can happen next in a process instance: the moves that an exploration chooses from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from camunda_workers.testing.diagrams import BPMN, parse
from camunda_workers.testing.facts import JobFact, TaskFact
from camunda_workers.testing.handles import Instance, UserTask
from camunda_workers.testing.kit import CamundaTest


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that can happen.

    Attributes:
        text: for the story of a failure.
        values: the kind and name under which values for it are looked up, ``("task", "approve")``; ``None`` when it takes none.
        example: values the diagram itself gives as an example.
        do: makes it happen, with values.
    """

    text: str
    do: Callable[[Mapping[str, Any]], Any]
    values: tuple[str, str] | None = None
    example: Mapping[str, Any] = field(default_factory=dict[str, Any])


def moves(kit: CamundaTest, instance: Instance, served: frozenset[str]) -> list[Move]:
    """Everything that can happen next, in an order that is the same for the same state."""
    family = set(kit.journal.descendants(instance.key))
    found: list[Move] = []
    for job in kit.journal.jobs.values():
        if job.instance in family and job.state in ("created", "activated") and job.type not in served:
            found += _job(kit, job)
    for task in kit.journal.tasks.values():
        if task.instance in family and task.state == "created":
            found.append(_task(kit, task))
    for one in kit.journal.subscriptions.values():
        if one.instance in family and one.state == "waiting":
            publish = _publisher(kit, one.name, one.correlation_key)
            found.append(Move(f"message '{one.name}' arrives for '{one.correlation_key}'", publish, ("message", one.name)))
    for name in sorted(set(kit.journal.signals.values())):
        found.append(Move(f"signal '{name}' is broadcast", _broadcaster(kit, name), ("signal", name)))
    due = [timer.due for timer in kit.journal.timers.values() if timer.instance in family and timer.state == "waiting"]
    if due:
        moment = datetime.fromtimestamp(min(due) / 1000, UTC)
        left = max(moment - kit.now(), timedelta(0)) + timedelta(seconds=1)
        found.append(Move(f"time passes until {moment:%Y-%m-%d %H:%M}", lambda _: kit.advance(left)))
    return found


def _job(kit: CamundaTest, job: JobFact) -> list[Move]:
    where = f"job '{job.type}' at '{job.element_id}'"
    client = kit.client

    async def complete(values: Mapping[str, Any]) -> None:
        await client.complete_job(job.key, values)

    found = [Move(f"{where} completes", complete, ("job", job.type), _example(kit, job))]
    for code in _codes(kit, job):

        async def throw(values: Mapping[str, Any], code: str = code) -> None:
            del values
            await client.throw_error(job.key, code)

        found.append(Move(f"{where} throws {code}", throw))
    return found


def _codes(kit: CamundaTest, job: JobFact) -> list[str]:
    """Error codes that a boundary event of the job's element catches."""
    fact = kit.journal.instances.get(job.instance)
    process = kit.journal.processes.get(fact.definition) if fact is not None else None
    root = parse(process.content) if process is not None else None
    if root is None:
        return []
    by_id = {error.get("id"): error.get("errorCode", "") for error in root.iter(f"{BPMN}error")}
    found = (
        by_id.get(definition.get("errorRef"), "")
        for event in root.iter(f"{BPMN}boundaryEvent")
        if event.get("attachedToRef") == job.element_id
        for definition in event.iter(f"{BPMN}errorEventDefinition")
    )
    return sorted({code for code in found if code and not code.startswith("=")})


def _example(kit: CamundaTest, job: JobFact) -> Mapping[str, Any]:
    diagram = kit.diagram_of(job.instance)
    element = diagram.elements.get(job.element_id) if diagram is not None else None
    try:
        found: Any = json.loads(element.examples) if element is not None and element.examples else {}
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _task(kit: CamundaTest, fact: TaskFact) -> Move:
    task = UserTask(kit, fact.key)

    async def complete(values: Mapping[str, Any]) -> None:
        await task.complete(values)

    return Move(f"user task '{task.element_id}' is completed", complete, ("task", task.element_id))


def _publisher(kit: CamundaTest, name: str, key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: kit.publish(name, key, values)


def _broadcaster(kit: CamundaTest, name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: kit.broadcast(name, values)
