"""Old records move into files; what is left still verifies, and so do the files."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, ReadModel, case_story
from camunda_workers.events.chain.notary import Notary
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.facts import Fact, FactKind, Facts
from camunda_workers.events.retention import archive, verify_archive
from tests.support.recorded import recorded

SIGNER = Signer("example.org/log", bytes(range(32)))
LATER = datetime(2030, 1, 1, tzinfo=UTC)
PAID, WAITING = recorded("paid"), recorded("waiting")
pq: Any = importlib.import_module("pyarrow.parquet")


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    async with EventLog.open(tmp_path / "events.db") as opened:
        await opened.append(PAID)
        await opened.append(WAITING)
        await Notary(opened, SIGNER).sign()
        yield opened


async def test_what_is_over_goes_and_the_rest_stays(log: EventLog, tmp_path: Path) -> None:
    model = ReadModel(log)
    before = [record async for record in log.records()]
    size = await log.size()
    done = await archive(log, model, tmp_path / "old", LATER)
    assert done.path is not None
    assert (done.begin, done.end, done.why) == (0, 256, "a process instance that still runs began there") or done.end % 256 == 0
    report = await verify_log(log, [SIGNER.verifier])
    assert (report.good, report.archived, report.size, report.first) == (True, done.end, size + 1, done.end)
    assert await verify_archive(log, done.path) == (done.end, [])
    left = [record async for record in log.records()]
    last = before[done.end - 1].position
    assert [one.position for one in left if one.position > last] == [one.position for one in before[done.end :]]
    stayed = {one.value_type for one in left if one.position <= last}
    assert stayed
    assert stayed <= {"PROCESS", "FORM", "DECISION", "DECISION_REQUIREMENTS"}
    assert (await case_story(log, "CLM-000600")).instances[0].process == "Motor claim"
    assert await log.append([*PAID, *WAITING]) == 0  # the engine hands over what it has: still nothing is new
    (fact,) = [one async for one in log.records(partition=0)]
    assert (fact.value_type, fact.value["to"], fact.value["file"]) == ("ARCHIVE", done.end, done.path.name)


async def test_the_file_holds_what_was_written(log: EventLog, tmp_path: Path) -> None:
    before = [record.text async for record in log.records()]
    done = await archive(log, ReadModel(log), tmp_path / "old", LATER)
    rows: list[dict[str, Any]] = pq.read_table(str(done.path)).to_pylist()
    assert [row["seq"] for row in rows] == list(range(done.end))
    for row, text in zip(rows, before, strict=False):
        record = json.loads(row["entry"].split("\n", 1)[1])
        assert record["position"] == json.loads(text)["position"]
        for content in row["contents"]:
            assert content["body"] in text


async def test_contents_can_be_left_out(log: EventLog, tmp_path: Path) -> None:
    done = await archive(log, ReadModel(log), tmp_path / "old", LATER, with_contents=False)
    assert done.path is not None
    assert not any(row["contents"] for row in pq.read_table(str(done.path)).to_pylist())
    assert b"12500" not in done.path.read_bytes()
    assert await verify_archive(log, done.path) == (done.end, [])


async def test_a_file_that_was_altered_is_named(log: EventLog, tmp_path: Path) -> None:
    done = await archive(log, ReadModel(log), tmp_path / "old", LATER)
    table = pq.read_table(str(done.path))
    rows = table.to_pylist()
    rows[17]["entry"] = rows[17]["entry"].replace('"recordType"', '"recordTypo"')
    del rows[40]
    other = tmp_path / "other.parquet"
    pq.write_table(importlib.import_module("pyarrow").Table.from_pylist(rows, schema=table.schema), str(other))
    _, problems = await verify_archive(log, other)
    assert [problem.what for problem in problems] == [
        "record 17 in the archive other.parquet is not what was written",
        "record 40 is missing from the archive other.parquet",
    ]
    other.write_bytes(b"no parquet")
    with pytest.raises(ReadModelError, match="cannot be read as an archive"):
        await verify_archive(log, other)


async def test_a_record_that_stayed_is_still_checked(log: EventLog, tmp_path: Path) -> None:
    await archive(log, ReadModel(log), tmp_path / "old", LATER)
    await log.database.maintain(
        "DROP TRIGGER records_refuse_update", "UPDATE records SET json = json || ' ' WHERE seq = (SELECT min(seq) FROM records)"
    )
    assert "is not what was written" in (await verify_log(log, [SIGNER.verifier])).problems[0].what


async def test_again_goes_on_where_it_ended(log: EventLog, tmp_path: Path) -> None:
    first = await archive(log, ReadModel(log), tmp_path / "old", LATER)
    again = await archive(log, ReadModel(log), tmp_path / "old", LATER)
    assert (again.path, again.begin) == (None, first.end)


async def test_younger_and_unsigned_records_stay(tmp_path: Path) -> None:
    async with EventLog.open(tmp_path / "a.db") as log:
        await log.append(PAID)
        assert (await archive(log, ReadModel(log), tmp_path, LATER)).why == "what follows is not signed yet"
        await Notary(log, SIGNER).sign()
        early = datetime(2020, 1, 1, tzinfo=UTC)
        done = await archive(log, ReadModel(log), tmp_path, early)
        assert (done.path, done.why) == (None, "the next record is younger")
        assert (await archive(log, ReadModel(log), tmp_path, LATER)).end == 256


async def test_what_cannot_be_written_removes_nothing(log: EventLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    size = len([record async for record in log.records()])
    with pytest.raises(ReadModelError, match="cannot be written"):
        await archive(log, ReadModel(log), tmp_path / "file", LATER)
    assert len([record async for record in log.records()]) == size


async def test_a_removal_that_was_broken_off_is_finished_by_the_next(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camunda_workers.events.retention.REMOVED_AT_ONCE", 50)

    def killed(done: int, _: int) -> None:
        if done == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await archive(log, ReadModel(log), tmp_path / "old", LATER, removing=killed)
    assert (await verify_log(log, [SIGNER.verifier])).good
    definitions = "('PROCESS', 'FORM', 'DECISION', 'DECISION_REQUIREMENTS')"
    count = f"SELECT count(*) FROM records WHERE seq < (SELECT archived_to FROM log_state) AND value_type NOT IN {definitions}"
    left = await log.database.read(lambda connection: connection.exec_driver_sql(count).scalar())
    assert isinstance(left, int)
    assert left > 100
    assert (await archive(log, ReadModel(log), tmp_path / "old", LATER)).path is None
    assert await log.database.read(lambda connection: connection.exec_driver_sql(count).scalar()) == 0
    assert (await verify_log(log, [SIGNER.verifier])).good


async def test_others_write_while_records_are_removed(log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camunda_workers.events.retention.REMOVED_AT_ONCE", 50)
    added: list[asyncio.Task[int]] = []

    def meanwhile(done: int, of: int) -> None:
        if done < of:
            added.append(asyncio.create_task(Facts(log).record(Fact(FactKind.RELEASE, {"number": len(added)}))))

    done = await archive(log, ReadModel(log), tmp_path / "old", LATER, removing=meanwhile)
    assert done.end > 100
    assert await asyncio.gather(*added) == [1] * len(added) != []
    assert (await verify_log(log, [SIGNER.verifier])).good
