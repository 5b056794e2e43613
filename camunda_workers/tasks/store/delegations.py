"""Delegations (one task to somebody else, who hands it back) and absences (everything to a substitute, for a time)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, or_, select, update

from camunda_workers.errors import InvalidArgument, NotFound
from camunda_workers.tasks.store.database import StoreDatabase
from camunda_workers.tasks.store.tables import absences, delegations
from camunda_workers.tasks.store.times import millis, moment

State = Literal["BEGUN", "OPEN", "RESOLVED", "WITHDRAWN"]
Kind = Literal["DELEGATED", "SUBSTITUTED"]


@dataclass(frozen=True, slots=True)
class Delegation:
    """One task in other hands.

    Attributes:
        owner: whose task it is.
        delegate: who works on it.
        state: BEGUN while the engine is asked, OPEN, RESOLVED (handed back, or done), WITHDRAWN (never came about, or taken back).
        kind: DELEGATED goes back to the owner; SUBSTITUTED is completed by the substitute.
    """

    id: int
    task_key: int
    owner: str
    delegate: str
    state: State
    kind: Kind
    note: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away, and somebody else does their tasks.

    Attributes:
        tenants: whose tasks; ``None`` where it was entered for everybody's.
    """

    id: int
    person: str
    substitute: str
    starts_at: datetime
    ends_at: datetime
    note: str
    entered_by: str
    tenants: frozenset[str] | None = None

    def is_about(self, tenants: frozenset[str] | None) -> bool:
        """Whether somebody of these tenants (``None``: of all) is concerned."""
        return self.tenants is None or tenants is None or bool(self.tenants & tenants)


class Delegations:
    """Delegations and absences in the store."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def begin(self, task_key: int, owner: str, delegate: str, now: datetime, *, kind: Kind = "DELEGATED", note: str = "") -> int:
        """Note a delegation before the engine is asked: its listeners must know for whom the delegate acts."""
        values = {
            "task_key": task_key,
            "owner": owner,
            "delegate": delegate,
            "state": "BEGUN",
            "kind": kind,
            "note": note,
            "since": millis(now),
        }
        statement = insert(delegations).values(values).returning(delegations.c.id)
        return await self._database.run(lambda connection: connection.execute(statement).scalar_one())

    async def settle(self, delegation_id: int, state: State, now: datetime) -> None:
        """Say what became of it."""
        ended = None if state == "OPEN" else millis(now)
        statement = update(delegations).where(delegations.c.id == delegation_id).values(state=state, ended_at=ended)
        await self._database.run(lambda connection: connection.execute(statement))

    async def of(self, task_keys: Collection[int]) -> list[Delegation]:
        """The delegations of these tasks that count, the latest first: all but withdrawn ones."""
        query = select(delegations).where(delegations.c.task_key.in_(sorted(task_keys)), delegations.c.state != "WITHDRAWN")
        rows = await self._database.run(lambda connection: connection.execute(query.order_by(delegations.c.id.desc())).all())
        return [_delegation(row) for row in rows]

    async def open_one(self, task_key: int) -> Delegation | None:
        """The delegation that a task is out on now."""
        return next((one for one in await self.of([task_key]) if one.state == "OPEN"), None)

    async def by_owner(self, owner: str) -> list[Delegation]:
        """What somebody has given to others and not got back."""
        query = select(delegations).where(delegations.c.owner == owner, delegations.c.state == "OPEN")
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        return [_delegation(row) for row in rows]

    async def add_absence(
        self,
        person: str,
        substitute: str,
        start: datetime,
        end: datetime,
        *,
        note: str,
        entered_by: str,
        tenants: Collection[str] | None = None,
    ) -> int:
        """Note that somebody is away, as far as the tasks of these tenants go; of all where none are named.

        Raises:
            InvalidArgument: it ends before it starts.
        """
        if end <= start:
            raise InvalidArgument("an absence ends after it starts")
        values = {
            "person": person,
            "substitute": substitute,
            "starts_at": millis(start),
            "ends_at": millis(end),
            "note": note,
            "entered_by": entered_by,
            "tenants": sorted(tenants) if tenants is not None else None,
        }
        statement = insert(absences).values(values).returning(absences.c.id)
        return await self._database.run(lambda connection: connection.execute(statement).scalar_one())

    async def cancel_absence(self, absence_id: int, now: datetime) -> Absence:
        """End an absence early.

        Raises:
            NotFound: there is none with this id, or it is cancelled already.
        """
        mine = (absences.c.id == absence_id, absences.c.cancelled_at.is_(None))
        statement = update(absences).where(*mine).values(cancelled_at=millis(now)).returning(*absences.c)
        row = await self._database.run(lambda connection: connection.execute(statement).one_or_none())
        if row is None:
            raise NotFound(f"there is no absence {absence_id}")
        return _absence(row)

    async def absence(self, absence_id: int) -> Absence | None:
        """One absence that was not cancelled."""
        query = select(absences).where(absences.c.id == absence_id, absences.c.cancelled_at.is_(None))
        row = await self._database.run(lambda connection: connection.execute(query).one_or_none())
        return _absence(row) if row is not None else None

    async def absences(self, now: datetime, *, about: str | None = None) -> list[Absence]:
        """Absences that have not ended; all, or those of one person or with that person as substitute."""
        query = select(absences).where(absences.c.cancelled_at.is_(None), absences.c.ends_at > millis(now)).order_by(absences.c.starts_at)
        if about is not None:
            query = query.where(or_(absences.c.person == about, absences.c.substitute == about))
        return [_absence(row) for row in await self._database.run(lambda connection: connection.execute(query).all())]

    async def substitute_of(self, person: str, now: datetime, tenant: str | None = None) -> str | None:
        """Who does somebody's tasks now, those of one tenant or, without one, any; ``None`` for somebody who is there."""
        at = millis(now)
        query = select(absences.c.substitute, absences.c.tenants).where(
            absences.c.person == person, absences.c.cancelled_at.is_(None), absences.c.starts_at <= at, absences.c.ends_at > at
        )
        rows = await self._database.run(lambda connection: connection.execute(query.order_by(absences.c.id.desc())).all())
        return next((row.substitute for row in rows if row.tenants is None or tenant is None or tenant in row.tenants), None)


def _delegation(row: Row[Any]) -> Delegation:
    return Delegation(row.id, row.task_key, row.owner, row.delegate, row.state, row.kind, row.note, moment(row.since))


def _absence(row: Row[Any]) -> Absence:
    tenants = frozenset[str](row.tenants) if row.tenants is not None else None
    return Absence(row.id, row.person, row.substitute, moment(row.starts_at), moment(row.ends_at), row.note, row.entered_by, tenants)
