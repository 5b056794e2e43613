"""A cluster of several partitions: one log, one read model, one story."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import func, select

from camunda_workers.events import EventLog, ReadModel, case_story
from camunda_workers.events.chain.erase import erase, plan_erasure
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.export.mining import mine
from camunda_workers.events.partitions import EveryPartition
from camunda_workers.events.projections import audit
from tests.support.recorded import PAID, recorded

LINES = recorded()
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def elsewhere(line: bytes) -> bytes:
    """The record as another partition would have written it: other keys, another case."""
    text = re.sub(rb"\b22517998136\d{5}\b", lambda match: b"%d" % (int(match[0]) + (1 << 51)), line)
    return text.replace(b'"partitionId":1,', b'"partitionId":2,').replace(b"CLM-000", b"CLM-002")


OTHER = [elsewhere(line) for line in LINES]


async def filled() -> EventLog:
    log = EventLog.open()
    for start in range(0, len(LINES), 100):
        await log.append(LINES[start : start + 100])
        await log.append(OTHER[start : start + 100], partition=2)
    return log


async def test_one_read_model_of_all() -> None:
    async with await filled() as log:
        every = EveryPartition(log)
        assert await every.catch_up() > 0
        assert await every.catch_up() == 0
        model = ReadModel(log)
        assert (await model.search_user_tasks())["page"]["totalItems"] == 12
        assert (await model.search_process_instances())["page"]["totalItems"] == 16
        done = [record async for record in log.records(value_types={"USER_TASK"}) if record.intent in audit.OPERATIONS and record.is_event]
        counted = select(func.count()).select_from(audit.task_operations)
        assert await log.database.read(lambda connection: connection.scalar(counted)) == 2 * len(done) > 12
        before = await model.search_jobs(None, None, {"limit": 1000})
        await every.rebuild("jobs")
        assert await model.search_jobs(None, None, {"limit": 1000}) == before


async def test_one_story_wherever_it_happened() -> None:
    async with await filled() as log:
        first, second = await case_story(log, PAID, now=NOW), await case_story(log, PAID.replace("CLM-000", "CLM-002"), now=NOW)
        assert [(step.what, step.element) for step in first.steps] == [(step.what, step.element) for step in second.steps]
        assert len(first.steps) > 20
        events, _ = await mine(log)
        assert len({event.case for event in events}) == 14


async def test_one_tree_over_all() -> None:
    async with await filled() as log:
        report = await verify_log(log)
        assert (report.good, report.size) == (True, 2 * len(LINES))
        plan = await plan_erasure(log, PAID.replace("CLM-000", "CLM-002"))
        assert await erase(log, plan) > 50
        assert (await verify_log(log)).good
        assert [record.text.encode() async for record in log.records()] == list(LINES)
