"""Links in notifications: opening one changes nothing (mail scanners open them all), confirming it is the person's own doing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.inbox.refusals import said
from camunda_workers.inbox.site import site_of
from camunda_workers.tasks import LinkRefused
from camunda_workers.tasks.notifications.links import Links


async def look(request: Request) -> Response:
    """The confirmation page."""
    site, token = site_of(request), str(request.path_params["token"])
    reader = site.reader(request)
    try:
        link = await _links(request).look(token, site.parts.clock.now(), caller=reader.person.caller)
        found = await site.parts.tasks.show(reader.person.caller, link.task_key)
    except CamundaWorkersError as error:
        return await _refused(request, error)
    return site.render(request, "link.html", link=link, task=found.task, business_id=found.business_id, token=token)


async def use(request: Request) -> Response:
    """Confirmed: the link is used up, and the same rules hold as everywhere."""
    site, token = site_of(request), str(request.path_params["token"])
    reader = site.reader(request)
    try:
        link = await _links(request).use(token, site.parts.clock.now(), reader.person.caller)
        if link.purpose == "claim":
            await site.parts.tasks.claim(reader.person.caller, link.task_key)
    except CamundaWorkersError as error:
        return await _refused(request, error)
    to = f"/tasks/{link.task_key}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": to})
    return RedirectResponse(to, 303)


def _links(request: Request) -> Links:
    links = site_of(request).parts.links
    if links is None:
        raise NotFound("there are no links here")
    return links


async def _refused(request: Request, error: CamundaWorkersError) -> Response:
    site = site_of(request)
    reader = site.reader(request)
    note = await said(site, reader, error)
    if isinstance(error, LinkRefused):
        note = type(note)(reader.say(f"link.{error.reason}"), 410 if error.reason in ("expired", "used") else 403, "careful")
    return site.render(
        request, "parts/refused.html" if request.headers.get("hx-request") == "true" else "refused.html", status=note.status, said=note
    )
