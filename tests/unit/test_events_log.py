"""The event log: every record once, in order, and never changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, parse_record
from tests.support.recorded import CANCELLED, PAID, WAITING, changed, recorded


@pytest.fixture
async def log() -> AsyncIterator[EventLog]:
    async with EventLog.open() as opened:
        yield opened


async def texts(log: EventLog) -> list[str]:
    return [record.text async for record in log.records()]


async def test_keeps_every_record_as_the_bytes_it_came_in(log: EventLog) -> None:
    lines = recorded()
    assert await log.append(lines) == len(lines)
    assert await texts(log) == [line.decode() for line in lines]
    assert await log.position() == json.loads(lines[-1])["position"]


async def test_a_batch_repeated_in_whole_or_in_part_adds_only_what_is_new(log: EventLog) -> None:
    lines = recorded("paid")
    await log.append(lines[:200])
    assert await log.append(lines[:200]) == 0
    assert await log.append(lines[100:300]) == 100
    assert await log.append([*lines[300:350], *lines[320:400]]) == 100
    assert await texts(log) == [line.decode() for line in lines[:400]]


async def test_text_and_bytes_are_the_same(log: EventLog) -> None:
    assert await log.append([recorded()[0].decode(), recorded()[1]]) == 2


async def test_out_of_order_is_refused_and_nothing_is_added(log: EventLog) -> None:
    lines = recorded("paid")
    with pytest.raises(ReadModelError, match=r"position 2 came after position 3.*out of order"):
        await log.append([lines[0], lines[2], lines[1]])
    assert await log.position() == 0
    await log.append([lines[0], lines[5]])
    with pytest.raises(ReadModelError, match=r"position 3 came after position 6.*out of order"):
        await log.append([lines[2], lines[6]])
    assert await log.position() == 6


async def test_another_engines_record_at_a_known_position_is_refused(log: EventLog) -> None:
    line = recorded()[0]
    await log.append([line])
    with pytest.raises(ReadModelError, match="belongs to another engine; give the engine a data directory of its own"):
        await log.append([changed(line, timestamp=1)])
    with pytest.raises(ReadModelError, match="two different records for position 2"):
        await log.append([recorded()[1], changed(recorded()[1], key=5)])


async def test_another_partition_is_refused(log: EventLog) -> None:
    with pytest.raises(ReadModelError, match="belongs to partition 3, but the source is read as partition 1"):
        await log.append([changed(recorded()[0], partitionId=3)])
    assert await log.append([changed(recorded()[0], partitionId=3)], partition=3) == 1
    assert (await log.position(1), await log.position(3)) == (0, 1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"position": 1, ', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "not a record of the engine"),
        (b'{"position": 1}', "no 'partitionId'"),
        ("x" * 500, "…"),
    ],
)
async def test_what_is_no_record_is_refused(log: EventLog, line: bytes | str, says: str) -> None:
    with pytest.raises(ReadModelError, match=says):
        await log.append([recorded()[0], line])
    assert await log.position() == 0


async def test_a_record_type_never_seen_is_kept(log: EventLog) -> None:
    line = changed(recorded()[0], valueType="QUANTUM_GATEWAY", intent="ENTANGLED", value={"spin": "up"})
    await log.append([line])
    assert (await log.record_at(1)) == parse_record(line)
    assert await log.record_at(2) is None


async def test_large_values_are_kept(log: EventLog) -> None:
    line = changed(recorded()[0], value={"text": "ü" * 5_000_000})
    await log.append([line])
    assert (await texts(log))[0].encode() == line


async def test_the_database_itself_refuses_to_change_or_remove_a_record(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "events.db") as log:
        await log.append(recorded("not-covered"))
    connection = sqlite3.connect(tmp_path / "events.db")
    try:
        for statement in ("UPDATE records SET json = '{}'", "DELETE FROM records WHERE position > 500"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    finally:
        connection.close()


async def test_it_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "some" / "folder" / "events.db"
    async with EventLog.open(path) as log:
        await log.append(recorded())
        assert log.path == path
    async with EventLog.open(str(path)) as log:
        assert len(await texts(log)) == len(recorded())


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("certainly not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(ReadModelError, match=r"events\.db cannot be used: file is not a database"):
        EventLog.open(path)


async def test_records_are_read_in_batches_and_by_what_they_are(log: EventLog) -> None:
    await log.append(recorded())
    everything = [record async for record in log.records()]
    assert [record async for record in log.records(batch=7)] == everything
    tasks = [record async for record in log.records(value_types={"USER_TASK"}, after=300, batch=3)]
    assert tasks == [record for record in everything if record.value_type == "USER_TASK" and record.position > 300]


async def test_instances_of_a_case_include_called_ones(log: EventLog) -> None:
    await log.append(recorded())
    keys = await log.instances_of(PAID)
    started = {
        r.key: r async for r in log.records(value_types={"PROCESS_INSTANCE"}) if r.value["bpmnElementType"] == "PROCESS" and r.is_event
    }
    assert [started[key].value["bpmnProcessId"] for key in keys] == ["claim", "letter"]
    assert await log.instances_of("CLM-9") == []


async def test_business_ids_latest_first_and_near_ones(log: EventLog) -> None:
    assert await log.business_ids_near(PAID) == []
    await log.append(recorded())
    assert (await log.business_ids())[:2] == [CANCELLED, WAITING]
    assert (await log.business_ids_near("clm-00123"))[0] == PAID
    assert await log.business_ids_near("123") == [PAID]
    assert await log.business_ids_near("nothing like it") == []
