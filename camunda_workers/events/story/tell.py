"""From a business id to its story."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from camunda_workers.errors import NotFound
from camunda_workers.events.bpmn import Diagram, read_diagram
from camunda_workers.events.log import FACTS_PARTITION, EventLog
from camunda_workers.events.projections.definitions import resource_of
from camunda_workers.events.record import Record, known_key, partition_of
from camunda_workers.events.story import flow, work
from camunda_workers.events.story.facts import fact
from camunda_workers.events.story.model import Actor, CaseStory, Wait
from camunda_workers.events.story.telling import Telling
from camunda_workers.events.story.waits import Waits

TELLERS: Final[Mapping[str, Callable[[Telling, Record], None]]] = {
    "PROCESS_INSTANCE": flow.process_instance,
    "PROCESS_INSTANCE_CREATION": flow.creation,
    "PROCESS_INSTANCE_MODIFICATION": flow.modification,
    "PROCESS_INSTANCE_MIGRATION": flow.migration,
    "TIMER": flow.timer,
    "PROCESS_MESSAGE_SUBSCRIPTION": flow.message,
    "ESCALATION": flow.escalation,
    "COMPENSATION_SUBSCRIPTION": flow.compensation,
    "JOB": work.job,
    "USER_TASK": work.user_task,
    "DECISION_EVALUATION": work.decision,
    "INCIDENT": work.incident,
    "VARIABLE": work.variable,
}


async def case_story(log: EventLog, business_id: str, *, now: datetime | None = None, agent_job_types: Collection[str] = ()) -> CaseStory:
    """Tell a case.

    Args:
        log: where it is read from; nothing is written.
        business_id: the case.
        now: the moment of telling, for what is still open; never earlier than the log's last word on the case.
        agent_job_types: job types that AI tasks do. A job whose result says how sure it is and why (``confidence`` and ``rationale``)
            counts as an agent's in any case.

    Raises:
        NotFound: the log knows no such business id; the text names the nearest.
    """
    keys = await log.instances_of(business_id)
    if not keys:
        raise NotFound(await _not_found(log, business_id))
    return await instances_story(log, keys, business_id=business_id, now=now, agent_job_types=agent_job_types)


async def instances_story(
    log: EventLog, keys: Collection[int], *, business_id: str = "", now: datetime | None = None, agent_job_types: Collection[str] = ()
) -> CaseStory:
    """Tell process instances by their keys, where there is no business id; arguments as for `case_story`.

    Raises:
        NotFound: the log has no record of any of them.
    """
    found: list[Record] = []
    from_outside: set[int] = set()
    for partition in sorted({partition_of(key) for key in keys}):
        some = [record async for record in log.records(process_instance_keys=keys, partition=partition)]
        sources = {record.source_position for record in some if record.value_type == "VARIABLE"}
        from_outside |= await log.positions_of("VARIABLE_DOCUMENT", sources, partition)
        found += some
    found += await log.facts_of(business_id, keys)
    found.sort(key=lambda record: record.timestamp)  # keeps each partition's own order where moments are the same
    telling = Telling(await _diagrams(log, found), frozenset(agent_job_types), from_outside)
    waits = Waits(telling)
    for record in found:
        if record.partition == FACTS_PARTITION:
            fact(telling, record)
        elif record.is_event and (teller := TELLERS.get(record.value_type)) is not None:
            teller(telling, record)
            waits.hear(record)
    if not telling.instances and not found:
        raise NotFound(f"the event log {log.database.name} has no record of the process instances {', '.join(map(str, keys))}")
    # An engine with a virtual clock can be ahead of ours.
    told_at = max(now or datetime.now(UTC), found[-1].time)
    instances = tuple(telling.instances.values())
    roots = [one for one in instances if one.depth == 0]
    states = {one.state for one in roots}
    is_over = "active" not in states
    return CaseStory(
        business_id=business_id,
        state=("completed" if "completed" in states else "terminated") if is_over else "active",
        started=min((one.started for one in roots), default=found[0].time),
        ended=max((one.ended for one in roots if one.ended is not None), default=None) if is_over else None,
        told_at=told_at,
        instances=instances,
        steps=tuple(telling.steps),
        waits=tuple([await _asked_for(log, wait) for wait in waits.now()]),
    )


async def _asked_for(log: EventLog, wait: Wait) -> Wait:
    """Say of a job that no worker has asked for its type: none is running, or the type is misspelt. One that is busy has asked before."""
    if wait.actor not in {Actor.SERVICE, Actor.AGENT} or wait.who is None or await log.is_asked_for(wait.who, after=wait.position):
        return wait
    if await log.is_asked_for(wait.who):
        return replace(wait, what=f"{wait.what}, but none has asked for such a job since")
    return replace(wait, what=f"{wait.what}, but none has ever asked for such a job: start one, or correct the job type")


async def _diagrams(log: EventLog, found: list[Record]) -> dict[int, Diagram]:
    keys = {key for record in found if (key := known_key(record.value.get("processDefinitionKey"))) is not None}
    definitions = await log.process_definitions(keys)
    return {record.key: read_diagram(resource_of(record.value), str(record.value.get("bpmnProcessId"))) for record in definitions}


async def _not_found(log: EventLog, business_id: str) -> str:
    near = await log.business_ids_near(business_id)
    if near:
        return f"there is no case '{business_id}'; did you mean {_listed(near, ' or ')}?"
    latest = await log.business_ids(5)
    if latest:
        return f"there is no case '{business_id}'; the latest are {_listed(latest, ' and ')}"
    return f"there is no case '{business_id}': the event log {log.database.name} holds no cases yet"


def _listed(names: list[str], last: str) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + last + quoted[-1]
