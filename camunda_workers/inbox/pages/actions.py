"""What people do with tasks. Everything goes through the task service; what it refuses is told in a sentence."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.errors import CamundaWorkersError, InvalidArgument, InvalidState
from camunda_workers.inbox.addresses import number_in, parts_of
from camunda_workers.inbox.audit import viewed_on
from camunda_workers.inbox.pages.tasks import show
from camunda_workers.inbox.refusals import Said, said
from camunda_workers.inbox.site import Reader, site_of
from camunda_workers.inbox.views.advice import JUDGED, advice
from camunda_workers.inbox.views.look import Look
from camunda_workers.tasks import FormRejected
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.documents import documents_of
from camunda_workers.tasks.duties.sink import Fact

MOST_AT_ONCE = 100
CHANGED: Mapping[str, str] = {"HX-Trigger": "changed"}


async def claim(request: Request) -> Response:
    """Take a task."""
    tasks, reader, key = site_of(request).parts.tasks, site_of(request).reader(request), _key(request)
    return await _acted(request, reader, key, lambda: tasks.claim(reader.person.caller, key))


async def unclaim(request: Request) -> Response:
    """Give a task back."""
    tasks, reader, key = site_of(request).parts.tasks, site_of(request).reader(request), _key(request)
    return await _acted(request, reader, key, lambda: tasks.unclaim(reader.person.caller, key))


async def _acted(request: Request, reader: Reader, key: int, act: Callable[[], Awaitable[object]]) -> Response:
    try:
        await act()
    except CamundaWorkersError as error:
        note = await said(site_of(request), reader, error, key)
        return await show(request, key, note=note, status=note.status, headers=CHANGED)
    return await show(request, key, headers=CHANGED)


async def claim_several(request: Request) -> Response:
    """Take several tasks; what others were faster with is said, the rest is done."""
    site = site_of(request)
    reader, form = site.reader(request), await form_of(request)
    keys = [key for one in form.getlist("keys") if isinstance(one, str) and (key := number_in(one)) is not None][:MOST_AT_ONCE]
    done, refused = 0, list[str]()
    for key in keys:
        try:
            await site.parts.tasks.claim(reader.person.caller, key)
            done += 1
        except CamundaWorkersError as error:
            note = await said(site, reader, error, key)
            refused.append(" ".join((note.text, *note.details)))
    text = reader.say("bulk.done", n=done)
    if refused:
        text = f"{text} {reader.say('bulk.refused', n=len(refused))} {' '.join(dict.fromkeys(refused))}"
    reader.session.notice = ("careful" if refused else "good", text)
    return Response(status_code=204, headers={"HX-Redirect": f"/tasks{Look(scope='mine').query()}"})


async def keep_filter(request: Request) -> Response:
    """Keep the list's filter under a name."""
    site, form = site_of(request), await form_of(request)
    reader, look = site.reader(request), _look(request)
    try:
        await site.parts.tasks.save_filter(reader.person.caller, str(form.get("name", "")), look.kept)
        reader.session.notice = ("good", reader.say("filters.kept"))
    except CamundaWorkersError as error:
        note = await said(site, reader, error)
        reader.session.notice = ("bad", " ".join((note.text, *note.details)))
    return Response(status_code=204, headers={"HX-Redirect": f"/tasks{look.query()}"})


async def forget_filter(request: Request) -> Response:
    """Forget a filter."""
    site, form = site_of(request), await form_of(request)
    await site.parts.tasks.forget_filter(site.reader(request).person.caller, str(form.get("name", "")))
    return Response(status_code=204, headers={"HX-Redirect": f"/tasks{_look(request).query()}"})


async def complete(request: Request) -> Response:
    """Complete a task with what its form has."""
    site, key = site_of(request), _key(request)
    reader = site.reader(request)
    try:
        body = await _json(request)
        done = await site.parts.tasks.complete(reader.person.caller, key, _object(body, "variables"))
    except CamundaWorkersError as error:
        return await _told(request, reader, key, error)
    text = reader.say("done.completed") if done.state == "completed" else site.plainly(reader.language, done.text)
    reader.session.notice = ("good", text)
    return JSONResponse({"next": f"/tasks{_look(request).query()}", "text": text})


async def complete_plain(request: Request) -> Response:
    """Complete a task that has no form: its variables as JSON, those that were changed."""
    site, key = site_of(request), _key(request)
    reader, form = site.reader(request), await form_of(request)
    try:
        found = await site.parts.tasks.show(reader.person.caller, key)
        done = await site.parts.tasks.complete(reader.person.caller, key, changed_variables(found.variables, form))
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return await show(request, key, note=note, status=note.status)
    reader.session.notice = (
        "good",
        reader.say("done.completed") if done.state == "completed" else site.plainly(reader.language, done.text),
    )
    return Response(status_code=204, headers={"HX-Redirect": f"/tasks{_look(request).query()}"})


def changed_variables(seen: Mapping[str, Any], form: FormData) -> dict[str, Any]:
    """The variables of a form of JSON texts that differ from what was there, and the new one.

    Raises:
        InvalidArgument: a text is no JSON.
    """
    given = {name.removeprefix("value:"): text for name, text in form.items() if name.startswith("value:") and isinstance(text, str)}
    name, value = form.get("new-name"), form.get("new-value")
    if isinstance(name, str) and name.strip() and isinstance(value, str):
        given[name.strip()] = value
    result: dict[str, Any] = {}
    for name, text in given.items():
        try:
            value = json.loads(text)
        except ValueError as error:
            raise InvalidArgument(f"{name}: '{text[:60]}' is no JSON value ({error}); text needs quotation marks") from error
        if name not in seen or seen[name] != value:
            result[name] = value
    return result


async def draft(request: Request) -> Response:
    """Keep what was entered so far."""
    site, key = site_of(request), _key(request)
    reader = site.reader(request)
    try:
        body = await _json(request)
        revision = body.get("revision")
        if not isinstance(revision, int) or isinstance(revision, bool):
            raise InvalidArgument("a draft says which revision it continues")
        number = await site.parts.tasks.save_draft(reader.person.caller, key, _object(body, "variables"), revision=revision)
    except CamundaWorkersError as error:
        return await _told(request, reader, key, error)
    return JSONResponse({"revision": number, "text": reader.say("draft.saved")})


async def comment(request: Request) -> Response:
    """Write a comment."""
    site, key = site_of(request), _key(request)
    reader, form = site.reader(request), await form_of(request)
    note: Said | None = None
    try:
        await site.parts.tasks.comment(reader.person.caller, key, str(form.get("text", "")))
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        if note.status in (403, 404):
            return site.render(request, "parts/changed.html", said=note, key=key, status=note.status)
    comments = await site.parts.tasks.comments(reader.person.caller, key)
    text = str(form.get("text", "")) if note else ""
    return site.render(
        request, "parts/comments.html", comments=comments, key=key, said=note, text=text, status=note.status if note else 200
    )


async def judge(request: Request) -> Response:
    """Accept an agent's recommendation, or override it with a reason: feedback that evaluations read."""
    site, key = site_of(request), _key(request)
    reader, form = site.reader(request), await form_of(request)
    parts, caller = site.parts, reader.person.caller
    note: Said | None = None
    try:
        found = await parts.tasks.show(caller, key)
        if not caller.is_(found.task.assignee):
            raise InvalidState(reader.say("advice.claim-first"))
        verdict, reason = str(form.get("verdict", "")), str(form.get("reason", ""))
        if verdict not in ("accept", "override") or (verdict == "override" and reason not in parts.section.reasons):
            raise InvalidArgument(reader.say("advice.needs-reason"))
        given = found.variables.get(parts.section.advice)
        data: dict[str, Any] = {"verdict": verdict, "note": str(form.get("note", ""))[:2000]}
        if verdict == "override":
            data["reason"] = reason
        if isinstance(given, Mapping):
            about = cast("Mapping[str, Any]", given)
            data |= {name: about.get(name) for name in ("route", "confidence", "strategy", "evidence_id")}
        task = found.task
        await parts.tasks.desk.record(Fact(JUDGED, parts.clock.now(), caller.user, data, key, task.process_instance_key, business_of(task)))
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        if note.status in (403, 404):
            return site.render(request, "parts/changed.html", said=note, key=key, status=note.status)
    found = await parts.tasks.show(caller, key)
    await viewed_on(site, reader, found.task, "task", about="advice")
    shown = advice(
        found.variables,
        parts.section.advice,
        reader.say,
        await parts.tasks.store.ledger.facts(key, kind=JUDGED),
        documents_of(found.attachments, found.variables),
    )
    values: dict[str, Any] = {"advice": shown, "key": key, "said": note, "reasons": parts.section.reasons}
    return site.render(request, "parts/advice.html", is_mine=caller.is_(found.task.assignee), status=note.status if note else 200, **values)


async def _told(request: Request, reader: Reader, key: int, error: CamundaWorkersError) -> Response:
    note = await said(site_of(request), reader, error, key)
    answer: dict[str, Any] = {"text": " ".join((note.text, *note.details)), "reload": note.reload, "outdated": note.status == 409}
    if isinstance(error, FormRejected):
        # A name that somebody made up may be no text that can be sent.
        found = error.in_language(reader.language)
        answer["problems"] = {path.encode(errors="replace").decode(): messages for path, messages in found.items()}
    return JSONResponse(answer, note.status)


def _key(request: Request) -> int:
    return int(request.path_params["key"])


def _look(request: Request) -> Look:
    """Where the page was that sent this: people go on with their list as it was."""
    page = parts_of(request.headers.get("hx-current-url") or request.headers.get("referer") or "")
    return Look.of(dict(parse_qsl(page.query)))


async def _json(request: Request) -> Mapping[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidArgument(f"this takes JSON, not '{kind or 'nothing'}'")
    try:
        body: object = json.loads(await request.body(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"this is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidArgument("this takes a JSON object")
    return cast("Mapping[str, Any]", body)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise InvalidArgument(f"'{name}' is a JSON object")
    return cast("Mapping[str, Any]", value)


async def form_of(request: Request) -> FormData:
    """The fields of a form that htmx sent."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A body that claims to be something else is not read at all.
    if kind != "application/x-www-form-urlencoded":
        return FormData()
    form = await request.form(max_files=0, max_fields=1000)
    # Nobody types a NUL, and databases stumble over it.
    return FormData([(name, value.replace("\x00", "")) for name, value in form.multi_items() if isinstance(value, str)])
