"""What the store knows that a list of tasks is made from, read in one go: who is away, what is out, which filters are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from camunda_workers.tasks.store.database import StoreDatabase
from camunda_workers.tasks.store.filters import SavedFilter
from camunda_workers.tasks.store.tables import absences, delegations, filters
from camunda_workers.tasks.store.times import millis

# Put together once: that takes longer than the database needs to answer them.
_AWAY = (
    select(absences.c.person, absences.c.substitute, absences.c.tenants)
    .where(absences.c.cancelled_at.is_(None), absences.c.ends_at > bindparam("now"), absences.c.starts_at <= bindparam("now"))
    .order_by(absences.c.starts_at)
)
_OUT = select(delegations.c.task_key).where(delegations.c.owner == bindparam("owner"), delegations.c.state == "OPEN")
_KEPT = select(filters.c.name, filters.c.query).where(filters.c.person == bindparam("who")).order_by(func.lower(filters.c.name))


@dataclass(frozen=True, slots=True)
class DeskView:
    """What belongs beside somebody's lists.

    Attributes:
        away: everybody who is away now, with the substitute, and for which tenants' tasks (``None``: for all).
        delegated: the tasks somebody has given to others and not got back.
        saved: the filters somebody keeps.
    """

    away: Sequence[tuple[str, str, frozenset[str] | None]]
    delegated: Sequence[int]
    saved: Sequence[SavedFilter]


async def desk_view(database: StoreDatabase, user: str, person: str, now: datetime) -> DeskView:
    """Read it.

    Args:
        database: the store's.
        user: the account that looks.
        person: whose account that is.
        now: the time.
    """

    def read(connection: Connection) -> DeskView:
        away: Any = connection.execute(_AWAY, {"now": millis(now)}).all()
        out = connection.scalars(_OUT, {"owner": user}).all()
        kept = connection.execute(_KEPT, {"who": person}).all()
        gone = [(row.person, row.substitute, frozenset[str](row.tenants) if row.tenants is not None else None) for row in away]
        return DeskView(gone, out, [SavedFilter(row.name, row.query) for row in kept])

    return await database.run(read)
