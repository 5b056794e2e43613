"""The task store on PostgreSQL: what several processes do at once stays right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from camunda_workers.errors import ReadModelError
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks import Caller, LinkRefused, Outdated, TaskStore
from camunda_workers.tasks.duties import Fact, People, Vote
from camunda_workers.tasks.notifications.links import Links
from camunda_workers.tasks.notifications.outbox import Notice, Outbox
from tests.support.postgres_server import PostgresServer, postgres_server

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
async def stores(server: PostgresServer, tmp_path: Path) -> AsyncIterator[tuple[TaskStore, TaskStore]]:
    url = server.new_database()
    async with TaskStore(url, files=tmp_path) as one, TaskStore(url, files=tmp_path) as other:
        yield one, other


async def test_two_processes_do_not_overwrite_each_other(stores: tuple[TaskStore, TaskStore]) -> None:
    one, other = stores
    for base in range(3):
        saves = [store.drafts.save(1, "ada", {"tab": tab}, NOW, revision=base) for tab, store in enumerate((one, other) * 4)]
        results = await asyncio.gather(*saves, return_exceptions=True)
        assert [result for result in results if isinstance(result, int)] == [base + 1]
        assert all(isinstance(result, int | Outdated) for result in results)

    outboxes = Outbox(one.database), Outbox(other.database)
    notice = Notice("assigned", 1, "ada", "email", "once", {"task": "ü"})
    put = await asyncio.gather(*(box.put(notice, NOW) for box in outboxes * 4))
    assert sum(put) == 1
    taken = await asyncio.gather(*(box.take(NOW) for box in outboxes * 4))
    assert sum(map(len, taken)) == 1

    people = People(DutiesSection())
    links = Links(one.database, [b"k" * 32], people), Links(other.database, [b"k" * 32], people)
    token = await links[0].issue(1, "ada", NOW)
    used = await asyncio.gather(*(link.use(token, NOW, Caller("ada")) for link in links * 4), return_exceptions=True)
    assert sum(isinstance(result, LinkRefused) for result in used) == 7

    votes = [store.ledger.vote(Vote("p", "e", 9, "bob", {"n": number}), 7, NOW) for number, store in enumerate((one, other) * 4)]
    await asyncio.gather(*votes)
    assert len(await one.ledger.votes([7])) == 1


async def test_everything_else_is_as_on_sqlite(stores: tuple[TaskStore, TaskStore]) -> None:
    one, other = stores
    await one.comments.add(1, 2, "ada", "grüße @bob", NOW)
    assert [comment.mentions for comment in await other.comments.of(1)] == [["bob"]]
    number = await one.delegations.begin(1, "ada", "bob", NOW)
    await other.delegations.settle(number, "OPEN", NOW)
    assert (await one.delegations.open_one(1)) == (await other.delegations.of([1]))[0]
    await one.delegations.add_absence("ada", "bob", NOW, NOW + timedelta(days=1), note="", entered_by="ada")
    assert await other.delegations.substitute_of("ada", NOW) == "bob"
    await one.delegations.add_absence("ada", "cy", NOW, NOW + timedelta(days=1), note="", entered_by="ada", tenants={"b"})
    assert [await other.delegations.substitute_of("ada", NOW, tenant) for tenant in ("a", "b", None)] == ["bob", "cy", "cy"]
    assert [found.tenants for found in await other.delegations.absences(NOW)] == [None, {"b"}]
    await one.ledger.record(Fact("k", NOW, "ada", {"x": [1, None]}, 1, 2, "CLM-1"))
    assert [fact.data for fact in await other.ledger.facts(1)] == [{"x": [1, None]}]
    await one.ledger.beat("duties", "w", NOW)
    await one.ledger.beat("duties", "w", NOW + timedelta(seconds=1))
    assert [beat.seen_at for beat in await other.ledger.heartbeats()] == [NOW + timedelta(seconds=1)]


async def test_a_server_that_is_not_there_is_named_without_its_password(unused_tcp_port: int) -> None:
    with pytest.raises(ReadModelError, match="task store") as failed:
        async with TaskStore(f"postgresql://ada:secret@127.0.0.1:{unused_tcp_port}/none"):
            pass
    assert "secret" not in str(failed.value)
