"""Drafts: what somebody has entered and not submitted, one per person and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from camunda_workers.tasks.errors import Outdated
from camunda_workers.tasks.store.database import StoreDatabase, inserted
from camunda_workers.tasks.store.tables import drafts
from camunda_workers.tasks.store.times import millis, moment


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody has entered so far.

    Attributes:
        revision: counts its savings, from 1.
    """

    variables: Mapping[str, Any]
    revision: int
    saved_at: datetime


class Drafts:
    """The drafts in the store."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def get(self, task_key: int, person: str) -> Draft | None:
        """Somebody's draft of a task."""
        query = select(drafts).where(drafts.c.task_key == task_key, drafts.c.person == person)
        row = await self._database.run(lambda connection: connection.execute(query).one_or_none())
        return Draft(row.variables, row.revision, moment(row.saved_at)) if row is not None else None

    async def save(self, task_key: int, person: str, variables: Mapping[str, Any], now: datetime, *, revision: int | None = None) -> int:
        """Save a draft.

        Args:
            task_key: of which task.
            person: whose.
            variables: what was entered.
            now: the time.
            revision: the one this was made from (0: from none); ``None`` saves over whatever is there.

        Returns:
            Its revision.

        Raises:
            Outdated: there is a newer one.
        """
        mine = (drafts.c.task_key == task_key, drafts.c.person == person)

        def write(connection: Connection) -> int:
            while True:
                have = connection.scalar(select(drafts.c.revision).where(*mine).with_for_update()) or 0
                if revision is not None and revision != have:
                    raise Outdated(task_key, have)
                values = {"variables": dict(variables), "revision": have + 1, "saved_at": millis(now)}
                if have:
                    connection.execute(update(drafts).where(*mine).values(values))
                elif not inserted(connection, insert(drafts).values(task_key=task_key, person=person, **values)):
                    continue  # another tab was faster with the very first one: look again
                return have + 1

        return await self._database.run(write)

    async def forget(self, task_key: int) -> None:
        """Remove everybody's drafts of a task that is done."""
        await self._database.run(lambda connection: connection.execute(delete(drafts).where(drafts.c.task_key == task_key)))
