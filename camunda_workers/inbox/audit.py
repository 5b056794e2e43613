"""Who has looked at sensitive cases: written down before the page is shown, read by auditors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from camunda_workers.client import UserTask
from camunda_workers.errors import NotFound
from camunda_workers.inbox.marks import mark_of_case, mark_of_task
from camunda_workers.inbox.site import Reader, Site
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.sensitive import VIEWED
from camunda_workers.tasks.store.tables import facts
from camunda_workers.tasks.store.times import moment

AUDITED: Final = "audit.read"
"""Looking at the list of looks is a look, too."""

PAGE: Final = 100
ONE_LOOK: Final = 10 * 60.0
"""Seconds in which what an open page asks for again is the same look."""

MOST_LOOKED: Final = 1_000

What = Literal["task", "case", "file", "history", "diagram"]


@dataclass(frozen=True, slots=True)
class View:
    """One look."""

    id: int
    at: datetime
    who: str
    what: str
    mark: str
    about: str
    task_key: int | None
    process_instance_key: int | None
    business_id: str | None


async def viewed(
    site: Site,
    reader: Reader,
    what: What,
    mark: str,
    *,
    about: str = "",
    task_key: int | None = None,
    process_instance_key: int | None = None,
    business_id: str | None = None,
) -> None:
    """Write down that somebody looks at a sensitive case. Raises when it cannot be: then nothing is shown."""
    data = {"what": what, "mark": mark, "about": about, "groups": sorted(reader.person.groups)}
    fact = Fact(VIEWED, site.parts.clock.now(), reader.person.user, data, task_key, process_instance_key, business_id)
    await site.parts.tasks.desk.record(fact)
    looked = reader.session.looked
    if len(looked) >= MOST_LOOKED:
        looked.clear()
    now = site.sessions.now()
    looked |= {f"task:{task_key}": now} if task_key is not None else {f"case:{business_id}": now}


async def viewed_on(site: Site, reader: Reader, task: UserTask, what: What, *, about: str = "") -> None:
    """Write down that somebody goes on looking at a sensitive task: once in a while, as an open page asks again whenever anything changes."""
    if _again(site, reader, f"task:{task.key}") and (mark := await mark_of_task(site, task)) is not None:
        where: dict[str, Any] = {"process_instance_key": task.process_instance_key, "business_id": business_of(task)}
        await viewed(site, reader, what, mark, about=about, task_key=task.key, **where)


async def viewed_case_on(site: Site, reader: Reader, business_id: str, instances: Sequence[int], what: What) -> None:
    """The same for a case."""
    if _again(site, reader, f"case:{business_id}") and (mark := await mark_of_case(site, instances)) is not None:
        await viewed(site, reader, what, mark, process_instance_key=min(instances, default=None), business_id=business_id)


def _again(site: Site, reader: Reader, what: str) -> bool:
    """Whether it is some time ago that this person's look at this was written down."""
    at = reader.session.looked.get(what)
    return at is None or site.sessions.now() - at > ONE_LOOK


async def views(
    site: Site, *, who: str = "", case: str = "", before: int | None = None, tenants: frozenset[str] | None = None
) -> Sequence[View]:
    """Looks, the newest first.

    Args:
        site: the inbox.
        who: only this person's.
        case: only at this case.
        before: only older ones than this number.
        tenants: only at cases of these; of any when not given.
    """
    found: list[View] = []
    while True:
        page = await _views(site, who, case, before)
        found += [one for one in page if tenants is None or await _tenant_of(site, one) in tenants]
        if len(found) > PAGE or len(page) <= PAGE:
            return found[: PAGE + 1]
        before = page[-1].id


async def _tenant_of(site: Site, view: View) -> str | None:
    """Whose case was looked at; ``None`` where nobody knows: then it is shown to no tenant."""
    if view.process_instance_key is None:
        return None
    try:
        return str((await (await site.parts.model()).get_process_instance(view.process_instance_key))["tenantId"])
    except NotFound:
        return None


async def _views(site: Site, who: str, case: str, before: int | None) -> list[View]:
    query = select(facts).where(facts.c.kind == VIEWED)
    if who:
        query = query.where(facts.c.actor == who)
    if case:
        query = query.where(facts.c.business_id == case)
    if before is not None:
        query = query.where(facts.c.id < before)
    query = query.order_by(facts.c.id.desc()).limit(PAGE + 1)

    def read(connection: Connection) -> list[Any]:
        return list(connection.execute(query))

    return [
        View(
            row.id,
            moment(row.at),
            row.actor,
            str(row.data.get("what", "")),
            str(row.data.get("mark", "")),
            str(row.data.get("about", "")),
            row.task_key,
            row.process_instance_key,
            row.business_id,
        )
        for row in await site.parts.tasks.store.database.run(read)
    ]
