"""A case by its business id; and what has gone wrong in cases."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.inbox.addresses import number_in
from camunda_workers.inbox.audit import viewed, viewed_case_on
from camunda_workers.inbox.marks import mark_of_case, mark_of_incident, variables_of
from camunda_workers.inbox.pages.files import documents_of_case
from camunda_workers.inbox.reading import diagram_of, stand_of, story_of_case, tasks_of_case
from camunda_workers.inbox.refusals import said
from camunda_workers.inbox.site import Reader, Site, site_of
from camunda_workers.inbox.views.glance import facts, groups
from camunda_workers.inbox.views.rows import rows
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
    instances, found = await tasks_of_case(site, reader, business_id)
    story = await story_of_case(site, business_id, instances)
    instance = story.instances[0]
    if (mark := await mark_of_case(site, instances)) is not None:
        await viewed(site, reader, "case", mark, process_instance_key=instance.key, business_id=business_id)
    variables = await variables_of(site, instance.key)
    open_ones = [task for task in found if task.state not in OVER]
    model = await site.parts.model()
    known = await model.get_process_instance(instance.key)
    values: dict[str, Any] = {
        "story": story,
        "tasks": rows(open_ones, {}, {}, reader.person.caller, reader.now, reader.say),
        "facts": facts(site.parts.section.processes.get(instance.process_id), variables, reader.say),
        "groups": groups(variables, reader.say),
        "diagram": await diagram_of(site, int(known["processDefinitionKey"]), instance.key),
        "files": await documents_of_case(site, instances),
        "below": f"/cases/{quote(business_id, safe='')}/files",
        "definition_key": int(known["processDefinitionKey"]),
        "sensitive": mark,
    }
    return site.render(request, "case.html", **values)


async def story(request: Request) -> Response:
    """What happened, again: for a page that is looked at while things happen."""
    site, business_id = site_of(request), str(request.path_params["business_id"])
    reader = site.reader(request)
    instances, _ = await tasks_of_case(site, reader, business_id)
    await viewed_case_on(site, reader, business_id, instances, "history")
    return site.render(request, "parts/story.html", story=await story_of_case(site, business_id, instances))


async def now(request: Request) -> Response:
    """Where a case stands in its diagram."""
    site, business_id = site_of(request), str(request.path_params["business_id"])
    reader = site.reader(request)
    try:
        instances, _ = await tasks_of_case(site, reader, business_id)
    except NotFound:
        return JSONResponse({"text": reader.say("refused.gone")}, 404)
    await viewed_case_on(site, reader, business_id, instances, "diagram")
    return JSONResponse(await stand_of(site, instances[0]))


async def incidents(request: Request) -> Response:
    """What has gone wrong and waits for somebody."""
    site = site_of(request)
    reader = site.reader(request)
    if not site.is_operator(reader.person):
        raise NotFound("operators only")
    notice, reader.session.notice = reader.session.notice, None
    return site.render(request, "incidents.html", incidents=await open_incidents(site, reader), notice=notice, definition=None)


async def open_incidents(site: Site, reader: Reader, *, definition: int | None = None) -> list[dict[str, Any]]:
    """What waits for an operator, the newest first; of one version of a process, or of all."""
    where: dict[str, object] = {"state": "ACTIVE"}
    if definition is not None:
        where["processDefinitionKey"] = str(definition)
    if reader.person.tenants is not None:
        where["tenantId"] = {"$in": sorted(reader.person.tenants)}
    found = await site.parts.client.search_incidents(where, "-creationTime", {"from": 0, "limit": MOST_INCIDENTS})
    model = await site.parts.model()
    result: list[dict[str, Any]] = []
    for one in found:
        instance = await model.get_process_instance(one.process_instance_key or 0)
        process = instance.get("processDefinitionName") or one.process_definition_id
        if await mark_of_incident(site, one) is not None:
            # A message may say anything of the case: it is read where that is written down.
            one = one.model_copy(update={"error_message": reader.say("tasks.protected")})
        result.append({"incident": one, "business_id": instance.get("businessId"), "process": process})
    return result


async def retry(request: Request) -> Response:
    """Try again what an incident stopped: the job gets new tries, and the incident is resolved."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    parts, say = site.parts, reader.say
    if not site.is_operator(reader.person):
        raise NotFound("operators only")
    try:
        found = next((one["incident"] for one in await open_incidents(site, reader) if one["incident"].incident_key == key), None)
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
    asked = request.query_params.get("definition", "")
    definition = number_in(asked)
    shown = await open_incidents(site, reader, definition=definition)
    return site.render(
        request, "parts/incidents.html", incidents=shown, notice=notice, definition=definition, headers={"HX-Trigger": "changed"}
    )
