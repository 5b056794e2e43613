"""What pages read: lists of tasks, one task with its case, a case, incidents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from camunda_workers.client import UserTask
from camunda_workers.errors import NotFound
from camunda_workers.events.projections.definitions import resource_of
from camunda_workers.events.statistics import flows_taken, instance_elements
from camunda_workers.events.story import CaseStory, case_story
from camunda_workers.events.story.tell import instances_story
from camunda_workers.inbox.site import Reader, Site
from camunda_workers.inbox.views.look import Look
from camunda_workers.inbox.views.rows import TaskRow, rows
from camunda_workers.tasks.looks import ORDERS
from camunda_workers.tasks.sensitive import names_shown
from camunda_workers.tasks.store.attachments import Attachment
from camunda_workers.tasks.store.filters import SavedFilter

COUNTED = 100
"""So many of a case's tasks, or of somebody's, are looked at."""

KINDS_KEPT = 20.0
"""Seconds for which it is not looked again which kinds of tasks there are; those in the list are shown at once."""

MOST_COUNTED = 1000
"""Up to here tasks are counted; more is "999+"."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of tasks.

    Attributes:
        has_more: whether there are further ones.
        elements: what can be filtered by: element id to name.
        counts: how many there are in each scope.
        saved: filters that the person keeps under a name.
    """

    look: Look
    rows: Sequence[TaskRow]
    has_more: bool
    elements: Mapping[str, str]
    counts: Mapping[str, str]
    saved: Sequence[SavedFilter] = ()


async def listed(site: Site, reader: Reader, look: Look) -> Listed:
    """The tasks somebody looks at."""
    tasks, caller, section = site.parts.tasks, reader.person.caller, site.parts.section
    found = await tasks.overview(
        caller,
        look.scope,
        filter=look.filter(reader.now),
        sort=ORDERS[look.sort],
        limit=look.limit,
        count_to=MOST_COUNTED,
        names=names_shown(section.processes),
        words=look.q,
    )
    items, efforts = found.tasks.items, await tasks.efforts()
    shown = rows(
        items, found.variables, section.processes, caller, reader.now, reader.say, section=section, efforts=efforts, forms=found.forms
    )
    counts = {name: _count(number) for name, number in found.counts.items()}
    return Listed(look, shown, found.tasks.cursor is not None, await _kinds(site, reader, items), counts, found.saved)


async def _kinds(site: Site, reader: Reader, found: Sequence[UserTask]) -> Mapping[str, str]:
    """What the list can be filtered by: element id to name."""
    caller = reader.person.caller

    async def first() -> Sequence[tuple[str, str]]:
        page = await site.parts.tasks.page(caller, "all", limit=COUNTED, count_to=0)
        return sorted({(task.element_id, task.name or task.element_id) for task in page.items})

    known = dict(cast("Sequence[tuple[str, str]]", await site.kept.get(("kinds", caller.user), first, fresh=KINDS_KEPT)))
    known |= {task.element_id: task.name or task.element_id for task in found}
    return dict(sorted(known.items(), key=lambda one: one[1]))


def _count(number: int) -> str:
    return str(number) if number < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


async def story_of_task(site: Site, reader: Reader, business_id: str | None, process_instance_key: int | None) -> CaseStory:
    """What happened in a task's case, as far as it is of the reader's tenants."""
    await site.parts.model()
    if not business_id:
        return await instances_story(site.parts.log, [process_instance_key or 0], now=site.parts.clock.now())
    return await story_of_case(site, business_id, await instances_seen(site, reader, business_id))


async def story_of_case(site: Site, business_id: str, seen: Sequence[int]) -> CaseStory:
    """The same for a case, from the process instances of it that the reader may see."""
    now, log = site.parts.clock.now(), site.parts.log
    await site.parts.model()
    if len(seen) == len(await log.instances_of(business_id)):
        return await case_story(log, business_id, now=now)
    # Another tenant has a case of the same name: what stands beside the process instances under that name may be about that one.
    return replace(await instances_story(log, seen, now=now), business_id=business_id)


async def diagram_of(site: Site, definition_key: int, instance_key: int, here: str = "") -> dict[str, Any]:
    """A diagram and what happened in it.

    Raises:
        NotFound: the log does not have the definition.
    """
    definitions = await site.parts.log.process_definitions([definition_key])
    if not definitions:
        raise NotFound(f"the event log has no process definition {definition_key}")
    return {"xml": resource_of(definitions[-1].value).decode("utf-8"), "here": here, **await stand_of(site, instance_key)}


async def stand_of(site: Site, instance_key: int) -> dict[str, Any]:
    """What happened in a diagram so far, without the diagram."""
    model = await site.parts.model()
    states = await model.query(lambda connection: instance_elements(connection, instance_key))
    taken = await model.query(lambda connection: flows_taken(connection, instance_key))
    return {
        "elements": {one["elementId"]: {name: one[name] for name in ("active", "completed", "incidents")} for one in states},
        "flows": sorted({one["elementId"] for one in taken}),
    }


async def files_of_case(site: Site, instances: Iterable[int]) -> list[Attachment]:
    """A case's files, the oldest first."""
    attachments = site.parts.tasks.store.attachments
    found = {one.id: one for key in instances for one in await attachments.of(0, key)}
    return sorted(found.values(), key=lambda one: one.attached_at)


async def instances_seen(site: Site, reader: Reader, business_id: str) -> list[int]:
    """A case's process instances, as far as they are of the reader's tenants: of another tenant's case nobody is told."""
    instances = await site.parts.log.instances_of(business_id)
    tenants = reader.person.tenants
    if tenants is None:
        return instances
    model = await site.parts.model()
    return [key for key in instances if (await model.get_process_instance(key))["tenantId"] in tenants]


async def tasks_of_case(site: Site, reader: Reader, business_id: str) -> tuple[list[int], list[UserTask]]:
    """The process instances and the user tasks of a case, for somebody who has a part in it.

    Raises:
        NotFound: there is no such case, or nobody may know that there is.
    """
    instances = await instances_seen(site, reader, business_id)
    where: dict[str, object] = {"processInstanceKey": {"$in": sorted(instances)}}
    found = list(await site.parts.client.search_user_tasks(where, "creation_date", {"from": 0, "limit": COUNTED})) if instances else []
    person = reader.person
    if not instances or not (site.is_operator(person) or any(_has_part(reader, task) for task in found)):
        raise NotFound(f"there is no case '{business_id}'")
    return instances, found


def _has_part(reader: Reader, task: UserTask) -> bool:
    caller = reader.person.caller
    return (
        caller.is_(task.assignee) or any(map(caller.is_, task.candidate_users)) or bool(reader.person.groups & set(task.candidate_groups))
    )
