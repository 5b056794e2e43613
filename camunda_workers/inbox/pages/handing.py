"""Tasks in other hands: assign, delegate and hand back, take over, ask for help. The service decides; here is only what people press."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.inbox.pages.actions import CHANGED, form_of
from camunda_workers.inbox.pages.tasks import show
from camunda_workers.inbox.refusals import said
from camunda_workers.inbox.site import Reader, Site, site_of
from camunda_workers.inbox.users import Person
from camunda_workers.tasks import TaskService
from camunda_workers.tasks.duties.identity import folded

LONGEST_NOTE = 2000


async def delegate(request: Request) -> Response:
    """Ask a colleague to work on a task; it stays the person's."""
    site, form = site_of(request), await form_of(request)
    to, note = user_of(site, site.reader(request).person, str(form.get("to", ""))), str(form.get("note", ""))[:LONGEST_NOTE]
    return await _acted(
        request, "handed.delegated", to, lambda reader, key: _tasks(site).delegate(reader.person.caller, key, to, note=note)
    )


async def resolve(request: Request) -> Response:
    """Hand a delegated task back."""
    site, form = site_of(request), await form_of(request)
    note = str(form.get("note", ""))[:LONGEST_NOTE]
    return await _acted(request, "handed.resolved", "", lambda reader, key: _tasks(site).resolve(reader.person.caller, key, note=note))


async def assign(request: Request) -> Response:
    """Give a task to somebody for good."""
    site, form = site_of(request), await form_of(request)
    to, seen = user_of(site, site.reader(request).person, str(form.get("to", ""))), str(form.get("seen", "")) or None
    return await _acted(request, "handed.assigned", to, lambda reader, key: _tasks(site).assign(reader.person.caller, key, to, seen=seen))


async def take_over(request: Request) -> Response:
    """Take a task of somebody who is away and for whom the person stands in."""
    site = site_of(request)
    return await _acted(request, "handed.taken", "", lambda reader, key: _tasks(site).take_over(reader.person.caller, key))


async def escalate(request: Request) -> Response:
    """Ask for help."""
    site, form = site_of(request), await form_of(request)
    reason = str(form.get("reason", ""))[:LONGEST_NOTE]
    return await _acted(request, "handed.escalated", "", lambda reader, key: _tasks(site).escalate(reader.person.caller, key, reason))


def user_of(site: Site, person: Person, given: str) -> str:
    """The user name that somebody means: as it is, or by a name in full that only one colleague has."""
    text = given.strip().removeprefix("@")
    known = [person, *site.acquainted(person)]
    if any(folded(one.user) == folded(text) for one in known):
        return next(one.user for one in known if folded(one.user) == folded(text))
    found = [one.user for one in known if folded(one.name) == folded(text)]
    return found[0] if len(found) == 1 else text


def _tasks(site: Site) -> TaskService:
    return site.parts.tasks


async def _acted(request: Request, key_of_text: str, to: str, act: Callable[[Reader, int], Awaitable[object]]) -> Response:
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        await act(reader, key)
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return await show(request, key, note=note, status=note.status, headers=CHANGED)
    notice = ("good", reader.say(key_of_text, who=site.parts.users.name_of(to)) if to else reader.say(key_of_text))
    return await show(request, key, notice=notice, headers=CHANGED)
