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
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks import TaskQueue, paging, search
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

    def variable(self, task: int, name: str, value: Any, intent: str = "CREATED") -> None:
        """A variable of the process instance that a task is in."""
        instance = task + 500_000
        given = {"name": name, "value": json.dumps(value), "scopeKey": instance, "processInstanceKey": instance, "tenantId": "<default>"}
        self._line("VARIABLE", 1_000_000 + task * 10 + len(name), intent, given)

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
        self._line("USER_TASK", key, intent, given)

    def _line(self, kind: str, key: int, intent: str, given: dict[str, Any]) -> None:
        raw: dict[str, Any] = {
            "valueType": kind,
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


SHOWS = InboxSection.model_validate(
    {"processes": {"claim": {"title": "claim.name", "sensitive_when": {"vip": True}}}, "sensitive": ["claim/secret-task"]}
)
NAMES = ("Robin Doe", "Grace Lindqvist", "Ümit Straße", "100% O'Neil_x")


async def test_words_are_found_in_all_tasks_and_nowhere_else() -> None:
    async with EventLog.open() as log:
        await check_words(log)


async def check_words(log: EventLog) -> None:
    """What is found by words, page by page and in every order, against what Python finds in the tasks one by one."""
    chance, engine = random.Random(11), Engine()
    made: dict[int, dict[str, Any]] = {}
    for key in range(1, 401):
        made[key] = {
            "assignee": chance.choice(["", "", "amelia", "ben"]),
            "candidateGroupsList": chance.sample(("assessors", "approvers", "clerks"), chance.randrange(3)),
            "dueDate": (NOW + chance.randrange(-50, 50) * MINUTE).isoformat() if chance.random() < 0.8 else "",
            "elementId": chance.choice(["assess-claim", "approve-payment", "secret-task"]),
        }
        name, is_vip = chance.choice(NAMES), chance.random() < 0.2
        engine.variable(key, "claim", {"name": name})
        engine.variable(key, "vip", is_vip)
        engine.record(key, "CREATED", **made[key])
        made[key]["title"] = "" if is_vip or made[key]["elementId"] == "secret-task" else name
    await log.append(engine.lines)
    queue = TaskQueue(log)
    whose: dict[str, tuple[Wanted, Callable[[dict[str, Any]], object]]] = {
        "all": (Wanted(everything=True), lambda _: True),
        "team": (Wanted(groups={"assessors"}), lambda one: not one["assignee"] and "assessors" in one["candidateGroupsList"]),
        "two": (
            Wanted(["amelia"], {"clerks"}),
            lambda one: one["assignee"] == "amelia" or (not one["assignee"] and "clerks" in one["candidateGroupsList"]),
        ),
        "nobody's": (Wanted(), lambda _: False),
    }
    for words in ("robin", "ROBIN approve", "straße", "STRASSE", "claim", "100%", "l_x", "sessors doe", "17", "nothing-has-this", "'", "%"):
        for name, (wanted, fits) in whose.items():
            expected = {key for key, one in made.items() if fits(one) and _has(key, one, words)}
            for sort in (("slack",), ("-creation_date",), ("element_id",)):
                read, cursor = list[int](), None
                while True:
                    page = await queue.page(wanted, sort=sort, limit=7, after=cursor, words=words, shows=SHOWS)
                    assert page.total == len(expected), (words, name, sort)
                    read += keys(page.items)
                    if (cursor := page.cursor) is None:
                        break
                assert len(read) == len(set(read)), (words, name, sort)
                assert set(read) == expected, (words, name, sort)
                whole = keys((await queue.page(wanted, sort=sort, limit=1000)).items)
                assert read == [key for key in whole if key in expected], (words, name, sort)
    due = await queue.page(Wanted(everything=True), filter={"due_date": {"$exists": False}}, words="robin", shows=SHOWS)
    assert due.total == sum(not one["dueDate"] and _has(key, one, "robin") for key, one in made.items())
    with pytest.raises(InvalidArgument, match="leave out the state"):
        await queue.page(Wanted(everything=True), filter={"state": "COMPLETED"}, words="robin")


def _has(key: int, one: dict[str, Any], words: str) -> bool:
    texts = [one["elementId"], "claim", one["assignee"], one["title"], str(key), *one["candidateGroupsList"]]
    return all(word in " ".join(texts).casefold() for word in words.casefold().split())


@pytest.mark.parametrize("strides", [(1000, 4000), (3, 5), (1, 1)])
async def test_what_many_tasks_have_is_met_on_the_way_or_looked_up(monkeypatch: pytest.MonkeyPatch, strides: tuple[int, ...]) -> None:
    monkeypatch.setattr(paging, "FEW", 10)
    monkeypatch.setattr(paging, "_STRIDES", strides)
    async with EventLog.open() as log:
        await check_words(log)


async def test_what_is_searched_follows_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    engine.variable(1, "claim", {"name": "Robin Doe"})
    engine.record(1, "CREATED")
    everything = Wanted(everything=True)

    async with EventLog.open() as log:
        queue = await filled(log, engine)

        async def found(words: str) -> list[int]:
            return keys((await queue.page(everything, words=words, shows=SHOWS)).items)

        assert await found("robin") == [1]
        engine.variable(1, "claim", {"name": "Grace Lindqvist"}, "UPDATED")
        engine.record(1, "ASSIGNED", assignee="ben")
        engine.variable(2, "claim", {"name": "Robin Doe"})
        engine.record(2, "CREATED")
        await log.append(engine.lines)
        assert (await found("robin"), await found("grace ben")) == ([2], [1])
        engine.variable(2, "vip", True)
        await log.append(engine.lines)
        assert (await found("robin"), await found("2")) == ([], [2])
        engine.record(1, "COMPLETED", assignee="ben")
        await log.append(engine.lines)
        assert await found("grace") == []
        monkeypatch.setattr(search, "MOST_FOLLOWED", 0)
        engine.record(3, "CREATED", elementId="far-behind")
        await log.append(engine.lines)
        assert await found("far-behind") == [3]


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
