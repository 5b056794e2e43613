"""News about tasks on the way to people: written down first, sent afterwards, so that a crash or a mail server that is away loses none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, insert, select, update

from camunda_workers.tasks.store.database import StoreDatabase, inserted
from camunda_workers.tasks.store.tables import notices
from camunda_workers.tasks.store.times import millis, moment

Kind = Literal[
    "assigned",
    "delegated",
    "resolved",
    "mentioned",
    "escalated",
    "due",
    "overdue",
    "digest",
    "reply-done",
    "reply-approved",
    "reply-refused",
]
Channel = Literal["email", "webhook"]

MOST_TRIES: Final = 12
_LONGEST_PAUSE: Final = timedelta(hours=4)
_HELD: Final = timedelta(minutes=2)


@dataclass(frozen=True)
class Notice:
    """One piece of news for one person over one channel.

    Attributes:
        once: the same text means the same news: it is sent once.
        data: what the message shows: the task's name, the case, who did it.
    """

    kind: Kind
    task_key: int | None
    recipient: str
    channel: Channel
    once: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: int = 0
    since: datetime | None = None
    tries: int = 0


class Outbox:
    """The news that is waiting to be sent."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def put(self, notice: Notice, now: datetime) -> bool:
        """Write news down; ``False`` when it was written down before."""
        at = millis(now)
        values: Mapping[str, Any] = {
            "kind": notice.kind,
            "task_key": notice.task_key,
            "recipient": notice.recipient,
            "channel": notice.channel,
            "once": notice.once,
            "data": dict(notice.data),
            "since": at,
            "next_try_at": at,
            "tries": 0,
            "error": "",
        }
        return await self._database.run(lambda connection: inserted(connection, insert(notices).values(values)))

    async def take(self, now: datetime, limit: int = 100) -> list[Notice]:
        """News whose time has come. Whoever takes it has two minutes to send it before somebody else may."""
        at = millis(now)
        waiting = (notices.c.sent_at.is_(None), notices.c.next_try_at <= at, notices.c.tries < MOST_TRIES)
        query = select(notices).where(*waiting).order_by(notices.c.id).limit(limit).with_for_update(skip_locked=True)

        def write(connection: Connection) -> list[Notice]:
            rows = connection.execute(query).all()
            keys = [row.id for row in rows]
            held = update(notices).where(notices.c.id.in_(keys)).values(next_try_at=millis(now + _HELD), tries=notices.c.tries + 1)
            connection.execute(held)
            return [_notice(row) for row in rows]

        return await self._database.run(write)

    async def sent(self, notice: Notice, now: datetime) -> None:
        """Note that it has been sent."""
        statement = update(notices).where(notices.c.id == notice.id).values(sent_at=millis(now), error="")
        await self._database.run(lambda connection: connection.execute(statement))

    async def failed(self, notice: Notice, now: datetime, error: str, *, final: bool = False) -> None:
        """Note that it could not be sent; it is tried again later, and later still the next time, unless that is of no use."""
        pause = min(timedelta(seconds=30) * 2 ** (notice.tries), _LONGEST_PAUSE)
        values: dict[str, Any] = {"next_try_at": millis(now + pause), "error": error[:500]}
        if final:
            values["tries"] = MOST_TRIES
        statement = update(notices).where(notices.c.id == notice.id).values(values)
        await self._database.run(lambda connection: connection.execute(statement))

    async def stuck(self) -> list[tuple[Notice, str]]:
        """News that is given up, with why."""
        query = select(notices).where(notices.c.sent_at.is_(None), notices.c.tries >= MOST_TRIES)
        return [(_notice(row), row.error) for row in await self._database.run(lambda connection: connection.execute(query).all())]


def _notice(row: Row[Any]) -> Notice:
    return Notice(row.kind, row.task_key, row.recipient, row.channel, row.once, row.data, row.id, moment(row.since), row.tries)
