"""The list of tasks, and a task with everything around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from camunda_workers.client import UserTask
from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.inbox.audit import viewed, viewed_on
from camunda_workers.inbox.reading import diagram_of, instances_seen, listed, stand_of, story_of_task
from camunda_workers.inbox.refusals import Said, said
from camunda_workers.inbox.site import Reader, Site, is_part, site_of
from camunda_workers.inbox.views.advice import JUDGED, advice
from camunda_workers.inbox.views.glance import facts, groups
from camunda_workers.inbox.views.look import Look
from camunda_workers.inbox.views.times import due
from camunda_workers.tasks import TaskClosed, TaskPage, TaskTaken
from camunda_workers.tasks.access import OVER
from camunda_workers.tasks.documents import documents_of
from camunda_workers.tasks.sensitive import mark_of

TABS = ("form", "diagram", "history")


async def home(request: Request) -> Response:
    """The address without a path."""
    return RedirectResponse("/tasks", 303)


async def tasks(request: Request) -> Response:
    """The list alone."""
    site = site_of(request)
    reader = site.reader(request)
    found = await listed(site, reader, Look.of(request.query_params))
    notice, reader.session.notice = reader.session.notice, None
    return site.render(request, "tasks.html", listed=found, page=None, notice=notice)


async def rows(request: Request) -> Response:
    """The list as a part, to take the old one's place."""
    site = site_of(request)
    return site.render(request, "parts/list.html", listed=await listed(site, site.reader(request), Look.of(request.query_params)))


async def task(request: Request) -> Response:
    """A task."""
    return await show(request, int(request.path_params["key"]))


async def now(request: Request) -> Response:
    """Where a task's case stands in its diagram."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        await site.parts.tasks.comments(reader.person.caller, key)
        found = await site.parts.client.get_user_task(key)
        await viewed_on(site, reader, found, "diagram")
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return JSONResponse({"text": note.text}, note.status)
    return JSONResponse(await stand_of(site, found.process_instance_key or 0))


async def head(request: Request) -> Response:
    """Who has a task now: asked for when something changed."""
    site, key = site_of(request), int(request.path_params["key"])
    reader = site.reader(request)
    try:
        # Whether the person may see the task is asked first, and cheaply: every open page comes here whenever anything changes.
        await site.parts.tasks.comments(reader.person.caller, key)
        found = await site.parts.client.get_user_task(key)
    except CamundaWorkersError as error:
        note = await said(site, reader, error, key)
        return site.render(request, "parts/changed.html", said=note, key=key, status=note.status)
    if request.query_params.get("was") == stand(found):
        return Response(status_code=204)
    note = await _what_changed(site, reader, found)
    return site.render(request, "parts/changed.html", said=note, key=key)


async def _what_changed(site: Site, reader: Reader, task: UserTask) -> Said:
    key = task.user_task_key
    if task.state in OVER:
        return await said(site, reader, TaskClosed(key, task.state, task.assignee), key)
    if task.assignee is None:
        return Said(reader.say("refused.given-back"), 200, "careful", reload=True)
    if reader.person.caller.is_(task.assignee):
        return Said(reader.say("refused.now-yours"), 200, "careful", reload=True)
    return await said(site, reader, TaskTaken(key, task.assignee), key)


def stand(task: UserTask) -> str:
    """How a task stands, for a page to notice that it changed."""
    return f"{'over' if task.state in OVER else 'open'}:{task.assignee or ''}"


async def show(
    request: Request,
    key: int,
    *,
    note: Said | None = None,
    notice: tuple[str, str] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A task, as a whole page or as its part; with a refusal on top when something was refused."""
    site = site_of(request)
    reader = site.reader(request)
    look = Look.of(request.query_params)
    try:
        page = await _page(site, reader, key, request.query_params.get("tab", "form"))
    except CamundaWorkersError as error:
        page, note = None, note or await said(site, reader, error, key)
        status = note.status
    values: dict[str, Any] = {"page": page, "said": note, "look": look, "notice": notice}
    if is_part(request):
        return site.render(request, "parts/task.html", status=status, headers=headers, **values)
    reader.session.notice, values["notice"] = None, notice or reader.session.notice
    return site.render(request, "tasks.html", status=status, headers=headers, listed=await listed(site, reader, look), **values)


async def _page(site: Site, reader: Reader, key: int, tab: str) -> dict[str, Any]:
    caller = reader.person.caller
    found = await site.parts.tasks.show(caller, key)
    ledger = site.parts.tasks.store.ledger
    task, is_mine, is_over = found.task, caller.is_(found.task.assignee), found.task.state in OVER
    tab = tab if tab in TABS else "form"
    form_id = found.form.form_id if found.form is not None else None
    mark = mark_of(site.parts.section, task.process_definition_id, found.variables, elements=(task.element_id,), form_id=form_id)
    if mark is not None:
        where: dict[str, Any] = {"task_key": key, "process_instance_key": task.process_instance_key, "business_id": found.business_id}
        await viewed(site, reader, "task", mark, about=tab, **where)
    out, files = found.delegation, documents_of(found.attachments, found.variables)
    opinion = advice(found.variables, site.parts.section.advice, reader.say, await ledger.facts(key, kind=JUDGED), files)
    values: dict[str, Any] = {
        "sensitive": mark,
        "delegation": out,
        "is_delegate": is_mine and out is not None and out.kind == "DELEGATED" and caller.is_(out.delegate),
        "is_owner": out is not None and out.kind == "DELEGATED" and caller.is_(out.owner),
        "stands_in": not is_mine
        and task.assignee is not None
        and caller.is_(await site.parts.tasks.desk.substitute_for(task.assignee, task.tenant_id)),
        "supervises": site.supervises(reader.person),
        "colleagues": site.colleagues(reader.person),
        "effort": (await site.parts.tasks.efforts()).get((task.process_definition_id, task.element_id)),
        "spare": await site.parts.tasks.slack(task),
        "task": task,
        "found": found,
        "tab": tab,
        "stand": stand(task),
        "is_mine": is_mine,
        "is_over": is_over,
        "may_claim": task.assignee is None and not is_over,
        "due": due(task.due_date, reader.now, reader.say),
        "facts": facts(site.parts.section.processes.get(task.process_definition_id), found.variables, reader.say),
        "groups": groups({name: value for name, value in found.variables.items() if name != site.parts.section.advice}, reader.say),
        "advice": opinion,
        "files": files,
        "known_cases": [one for one in (opinion.similar if opinion else ()) if await instances_seen(site, reader, one)],
        "reasons": site.parts.section.reasons,
        "form": None,
        "plain": None,
        "diagram": None,
        "story": None,
    }
    if tab == "form" and found.form is not None:
        values["form"] = _form(site, reader, found, read_only=not is_mine or is_over)
    elif tab == "form":
        draft = dict(found.draft.variables) if found.draft is not None and is_mine else {}
        values["plain"] = {name: json.dumps(value, ensure_ascii=False) for name, value in {**found.variables, **draft}.items()}
    elif tab == "diagram":
        try:
            values["diagram"] = await diagram_of(site, task.process_definition_key or 0, task.process_instance_key or 0, task.element_id)
        except NotFound:
            values["diagram"] = None
    else:
        values["story"] = await story_of_task(site, reader, found.business_id, task.process_instance_key)
    return values


def _form(site: Site, reader: Reader, found: TaskPage, *, read_only: bool) -> dict[str, Any]:
    """What the form's island needs."""
    assert found.form is not None
    key = found.task.user_task_key
    draft = found.draft if not read_only else None
    return {
        "schema": found.form.schema,
        "data": merged(found.variables, draft.variables) if draft is not None else dict(found.variables),
        "readOnly": read_only,
        "revision": found.draft.revision if found.draft is not None else 0,
        "draft": f"/tasks/{key}/draft",
        "complete": f"/tasks/{key}/complete",
        "files": f"/tasks/{key}/files",
        "words": {
            "correct": reader.say("form.correct"),
            "reload": reader.say("reload"),
            "says": site.words.part(reader.language, "form-says"),
        },
    }


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with a draft laid over them, object by object."""
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[name] = merged(cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", value))
        else:
            result[name] = value
    return result
