"""Who is away, and who stands in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.errors import CamundaWorkersError, InvalidArgument
from camunda_workers.inbox.pages.actions import form_of
from camunda_workers.inbox.pages.handing import user_of
from camunda_workers.inbox.refusals import Said, said
from camunda_workers.inbox.site import Reader, is_part, site_of


async def absences(request: Request) -> Response:
    """The page."""
    return await _page(request)


async def enter(request: Request) -> Response:
    """Note an absence: whole days where the person is, the last one included."""
    site, form = site_of(request), await form_of(request)
    reader = site.reader(request)
    given = {name: str(form.get(name, "")).strip() for name in ("person", "substitute", "start", "end", "note", "zone")}
    try:
        person = user_of(site, reader.person, given["person"]) or reader.person.user
        start, end = _day(reader, given["start"], given["zone"]), _day(reader, given["end"], given["zone"], after=True)
        if end <= start:
            raise InvalidArgument(reader.say("absences.backwards"))
        await site.parts.tasks.absent(
            reader.person.caller, person, user_of(site, reader.person, given["substitute"]), start, end, note=given["note"][:500]
        )
    except CamundaWorkersError as error:
        note = await said(site, reader, error)
        return await _page(request, note=note, given=given)
    return await _page(request, notice=("good", reader.say("absences.entered")))


async def end(request: Request) -> Response:
    """Somebody is back early."""
    site = site_of(request)
    reader = site.reader(request)
    try:
        await site.parts.tasks.back(reader.person.caller, int(request.path_params["id"]))
    except CamundaWorkersError as error:
        return await _page(request, note=await said(site, reader, error))
    return await _page(request, notice=("good", reader.say("absences.ended")))


async def _page(
    request: Request, *, note: Said | None = None, notice: tuple[str, str] | None = None, given: dict[str, str] | None = None
) -> Response:
    site = site_of(request)
    reader = site.reader(request)
    values: dict[str, Any] = {
        "absences": await site.parts.tasks.absences(reader.person.caller),
        "colleagues": site.colleagues(reader.person),
        "allowed": site.parts.tasks.desk.section.delegation,
        "supervises": site.supervises(reader.person),
        "longest": site.parts.tasks.desk.section.longest_absence.days,
        "today": reader.now.date(),
        "said": note,
        "notice": notice,
        "given": given or {},
    }
    template = "parts/absences.html" if is_part(request) else "absences.html"
    return site.render(request, template, status=note.status if note else 200, **values)


def _day(reader: Reader, text: str, zone: str, *, after: bool = False) -> datetime:
    """The first moment of a day, or the first one after it."""
    try:
        day = date.fromisoformat(text) + timedelta(days=1 if after else 0)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(reader.say("absences.no-day")) from error
    try:
        where = ZoneInfo(zone) if zone else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        where = UTC
    try:
        return datetime.combine(day, time(), where).astimezone(UTC)
    except OverflowError as error:
        raise InvalidArgument(reader.say("absences.no-day")) from error
