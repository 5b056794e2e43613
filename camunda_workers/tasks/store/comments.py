"""Comments on tasks, with the people they mention."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.store.database import StoreDatabase
from camunda_workers.tasks.store.tables import comments
from camunda_workers.tasks.store.times import millis, moment

LONGEST = 10_000
_MENTION = re.compile(r"(?<![\w@.])@([\w][\w.+-]*[\w]|\w)")


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote about a task.

    Attributes:
        mentions: user names that stand in it behind an ``@``.
    """

    id: int
    task_key: int
    author: str
    text: str
    mentions: Sequence[str]
    written_at: datetime


def mentioned(text: str) -> list[str]:
    """The user names behind an ``@``, each once; addresses of email are none."""
    return list(dict.fromkeys(_MENTION.findall(text)))


class Comments:
    """The comments in the store."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def add(self, task_key: int, process_instance_key: int | None, author: str, text: str, now: datetime) -> Comment:
        """Write a comment.

        Raises:
            InvalidArgument: it is empty or too long.
        """
        words = text.strip()
        if not words or len(words) > LONGEST:
            raise InvalidArgument("a comment needs some text" if not words else f"a comment has {LONGEST} characters at most")
        values = {
            "task_key": task_key,
            "process_instance_key": process_instance_key,
            "author": author,
            "text": words,
            "mentions": mentioned(words),
            "written_at": millis(now),
        }
        statement = insert(comments).values(values).returning(comments.c.id)
        number = await self._database.run(lambda connection: connection.execute(statement).scalar_one())
        return Comment(number, task_key, author, words, mentioned(words), now)

    async def of(self, task_key: int) -> list[Comment]:
        """A task's comments, the oldest first."""
        query = select(comments).where(comments.c.task_key == task_key).order_by(comments.c.id)
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        return [Comment(row.id, row.task_key, row.author, row.text, row.mentions, moment(row.written_at)) for row in rows]
