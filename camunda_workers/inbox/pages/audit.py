"""Who has looked at sensitive cases: for auditors."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.errors import NotFound
from camunda_workers.inbox.addresses import number_in
from camunda_workers.inbox.audit import AUDITED, PAGE, views
from camunda_workers.inbox.site import site_of
from camunda_workers.tasks.duties.sink import Fact


async def audit(request: Request) -> Response:
    """The list of looks. Looking at it is written down as well."""
    site, given = site_of(request), request.query_params
    reader = site.reader(request)
    if not site.is_auditor(reader.person):
        raise NotFound("auditors only")
    who, case, before = given.get("who", "").strip()[:200], given.get("case", "").strip()[:200], given.get("before", "")
    found = await views(site, who=who, case=case, before=number_in(before), tenants=reader.person.tenants)
    fact = Fact(AUDITED, site.parts.clock.now(), reader.person.user, {"who": who, "case": case})
    await site.parts.tasks.desk.record(fact)
    more = found[PAGE - 1].id if len(found) > PAGE else None
    return site.render(request, "audit.html", views=found[:PAGE], who=who, case=case, more=more, marks=site.parts.section.sensitive)
