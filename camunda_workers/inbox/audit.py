"""Who has looked at sensitive cases: written down before the page is shown, read by auditors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from camunda_workers.inbox.site import Reader, Site
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.store.tables import facts
from camunda_workers.tasks.store.times import moment

VIEWED: Final = "case.viewed"
"""The kind of fact that a look at a sensitive case is."""

AUDITED: Final = "audit.read"
"""Looking at the list of looks is a look, too."""

PAGE: Final = 100

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


async def views(site: Site, *, who: str = "", case: str = "", before: int | None = None) -> Sequence[View]:
    """Looks, the newest first.

    Args:
        site: the inbox.
        who: only this person's.
        case: only at this case.
        before: only older ones than this number.
    """
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
