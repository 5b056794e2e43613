"""A case by its business id; and what has gone wrong in cases."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.inbox.reading import diagram_of, story_of, tasks_of_case
from camunda_workers.inbox.refusals import said
from camunda_workers.inbox.site import Reader, Site, site_of
from camunda_workers.inbox.views.glance import facts, groups
from camunda_workers.inbox.views.rows import by_instance, rows
from camunda_workers.tasks.access import OVER
from camunda_workers.tasks.duties.sink import Fact

MOST_INCIDENTS = 100
RETRIES = 3


async def find(request: Request) -> Response:
    """Look for a case, or for tasks with these words."""
    site, q = site_of(request), request.query_params.get("q", "").strip()[:200]
    reader = site.reader(request)
    try:
        await tasks_of_case(site, reader, q)
    except NotFound:
        return RedirectResponse(f"/tasks?scope=all&q={quote(q)}" if q else "/tasks", 303)
    return RedirectResponse(f"/cases/{quote(q, safe='')}", 303)


async def case(request: Request) -> Response:
    """A case: what happened, what it waits for, its tasks and facts."""
    site, business_id = site_of(request), str(request.path_params["business_id"])
    reader = site.reader(request)
    try:
        found = await tasks_of_case(site, reader, business_id)
        story = await story_of(site, business_id, None)
    except NotFound as error:
        return site.render(request, "refused.html", status=404, said=await said(site, reader, error))
    instance = story.instances[0]
    items = await site.parts.client.search_variables({"scopeKey": instance.key}, page={"from": 0, "limit": 500}, truncate=False)
    variables = by_instance(items).get(instance.key, {})
    open_ones = [task for task in found if task.state not in OVER]
    model = await site.parts.model()
    known = await model.get_process_instance(instance.key)
    values: dict[str, Any] = {
        "story": story,
        "tasks": rows(open_ones, {}, {}, reader.person.caller, reader.now, reader.say),
        "facts": facts(site.parts.section.processes.get(instance.process_id), variables, reader.say),
        "groups": groups(variables, reader.say),
        "diagram": await diagram_of(site, int(known["processDefinitionKey"]), instance.key),
    }
    return site.render(request, "case.html", **values)


async def incidents(request: Request) -> Response:
    """What has gone wrong and waits for somebody."""
    site = site_of(request)
    reader = site.reader(request)
    if not site.is_operator(reader.person):
        return site.render(request, "refused.html", status=404, said=await said(site, reader, NotFound("operators only")))
    notice, reader.session.notice = reader.session.notice, None
    return site.render(request, "incidents.html", incidents=await _incidents(site, reader), notice=notice)


async def _incidents(site: Site, reader: Reader) -> list[dict[str, Any]]:
    where: dict[str, object] = {"state": "ACTIVE"}
    if reader.person.tenants is not None:
        where["tenantId"] = {"$in": sorted(reader.person.tenants)}
    found = await site.parts.client.search_incidents(where, "-creationTime", {"from": 0, "limit": MOST_INCIDENTS})
    model = await site.parts.model()
    result: list[dict[str, Any]] = []
    for one in found:
        instance = await model.get_process_instance(one.process_instance_key or 0)
        process = instance.get("processDefinitionName") or one.process_definition_id
        result.append({"incident": one, "business_id": instance.get("businessId"), "process": process})
    return result


async def retry(request: Request) -> Response:
    """Try again what an incident stopped: the job gets new tries, and the incident is resolved."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    parts, say = site.parts, reader.say
    if not site.is_operator(reader.person):
        return site.render(request, "refused.html", status=404, said=await said(site, reader, NotFound("operators only")))
    try:
        found = next((one["incident"] for one in await _incidents(site, reader) if one["incident"].incident_key == key), None)
        if found is None:
            raise NotFound(f"there is no open incident {key}")
        if found.job_key is not None:
            await parts.client.update_job_retries(found.job_key, RETRIES)
        await parts.client.resolve_incident(key)
        data = {"incident": str(key), "job": str(found.job_key or ""), "element": found.element_id}
        await parts.tasks.desk.record(
            Fact("incident.retried", parts.clock.now(), reader.person.user, data, None, found.process_instance_key)
        )
        notice = ("good", say("incidents.retried"))
    except CamundaWorkersError as error:
        note = await said(site, reader, error)
        notice = ("bad", " ".join((note.text, *note.details)))
    return site.render(request, "parts/incidents.html", incidents=await _incidents(site, reader), notice=notice)
