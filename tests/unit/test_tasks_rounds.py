"""What nobody does and yet is news: due, overdue, and the daily digest, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from camunda_workers.client import Client, UserTask
from camunda_workers.client.models import Page
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks import TaskStore
from camunda_workers.tasks.duties import People
from camunda_workers.tasks.notifications.outbox import Outbox
from camunda_workers.tasks.notifications.rounds import Rounds, digests, due_notices, ways_of

pytestmark = pytest.mark.unit
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PEOPLE = People(DutiesSection.model_validate({"people": {"ada": {"email": "ada@office.example"}}}))


def task(key: int, assignee: str | None, due: datetime | None) -> UserTask:
    return UserTask(userTaskKey=key, elementId="assess", assignee=assignee, dueDate=due)  # pyright: ignore[reportCallIssue]


def test_due_and_overdue_are_news_once_each() -> None:
    tasks = [
        task(1, "ada", START + HOUR),
        task(2, "ada", START - HOUR),
        task(3, None, START),
        task(4, "bob", START + 9 * HOUR),
        task(5, "bob", None),
    ]
    assert [(one.kind, one.task_key) for one in due_notices(tasks, START)] == [("due", 1), ("overdue", 2)]
    later = due_notices(tasks, START + 2 * HOUR)
    assert [(one.kind, one.task_key) for one in later] == [("overdue", 1), ("overdue", 2)]
    assert later[1].once == due_notices(tasks, START)[1].once
    (ada, bob) = digests(tasks, START)
    assert (ada.data, bob.data) == ({"open": 2, "due": 1, "overdue": 1}, {"open": 2, "due": 1, "overdue": 0})
    assert ada.once != digests(tasks, START + 24 * HOUR)[0].once


class Clock:
    time = START

    def now(self) -> datetime:
        return self.time


class Tasks:
    """The engine's search, page by page."""

    def __init__(self, tasks: Sequence[UserTask]) -> None:
        self.tasks = tasks

    async def search_user_tasks(self, filter: Mapping[str, Any], sort: str, page: Mapping[str, Any]) -> Page[UserTask]:
        begin = int(page.get("after", 0))
        until = filter.get("due_date", {}).get("$lte")
        found = [one for one in self.tasks if one.assignee and (until is None or (one.due_date is not None and one.due_date <= until))]
        shown = found[begin : begin + page["limit"]]
        return Page(shown, total=len(found), end_cursor=str(begin + len(shown)))


async def test_rounds_tell_of_every_page_and_of_nothing_twice() -> None:
    clock, number = Clock(), 700
    tasks = Tasks([task(key, "ada", START + 5 * HOUR) for key in range(1, number + 1)] + [task(number + 1, "bob", START)])
    async with TaskStore() as store:
        outbox = Outbox(store.database)
        ways = ways_of(("email", "webhook"), PEOPLE)
        rounds = Rounds(cast("Client", tasks), outbox, clock, ways, soon=4 * HOUR, digest_at=time(7), zone=ZoneInfo("America/New_York"))
        assert await rounds.look() == 1 + 3  # to bob by webhook alone, as he has no address; it is seven in New York
        assert await rounds.look() == 0
        clock.time += HOUR
        assert await rounds.look() == 2 * number
        # A restart forgets nothing: what was said is known by the outbox.
        again = Rounds(cast("Client", tasks), outbox, clock, ways, digest_at=time(7), zone=ZoneInfo("America/New_York"))
        assert await again.look() == 0
        clock.time += 18 * HOUR
        assert await again.look() == 2 * number  # overdue by now; it is not yet seven
        clock.time += 5 * HOUR
        assert await again.look() == 3
        kinds = {notice.kind for notice in await outbox.take(clock.now(), limit=10_000)}
        assert kinds == {"due", "overdue", "digest"}
