"""Filters that people keep under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.store.database import StoreDatabase, inserted
from camunda_workers.tasks.store.tables import filters
from camunda_workers.tasks.store.times import millis

MOST: Final = 50
LONGEST_NAME: Final = 60
LARGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """What somebody looks at often.

    Attributes:
        query: as in the list's address.
    """

    name: str
    query: Mapping[str, str]


class Filters:
    """Everybody's filters in the store."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def of(self, person: str) -> list[SavedFilter]:
        """Somebody's filters, by name."""
        query = select(filters.c.name, filters.c.query).where(filters.c.person == person).order_by(func.lower(filters.c.name))
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        return [SavedFilter(row.name, row.query) for row in rows]

    async def save(self, person: str, name: str, query: Mapping[str, str], now: datetime) -> SavedFilter:
        """Keep a filter; one of the same name is replaced.

        Raises:
            InvalidArgument: no name, too long, or one too many.
        """
        called = " ".join(name.split())
        if not called or len(called) > LONGEST_NAME:
            raise InvalidArgument(f"a filter has a name of up to {LONGEST_NAME} letters")
        if sum(len(key) + len(value) for key, value in query.items()) > LARGEST:
            raise InvalidArgument("this filter is too long to be kept")
        mine = (filters.c.person == person, filters.c.name == called)
        values = {"query": dict(query), "saved_at": millis(now)}

        def write(connection: Connection) -> None:
            if connection.execute(update(filters).where(*mine).values(values)).rowcount:
                return
            if (connection.scalar(select(func.count()).where(filters.c.person == person)) or 0) >= MOST:
                raise InvalidArgument(f"{MOST} filters are kept at most: forget one first")
            if not inserted(connection, insert(filters).values(person=person, name=called, **values)):
                connection.execute(update(filters).where(*mine).values(values))

        await self._database.run(write)
        return SavedFilter(called, dict(query))

    async def forget(self, person: str, name: str) -> None:
        """Forget a filter; nothing happens when there is none."""
        gone = delete(filters).where(filters.c.person == person, filters.c.name == " ".join(name.split()))
        await self._database.run(lambda connection: connection.execute(gone))
