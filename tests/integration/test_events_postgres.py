"""The log in a real PostgreSQL: the same as in SQLite, cut by month, and back after the server was restarted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, ReadModel, case_story
from camunda_workers.events.chain.erase import erase, plan_erasure
from camunda_workers.events.chain.notary import Notary
from camunda_workers.events.chain.note import Signer
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.entities import PROCESS_INSTANCE
from camunda_workers.events.facts import Fact, FactKind, Facts
from camunda_workers.events.projections import PROJECTIONS
from camunda_workers.events.retention import archive, verify_archive
from camunda_workers.events.search import search
from camunda_workers.events.sources.sink import ExporterSink
from camunda_workers.events.stats import log_stats
from camunda_workers.events.subscription import parse_filter, subscribe
from tests.support.paging import by_cursor, by_offset
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.recorded import changed, recorded
from tests.unit.test_events_sink import JSON, bulk

pytestmark = pytest.mark.postgres
LINES = recorded()
SIGNER = Signer("example.org/log", bytes(range(32)))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
async def log(server: PostgresServer) -> AsyncIterator[EventLog]:
    async with EventLog.open(server.new_database()) as opened:
        yield opened


async def tables(log: EventLog) -> dict[str, list[Any]]:
    def read(connection: Any) -> dict[str, list[Any]]:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for projection in PROJECTIONS
            for table in projection.tables
        }

    return await log.database.read(read)


async def test_the_same_as_in_sqlite(log: EventLog) -> None:
    async with EventLog.open() as other:
        for one in (log, other):
            assert await one.append(LINES[:500]) == 500
            assert await one.append(LINES[400:]) == len(LINES) - 500
            await ReadModel(one).catch_up()
        assert [record.text async for record in log.records()] == [record.text async for record in other.records()]
        assert await tables(log) == await tables(other)
        name = "CLM-000123"
        assert await log.business_ids() == await other.business_ids()
        at = datetime(2027, 1, 1, tzinfo=UTC)
        assert await case_story(log, name, now=at) == await case_story(other, name, now=at)
        counted = [await log_stats(one) for one in (log, other)]
        assert counted[0]["byKind"] == counted[1]["byKind"]


async def test_chained_signed_erased_and_verified(log: EventLog) -> None:
    await log.append(LINES)
    await Facts(log).record(Fact(FactKind.APPROVAL, {"outcome": "approve"}, id="a"), Fact(FactKind.APPROVAL, id="a"))
    await Notary(log, SIGNER).sign()
    plan = await plan_erasure(log, "CLM-000123")
    assert await erase(log, plan) == len(plan.contents)
    report = await verify_log(log, [SIGNER.verifier])
    assert report.good
    assert (report.size, report.erased) == (len(LINES) + 2, len(plan.contents))
    await log.database.maintain(
        "ALTER TABLE records DISABLE TRIGGER USER",
        "UPDATE records SET intent = 'X' WHERE seq = 321",
        "ALTER TABLE records ENABLE TRIGGER USER",
    )
    assert (await verify_log(log, [SIGNER.verifier])).problems[0].seq == 321


@pytest.mark.parametrize(
    "statement",
    ["UPDATE records SET intent = 'X'", "DELETE FROM records", "UPDATE payloads SET body = ''", "UPDATE records_2026_11 SET key = 1"],
)
async def test_the_database_refuses_changes(log: EventLog, statement: str) -> None:
    await log.append(LINES)
    with pytest.raises(ReadModelError, match="the event log is append-only"):
        await log.database.maintain(statement)


async def test_a_part_for_each_month_even_when_the_clock_jumps(log: EventLog) -> None:
    moments = [datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2031, 12, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)]
    stamps = [*(int(moment.timestamp() * 1000) for moment in moments), -5, 10**17]
    await log.append([changed(line, timestamp=stamp) for line, stamp in zip(LINES, stamps, strict=False)])

    def parts(connection: Any) -> list[tuple[str, int]]:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT tableoid::regclass::text, position FROM records ORDER BY seq")]

    assert await log.database.read(parts) == [
        ("records_2026_01", 1),
        ("records_2031_12", 2),
        ("records_2026_02", 3),
        ("records_undated", 4),
        ("records_undated", 5),
    ]
    assert (await verify_log(log)).good


async def test_two_writers_at_once(log: EventLog) -> None:
    async with EventLog.open(str(log.database.address)) as other:
        second = [changed(line, partitionId=2) for line in LINES]

        async def feed(one: EventLog, lines: list[bytes], partition: int) -> None:
            for start in range(0, len(lines), 50):
                await one.append(lines[start : start + 50], partition=partition)

        await asyncio.gather(feed(log, list(LINES), 1), feed(other, second, 2), feed(other, list(LINES), 1))
    report = await verify_log(log)
    assert report.good
    assert report.size == 2 * len(LINES)


async def test_what_comes_is_told(log: EventLog) -> None:
    async def collect() -> list[int]:
        found: list[int] = []
        async with aclosing(subscribe(log, after=-1, where=parse_filter(["valueType=VARIABLE"]))) as records:
            async for one in records:
                found.append(one.record.position)
                if len(found) == len(expected):
                    break
        return found

    expected = [json.loads(line)["position"] for line in LINES if json.loads(line)["valueType"] == "VARIABLE"]
    task = asyncio.create_task(collect())
    async with EventLog.open(str(log.database.address)) as other:
        for start in range(0, len(LINES), 100):
            await other.append(LINES[start : start + 100])
    async with asyncio.timeout(20):
        assert await task == expected


async def test_the_server_is_restarted_and_the_exporter_tries_again(server: PostgresServer, log: EventLog) -> None:
    async with ExporterSink(log) as sink, httpx.AsyncClient(base_url=sink.address, timeout=30) as client:
        assert (await client.post("/_bulk", content=bulk(LINES[:300]), headers=JSON)).status_code == 200
        await asyncio.to_thread(server.stop, "immediate")
        answer = await client.post("/_bulk", content=bulk(LINES[:600]), headers=JSON)
        assert answer.status_code == 503
        assert "postgresql" in answer.text
        await asyncio.to_thread(server.start)
        assert (await client.post("/_bulk", content=bulk(LINES[:600]), headers=JSON)).status_code == 200
        assert await log.size() == 600
    assert (await verify_log(log)).good


async def test_opened_again_it_is_the_same_log(log: EventLog) -> None:
    async with EventLog.open(str(log.database.address)) as other:
        assert other.log_id == log.log_id


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ReadModelError, match=r"postgresql://somebody:\*\*\*@127\.0\.0\.1:1/x cannot be used"):
        EventLog.open("postgresql://somebody:secret@127.0.0.1:1/x")


async def test_searched_as_in_sqlite(log: EventLog) -> None:
    sorts: list[list[dict[str, str]]] = [
        [{"field": "endDate", "order": "DESC"}],
        [{"field": "endDate"}, {"field": "businessId", "order": "DESC"}],
        [{"field": "startDate", "order": "DESC"}],
        [{"field": "hasIncident", "order": "DESC"}, {"field": "suspendedDate"}],
        [{"field": "processInstanceKey", "order": "DESC"}],
    ]
    filters: list[dict[str, Any]] = [
        {"state": "ACTIVE", "processDefinitionId": "claim"},
        {"businessId": {"$like": "CLM-000?0*"}},
        {"businessId": {"$like": "clm*"}},
        {"businessId": {"$like": "CLM_*"}},
        {"businessId": {"$like": "CLM\\-%*"}},
        {"processDefinitionName": {"$like": "\\Motor*"}, "hasIncident": True},
        {"hasElementInstanceIncident": True},
        {"errorMessage": {"$like": "*FraudScore*"}},
    ]

    def asked(connection: Connection) -> list[Any]:
        walked = [(by_offset(connection, PROCESS_INSTANCE, sort, 3), by_cursor(connection, PROCESS_INSTANCE, sort, 3)) for sort in sorts]
        assert all(forwards == backwards == whole for whole, (forwards, backwards) in walked)
        found = [search(connection, PROCESS_INSTANCE, one) for one in filters]
        return [walked, found, *(search(connection, PROCESS_INSTANCE, page={"limit": limit}, most=5) for limit in (0, 3, 100))]

    async with EventLog.open() as other:
        answers: list[list[Any]] = []
        for one in (log, other):
            await one.append(LINES)
            answers.append(await ReadModel(one).query(asked))
    assert answers[0] == answers[1]
    assert [len(found["items"]) for found in answers[0][1]] == [2, 6, 0, 0, 0, 1, 1, 1]
    assert {(found["page"]["totalItems"], found["page"]["hasMoreTotalItems"]) for found in answers[0][2:]} == {(5, True)}


async def test_archived_and_searched(log: EventLog, tmp_path: Path) -> None:
    await log.append(LINES)
    await Notary(log, SIGNER).sign()
    model = ReadModel(log)
    async with EventLog.open() as other:
        await other.append(LINES)
        same = ReadModel(other)
        for search in ("search_user_tasks", "search_process_instances", "search_variables", "search_jobs", "search_incidents"):
            assert await getattr(model, search)(None, [{"field": "tenantId"}]) == await getattr(same, search)(None, [{"field": "tenantId"}])
        asked = {"candidateGroup": "claims-assessors"}
        assert (
            (await model.search_user_tasks(asked))["page"]["totalItems"] == (await same.search_user_tasks(asked))["page"]["totalItems"] > 0
        )
    done = await archive(log, model, tmp_path, datetime(2030, 1, 1, tzinfo=UTC))
    assert done.path is not None
    assert (await verify_log(log, [SIGNER.verifier])).good
    assert (await verify_archive(log, done.path))[1] == []
