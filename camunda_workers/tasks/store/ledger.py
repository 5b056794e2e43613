"""What decisions about duties rest on and leave behind: approvals so far, recorded facts, and signs of life of the listeners."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from camunda_workers.tasks.duties.facts import Vote
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.store.database import StoreDatabase, inserted
from camunda_workers.tasks.store.tables import facts, heartbeats, members, votes
from camunda_workers.tasks.store.times import millis, moment

FORGOTTEN: Final = timedelta(days=1)
"""A listener worker's last sign of life is kept so long."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a listener worker was last seen."""

    job_type: str
    worker: str
    seen_at: datetime


class Ledger:
    """Approvals, facts and heartbeats in the store. Facts are only ever added."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def vote(self, vote: Vote, process_instance_key: int, now: datetime) -> None:
        """Note an approval; a later one of the same person takes its place."""
        mine = (votes.c.task_key == vote.task_key, votes.c.person == vote.person)
        values: Mapping[str, Any] = {
            "task_key": vote.task_key,
            "person": vote.person,
            "process_instance_key": process_instance_key,
            "process_id": vote.process_id,
            "element_id": vote.element_id,
            "agreed": dict(vote.agreed),
            "given_at": millis(now),
        }

        def write(connection: Connection) -> None:
            if not inserted(connection, insert(votes).values(values)):
                connection.execute(update(votes).where(*mine).values(values))

        await self._database.run(write)

    async def votes(self, process_instance_keys: Collection[int]) -> list[Vote]:
        """The approvals given in these process instances."""
        query = select(votes).where(votes.c.process_instance_key.in_(sorted(process_instance_keys))).order_by(votes.c.given_at)
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        return [Vote(row.process_id, row.element_id, row.task_key, row.person, row.agreed) for row in rows]

    async def record(self, fact: Fact) -> None:
        """Keep a fact (see `FactSink`)."""
        values: Mapping[str, Any] = {
            "kind": fact.kind,
            "task_key": fact.task_key,
            "process_instance_key": fact.process_instance_key,
            "business_id": fact.business_id,
            "actor": fact.actor,
            "data": dict(fact.data),
            "at": millis(fact.at),
        }
        await self._database.run(lambda connection: connection.execute(insert(facts).values(values)))

    async def facts(self, task_key: int, *, kind: str | None = None) -> list[Fact]:
        """What was recorded about a task, the oldest first."""
        query = select(facts).where(facts.c.task_key == task_key).order_by(facts.c.id)
        if kind is not None:
            query = query.where(facts.c.kind == kind)
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        return [
            Fact(row.kind, moment(row.at), row.actor, row.data, row.task_key, row.process_instance_key, row.business_id) for row in rows
        ]

    async def note_groups(self, person: str, groups: Collection[str], now: datetime) -> None:
        """Note which groups the identity provider says somebody is in: the listeners, which see no login, go by it."""
        values = {"groups": sorted(groups), "seen_at": millis(now)}

        def write(connection: Connection) -> None:
            if not inserted(connection, insert(members).values(person=person, **values)):
                connection.execute(update(members).where(members.c.person == person).values(values))

        await self._database.run(write)

    async def groups_of(self, person: str, since: datetime) -> frozenset[str] | None:
        """The groups that were noted for somebody; ``None`` when that was too long ago, or never."""
        query = select(members.c.groups).where(members.c.person == person, members.c.seen_at >= millis(since))
        found = await self._database.run(lambda connection: connection.scalar(query))
        return frozenset(found) if found is not None else None

    async def beat(self, job_type: str, worker: str, now: datetime) -> None:
        """Note that a listener worker is there."""
        mine = (heartbeats.c.job_type == job_type, heartbeats.c.worker == worker)

        def write(connection: Connection) -> None:
            if not inserted(connection, insert(heartbeats).values(job_type=job_type, worker=worker, seen_at=millis(now))):
                connection.execute(update(heartbeats).where(*mine).values(seen_at=millis(now)))
            # Whoever was killed did not say good-bye.
            connection.execute(delete(heartbeats).where(heartbeats.c.seen_at < millis(now - FORGOTTEN)))

        await self._database.run(write)

    async def gone(self, job_type: str, worker: str) -> None:
        """Note that a listener worker has stopped."""
        mine = (heartbeats.c.job_type == job_type, heartbeats.c.worker == worker)
        await self._database.run(lambda connection: connection.execute(delete(heartbeats).where(*mine)))

    async def heartbeats(self) -> list[Heartbeat]:
        """Every listener worker's last sign of life."""
        rows = await self._database.run(lambda connection: connection.execute(select(heartbeats)).all())
        return [Heartbeat(row.job_type, row.worker, moment(row.seen_at)) for row in rows]
