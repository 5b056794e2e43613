"""Whether what somebody is about to see is sensitive, as far as that takes looking things up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from camunda_workers.client import Incident, UserTask
from camunda_workers.inbox.site import Site
from camunda_workers.inbox.views.rows import by_instance
from camunda_workers.tasks.sensitive import mark_of, marks_forms, names_needed


async def variables_of(site: Site, instance: int) -> dict[str, Any]:
    """A process instance's own variables, whole."""
    items = await site.parts.client.search_variables({"scopeKey": instance}, page={"from": 0, "limit": 500}, truncate=False)
    return by_instance(items).get(instance, {})


async def _seen(site: Site, instance: int | None) -> dict[str, Any]:
    """What a process instance says of itself; nothing where no variable makes a case sensitive."""
    return await variables_of(site, instance or 0) if names_needed(site.parts.section) else {}


async def mark_of_task(site: Site, task: UserTask) -> str | None:
    """What makes a task's case sensitive."""
    seen, form_id = await _seen(site, task.process_instance_key), await _form_of(site, task)
    return mark_of(site.parts.section, task.process_definition_id, seen, elements=(task.element_id,), form_id=form_id)


async def mark_of_incident(site: Site, one: Incident) -> str | None:
    """What makes the case of an incident sensitive."""
    section, seen = site.parts.section, await _seen(site, one.process_instance_key)
    mark = mark_of(section, one.process_definition_id, seen, elements=(one.element_id,))
    if mark is None and marks_forms(section) and one.process_instance_key is not None:
        mark = await mark_of_case(site, [one.process_instance_key])
    return mark


async def _form_of(site: Site, task: UserTask) -> str | None:
    """The id of a task's form, where forms are marked at all."""
    if not marks_forms(site.parts.section):
        return None
    form = await site.parts.client.get_user_task_form(task.key)
    return form.form_id if form is not None else None


async def mark_of_case(site: Site, instances: Sequence[int]) -> str | None:
    """What makes a case sensitive: any of its process instances, or of their user tasks."""
    section = site.parts.section
    model = await site.parts.model()
    tasks = await site.parts.client.search_user_tasks(
        {"processInstanceKey": {"$in": sorted(instances)}}, "creation_date", {"from": 0, "limit": 500}
    )
    for key in sorted(instances):
        process = str((await model.get_process_instance(key))["processDefinitionId"])
        seen = await _seen(site, key)
        elements = {task.element_id for task in tasks if task.process_instance_key == key}
        if (mark := mark_of(section, process, seen, elements=sorted(elements))) is not None:
            return mark
    for task in tasks:
        if (mark := mark_of(section, "", {}, form_id=await _form_of(site, task))) is not None:
            return mark
    return None
