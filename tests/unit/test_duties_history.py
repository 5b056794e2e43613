"""Who did what, read from the event log: complete up to a fence, in the engine's order, with who made the call where the engine knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from camunda_workers.events import EventLog
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks import DutyDesk, TaskStore
from camunda_workers.tasks.duties import Deed
from camunda_workers.tasks.duties.desk import Asked
from camunda_workers.tasks.duties.history import LogHistory, LogIsBehind

PARTITION = 1 << 51
CASE = PARTITION + 100
FIRST, SECOND, JOB = PARTITION + 1, PARTITION + 2, PARTITION + 3
APART = DutiesSection.model_validate({"service_accounts": ["inbox"], "separate": [{"name": "apart", "tasks": ["assess", "approve"]}]})


class Records:
    """Records as the engine writes them, in order."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._position = 0

    async def add(self, value_type: str, intent: str, key: int, by: str | None = None, **value: Any) -> None:
        self._position += 1
        record = {
            "partitionId": 1,
            "position": self._position,
            "sourceRecordPosition": -1,
            "key": key,
            "timestamp": 1_700_000_000_000 + self._position,
            "recordType": "EVENT",
            "valueType": value_type,
            "intent": intent,
            "rejectionType": "NULL_VAL",
            "rejectionReason": "",
            "authorizations": {"authorized_username": by} if by else {},
            "value": {"processInstanceKey": CASE, "bpmnProcessId": "claim", **value},
        }
        await self._log.append([json.dumps(record)])

    async def task(self, intent: str, key: int, element: str, assignee: str = "", by: str | None = None) -> None:
        await self.add("USER_TASK", intent, key, by, elementId=element, assignee=assignee, userTaskKey=key)


@pytest.fixture
async def log() -> AsyncIterator[EventLog]:
    async with EventLog.open(":memory:") as opened:
        yield opened


@pytest.fixture
def records(log: EventLog) -> Records:
    return Records(log)


async def deeds(log: EventLog, task_key: int = 0) -> tuple[Deed, ...]:
    return (await LogHistory(log).of(CASE, business_id="CLM-1", task_key=task_key)).deeds


async def test_everybody_with_a_part_in_a_completion_is_known(log: EventLog, records: Records) -> None:
    await records.task("COMPLETING", FIRST, "assess", "ada", by="grace")
    await records.task("COMPLETED", FIRST, "assess", "ada")
    await records.task("COMPLETING", SECOND, "assess", "")
    await records.task("COMPLETED", SECOND, "assess", "")
    assert [deed.people for deed in await deeds(log)] == [("ada", "grace"), ("",)]


async def test_a_denied_completion_is_no_deed(log: EventLog, records: Records) -> None:
    await records.task("COMPLETING", FIRST, "assess", "ada")
    assert [deed.people for deed in await deeds(log)] == [("ada",)]
    await records.task("COMPLETION_DENIED", FIRST, "assess", "ada")
    assert await deeds(log) == ()


async def test_of_two_at_the_same_moment_the_first_counts_for_the_second(log: EventLog, records: Records) -> None:
    await records.task("COMPLETING", FIRST, "assess", "ada")
    await records.task("COMPLETING", SECOND, "approve", "ada")
    assert await deeds(log, FIRST) == ()
    assert [deed.element_id for deed in await deeds(log, SECOND)] == ["assess"]


async def test_a_log_behind_its_fence_is_waited_for(log: EventLog, records: Records) -> None:
    with pytest.raises(LogIsBehind, match=str(JOB)):
        await LogHistory(log, patience=0.02).of(CASE, business_id=None, task_key=SECOND, fence=JOB)
    asking = asyncio.create_task(LogHistory(log).of(CASE, business_id="CLM-1", task_key=SECOND, fence=JOB))
    await asyncio.sleep(0)
    await records.task("COMPLETED", FIRST, "assess", "ada")
    await records.task("COMPLETING", SECOND, "approve", "ada", by="ada")
    await records.add("JOB", "CREATED", JOB, type="duties", elementId="approve")
    history = await asking
    assert ([deed.element_id for deed in history.deeds], history.actor) == (["assess"], "ada")


@pytest.mark.parametrize(
    ("assignee", "caller", "words"),
    [
        ("bob", "ada", "bob has the task, so ada cannot complete it"),
        ("ada", "inbox", "ada already completed 'assess'"),
        ("bob", "inbox", ""),
        ("bob", "bob", ""),
        ("bob", None, ""),
    ],
)
async def test_the_engines_own_knowledge_of_the_caller_counts(
    log: EventLog, records: Records, assignee: str, caller: str | None, words: str
) -> None:
    await records.task("COMPLETING", FIRST, "assess", "ada", by="inbox")
    await records.task("COMPLETED", FIRST, "assess", "ada")
    await records.task("COMPLETING", SECOND, "approve", assignee, by=caller)
    await records.add("JOB", "CREATED", JOB, type="duties", elementId="approve")
    async with TaskStore() as store:
        desk = DutyDesk(APART, LogHistory(log), store)
        asked = Asked("complete", assignee, "claim", "approve", SECOND, CASE, "CLM-1", fence=JOB, through="listener")
        decision = await desk.decide(asked)
    assert decision.allowed is not bool(words)
    assert words in decision.text


async def test_a_program_alone_is_nobody(log: EventLog, records: Records) -> None:
    await records.task("COMPLETED", FIRST, "assess", "inbox")
    async with TaskStore() as store:
        asked = Asked("complete", "bob", "claim", "approve", SECOND, CASE, "CLM-1")
        assert "not known who completed 'assess'" in (await DutyDesk(APART, LogHistory(log), store).ask(asked)).text
