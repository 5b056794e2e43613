"""What nobody does and yet is news: tasks come near their due date, pass it, and lie on somebody's desk in the morning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from camunda_workers.client import Client, UserTask
from camunda_workers.clock import Clock
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.duties.identity import People
from camunda_workers.tasks.notifications.outbox import Channel, Notice, Outbox

SOON: Final = timedelta(hours=4)
"""How long before its due date a task is news."""

EVERY: Final = timedelta(minutes=1)

_PAGE: Final = 500
_log = structlog.get_logger("camunda_workers.notifications")

Ways = Callable[[str], Sequence[Channel]]
"""Over which channels somebody hears of news."""


def ways_of(channels: Sequence[Channel], people: People) -> Ways:
    """The channels that reach somebody: email needs an address."""
    return lambda person: [channel for channel in channels if channel != "email" or people.email_of(person) is not None]


class Rounds:
    """Looks for what is due, overdue, and to be said once a day; what it finds goes into the outbox, where the same news is once.

    Args:
        client: the way to the engine.
        outbox: takes the news.
        clock: the engine's time.
        ways: over which channels somebody hears of it.
        soon: how long before its due date a task is news.
        digest_at: when the daily digest goes out; ``None`` for never.
        zone: in which time zone that is, and which day it is.
    """

    def __init__(
        self,
        client: Client,
        outbox: Outbox,
        clock: Clock,
        ways: Ways,
        *,
        soon: timedelta = SOON,
        digest_at: time | None = None,
        zone: tzinfo = ZoneInfo("UTC"),  # noqa: B008
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._clock = clock
        self._ways = ways
        self._soon = soon
        self._digest_at = digest_at
        self._zone = zone
        self._digested: date | None = None

    async def look(self) -> int:
        """Look once; how much is new."""
        now = self._clock.now()
        wanted: dict[str, object] = {"state": "CREATED", "due_date": {"$lte": now + self._soon}, "assignee": {"$exists": True}}
        new = 0
        async for page in self._pages(wanted):
            for notice in due_notices(page, now, soon=self._soon, ways=self._ways):
                new += await self._outbox.put(notice, now)
        here = now.astimezone(self._zone)
        if self._digest_at is not None and here.time() >= self._digest_at and self._digested != here.date():
            mine = [task async for page in self._pages({"state": "CREATED", "assignee": {"$exists": True}}) for task in page]
            for notice in digests(mine, here, ways=self._ways):
                new += await self._outbox.put(notice, now)
            # Only now: a digest that could not be made is made at the next look.
            self._digested = here.date()
        return new

    async def run(self, every: timedelta = EVERY) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except CamundaWorkersError as error:
                _log.warning("notices.rounds", problem=str(error))
            await asyncio.sleep(every.total_seconds())

    async def _pages(self, wanted: Mapping[str, object]) -> AsyncIterator[Sequence[UserTask]]:
        page: Mapping[str, object] = {"limit": _PAGE}
        while True:
            found = await self._client.search_user_tasks(wanted, "creation_date", page)
            yield found
            if len(found) < _PAGE or found.end_cursor is None:
                return
            page = {"limit": _PAGE, "after": found.end_cursor}


def _by_email(_person: str) -> Sequence[Channel]:
    return ("email",)


def due_notices(tasks: Iterable[UserTask], now: datetime, *, soon: timedelta = SOON, ways: Ways = _by_email) -> list[Notice]:
    """What is news about due dates; pure. The same due date is news twice: when it comes near, and when it has passed.

    Args:
        tasks: open tasks; those without an assignee or a due date are nobody's news.
        now: the time.
        soon: how long before is near.
        ways: over which channels somebody hears of it.
    """
    news: list[Notice] = []
    for task in tasks:
        if task.assignee is None or task.due_date is None or task.due_date > now + soon:
            continue
        kind = "overdue" if task.due_date <= now else "due"
        data: dict[str, Any] = {
            "task": task.name or task.element_id,
            "case": business_of(task),
            "process": task.process_name or task.process_definition_id,
            "due_at": f"{task.due_date:%Y-%m-%d %H:%M %Z}",
        }
        once = f"{kind}:{task.key}:{task.due_date.isoformat()}"
        news += [Notice(kind, task.key, task.assignee, channel, once, data) for channel in ways(task.assignee)]
    return news


def digests(tasks: Iterable[UserTask], now: datetime, *, ways: Ways = _by_email) -> list[Notice]:
    """One message per person and day: how many tasks are open, due today, overdue; pure. Nothing for whoever has none.

    Args:
        tasks: open tasks.
        now: the time, in the time zone that says which day it is.
        ways: over which channels somebody hears of it.
    """
    by_person: dict[str, list[UserTask]] = {}
    for task in tasks:
        if task.assignee is not None:
            by_person.setdefault(task.assignee, []).append(task)
    return [
        Notice("digest", None, person, channel, f"digest:{now:%Y-%m-%d}", {"open": len(mine), **_due_counts(mine, now)})
        for person, mine in sorted(by_person.items())
        for channel in ways(person)
    ]


def _due_counts(tasks: Sequence[UserTask], now: datetime) -> dict[str, int]:
    dated = [task.due_date for task in tasks if task.due_date is not None]
    overdue = sum(date <= now for date in dated)
    return {"due": sum(date.astimezone(now.tzinfo).date() == now.date() for date in dated if date > now), "overdue": overdue}
