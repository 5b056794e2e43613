"""Lists of tasks out of the log: whose, in which order, how many, page by page; the same as counting by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument
from camunda_workers.events import EventLog
from camunda_workers.events.projections.user_tasks import LONGEST_QUEUE
from camunda_workers.tasks import TaskQueue
from camunda_workers.tasks.audience import Wanted
from camunda_workers.tasks.effort import slack

pytestmark = pytest.mark.unit
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONG = [f"group-with-a-long-name-{number}" for number in range(40)]


class Engine:
    """Writes records of user tasks."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.time = NOW

    def record(self, key: int, intent: str, **value: Any) -> None:
        """One more record."""
        given: dict[str, Any] = {
            "elementId": "assess-claim",
            "bpmnProcessId": "claim",
            "processInstanceKey": key + 500_000,
            "candidateGroupsList": [],
            "candidateUsersList": [],
            "assignee": "",
            "dueDate": "",
            "priority": 50,
            "tenantId": "<default>",
            "creationTimestamp": round(NOW.timestamp() * 1000) + key,
            **value,
        }
        raw: dict[str, Any] = {
            "valueType": "USER_TASK",
            "recordType": "EVENT",
            "intent": intent,
            "key": key,
            "position": len(self.lines) + 1,
            "timestamp": round(self.time.timestamp() * 1000),
            "partitionId": 1,
            "value": given,
        }
        self.lines.append(json.dumps(raw))


async def filled(log: EventLog, engine: Engine) -> TaskQueue:
    """A queue over what the engine wrote."""
    await log.append(engine.lines)
    return TaskQueue(log)


def keys(tasks: Sequence[UserTask]) -> list[int]:
    return [task.key for task in tasks]


async def test_pages_are_the_whole_in_order_and_nothing_else() -> None:
    async with EventLog.open() as log:
        await check_pages(log)


async def check_pages(log: EventLog) -> None:
    """Every page of every list of many tasks, against what Python makes of the tasks one by one."""
    chance, engine = random.Random(7), Engine()
    groups = ("assessors", "approvers", "clerks")
    made: dict[int, dict[str, Any]] = {}
    for key in range(1, 301):
        due = NOW + chance.randrange(-50, 50) * MINUTE if chance.random() < 0.8 else None
        made[key] = {
            "assignee": chance.choice(["", "", "amelia", "ben"]),
            "candidateGroupsList": chance.sample(groups, chance.randrange(3)) if chance.random() < 0.9 else LONG,
            "candidateUsersList": ["amelia"] if chance.random() < 0.1 else [],
            "dueDate": due.isoformat() if due else "",
            "priority": chance.choice([10, 50, 90]),
            "elementId": chance.choice(["assess-claim", "approve-payment"]),
        }
        engine.record(key, "CREATED", **made[key])
        if chance.random() < 0.3:
            engine.record(key, "COMPLETED", **made.pop(key))

    def team(one: dict[str, Any]) -> bool:
        return not one["assignee"] and bool(
            {"assessors", "clerks", LONG[3]} & set(one["candidateGroupsList"]) or "amelia" in one["candidateUsersList"]
        )

    wanted: dict[str, tuple[Wanted, Callable[[dict[str, Any]], object]]] = {
        "mine": (Wanted(assignees=["amelia"]), lambda one: one["assignee"] == "amelia"),
        "team": (Wanted(groups={"assessors", "clerks", LONG[3]}, user="amelia"), team),
        "all": (Wanted(everything=True), lambda _: True),
        "both": (Wanted(["amelia", "ben"], {"approvers"}), lambda one: one["assignee"] or "approvers" in one["candidateGroupsList"]),
        "nobody's": (Wanted(), lambda _: False),
    }
    await log.append(engine.lines)
    takes = {"assess-claim": 30 * MINUTE, "approve-payment": 0 * MINUTE}
    queue = TaskQueue(log, expected=takes)
    late, early = datetime.max.replace(tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
    sorts = (
        *(("slack",), ("due_date", "-priority"), ("-priority", "due_date"), ("-creation_date",), ("creation_date",)),
        *(("element_id", "-due_date"), ("-slack",), ("-due_date", "priority")),
    )
    for name, (whose, fits) in wanted.items():
        expected = {key for key, one in made.items() if fits(one)}
        for sort in sorts:
            read, cursor = list[UserTask](), None
            while True:
                page = await queue.page(whose, sort=sort, limit=17, after=cursor)
                assert page.total == len(expected), name
                read += page.items
                if (cursor := page.cursor) is None:
                    break
            assert len(read) == len(set(keys(read))), (name, sort)
            assert set(keys(read)) == expected, (name, sort)
            orders: dict[str, Callable[[UserTask], Any]] = {
                "slack": lambda task: task.due_date - takes[task.element_id] if task.due_date else late,
                "-slack": lambda task: -(task.due_date - takes[task.element_id] if task.due_date else early).timestamp(),
                "-due_date": lambda task: (-(task.due_date or early).timestamp(), task.priority),
                "creation_date": lambda task: task.key,
                "due_date": lambda task: (task.due_date or late, -task.priority),
                "-priority": lambda task: (-task.priority, task.due_date or late),
                "-creation_date": lambda task: -task.key,
                "element_id": lambda task: (task.element_id, -(task.due_date.timestamp() if task.due_date else -1e12)),
            }
            by = orders[sort[0]]
            assert [by(task) for task in read] == sorted(by(task) for task in read), (name, sort)
        assert await queue.count(whose, Wanted(everything=True)) == [len(expected), len(made)]
    assert len(json.dumps(LONG)) > LONGEST_QUEUE


async def test_tasks_move_between_lists() -> None:
    engine = Engine()
    group = {"candidateGroupsList": ["assessors"]}
    engine.record(1, "CREATED", **group)
    engine.record(2, "CREATED", **group)
    mine, team = Wanted(["amelia"]), Wanted(groups={"assessors"})
    async with EventLog.open() as log:
        queue = await filled(log, engine)
        assert keys((await queue.page(team)).items) == [1, 2]
        engine.record(1, "ASSIGNING", **group, assignee="amelia")
        engine.record(1, "ASSIGNED", **group, assignee="amelia")
        engine.record(2, "UPDATED", candidateGroupsList=["approvers"])
        await log.append(engine.lines)
        assert (keys((await queue.page(mine)).items), keys((await queue.page(team)).items)) == ([1], [])
        assert keys((await queue.page(Wanted(groups={"approvers"}))).items) == [2]
        engine.record(1, "CANCELED", **group, assignee="amelia")
        await log.append(engine.lines)
        assert await queue.count(mine) == [0]
        assert keys((await queue.page(mine, filter={"state": "CANCELED"})).items) == [1]
        assert keys((await queue.page(Wanted(keys=[2, 99]))).items) == [2]


async def test_what_takes_long_comes_before_what_is_due_first() -> None:
    engine = Engine()
    for key, minutes in ((1, 10), (2, 20), (3, 300)):
        engine.record(key, "CREATED", elementId="assess-claim")
        engine.time = NOW - timedelta(days=1)
        engine.record(key, "ASSIGNED", elementId="assess-claim", assignee="ben")
        engine.time += minutes * MINUTE
        engine.record(key, "COMPLETED", elementId="assess-claim", assignee="ben")
    engine.record(10, "CREATED", elementId="assess-claim", dueDate=(NOW + 60 * MINUTE).isoformat())
    engine.record(11, "CREATED", elementId="pay-by-hand", dueDate=(NOW + 50 * MINUTE).isoformat())
    engine.record(12, "CREATED", elementId="pay-by-hand")
    everything = Wanted(everything=True)
    async with EventLog.open() as log:
        queue = await filled(log, engine)
        page = await queue.page(everything)
        assert keys(page.items) == [10, 11, 12]  # 60 minutes less the median of 20 are fewer than 50
        efforts = await queue.efforts()
        assert (efforts["claim", "assess-claim"].expected, efforts["claim", "assess-claim"].measured) == (20 * MINUTE, 3)
        assert [slack(task, efforts, NOW) for task in page.items] == [40 * MINUTE, 50 * MINUTE, None]
        stated = TaskQueue(log, expected={"assess-claim": timedelta(0), "claim/pay-by-hand": 55 * MINUTE})
        page = await stated.page(everything)
        assert keys(page.items) == [11, 10, 12]
        assert slack(page.items[0], await stated.efforts(), NOW) == -5 * MINUTE


async def test_what_makes_no_sense_is_refused() -> None:
    engine = Engine()
    for key in range(1, 4):
        engine.record(key, "CREATED")
    everything = Wanted(everything=True)
    async with EventLog.open() as log:
        queue = await filled(log, engine)
        with pytest.raises(InvalidArgument, match="cannot be sorted by 'colour'"):
            await queue.page(everything, sort=["colour"])
        with pytest.raises(InvalidArgument, match="colour"):
            await queue.page(everything, filter={"colour": "red"})
        cursor = (await queue.page(everything, limit=1)).cursor
        assert cursor is not None
        for wrong in ("", "nonsense", cursor[:-4]):
            with pytest.raises(InvalidArgument, match="start"):
                await queue.page(everything, after=wrong)
        with pytest.raises(InvalidArgument, match="start"):
            await queue.page(everything, sort=["slack", "priority"], after=cursor)
        due = await queue.page(everything, filter={"due_date": {"$lt": NOW}})
        assert (due.total, due.cursor) == (0, None)
