"""From a business id to its story."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from camunda_workers.errors import NotFound
from camunda_workers.events.log import FACTS_PARTITION, EventLog
from camunda_workers.events.record import Record
from camunda_workers.events.story import flow, work
from camunda_workers.events.story.facts import fact
from camunda_workers.events.story.model import Actor, CaseStory, Wait
from camunda_workers.events.story.reading import CaseRecords, read_case
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
    read = await read_case(log, business_id, None, TELLERS.keys())
    if not read.keys:
        raise NotFound(await _not_found(log, business_id))
    return await _told(log, read, business_id, now, agent_job_types)


async def instances_story(
    log: EventLog, keys: Collection[int], *, business_id: str = "", now: datetime | None = None, agent_job_types: Collection[str] = ()
) -> CaseStory:
    """Tell process instances by their keys, where there is no business id; arguments as for `case_story`.

    Raises:
        NotFound: the log has no record of any of them.
    """
    read = await read_case(log, business_id, list(keys), TELLERS.keys())
    if not read.records:
        raise NotFound(f"the event log {log.database.name} has no record of the process instances {', '.join(map(str, keys))}")
    return await _told(log, read, business_id, now, agent_job_types)


async def _told(log: EventLog, read: CaseRecords, business_id: str, now: datetime | None, agent_job_types: Collection[str]) -> CaseStory:
    found = read.records
    telling = Telling(read.diagrams, frozenset(agent_job_types), read.from_outside)
    waits = Waits(telling)
    for record in found:
        if record.partition == FACTS_PARTITION:
            fact(telling, record)
        elif record.is_event and (teller := TELLERS.get(record.value_type)) is not None:
            teller(telling, record)
            waits.hear(record)
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
    if wait.actor not in {Actor.SERVICE, Actor.AGENT} or wait.who is None:
        return wait
    asked = await log.last_asked_for(wait.who, partition=wait.partition)
    if asked is not None and asked > wait.position:
        return wait
    if asked == 0:
        return replace(wait, what=f"{wait.what}, but none has ever asked for such a job: start one, or correct the job type")
    return replace(wait, what=f"{wait.what}, but none has asked for such a job since")


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
