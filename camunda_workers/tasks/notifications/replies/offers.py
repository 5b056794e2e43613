"""Which news may be answered with a decision, and the address for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from camunda_workers.errors import NotFound, PermissionDenied
from camunda_workers.project_people import NotificationsSection
from camunda_workers.tasks.notifications.mail import Answer
from camunda_workers.tasks.notifications.outbox import Notice
from camunda_workers.tasks.notifications.replies.tokens import ReplyTokens
from camunda_workers.tasks.service import TaskService

ANSWERED: Final = frozenset({"assigned", "due", "overdue", "escalated"})
"""The kinds of news about a task that the recipient has."""


class ReplyOffers:
    """Makes the addresses.

    Args:
        tasks: knows what can be decided.
        tokens: signs.
        section: the mailbox, and for how long.
    """

    def __init__(self, tasks: TaskService, tokens: ReplyTokens, section: NotificationsSection) -> None:
        self._tasks = tasks
        self._tokens = tokens
        self._section = section

    async def answer_to(self, notice: Notice) -> Answer | None:
        """How a piece of news may be answered; ``None`` where it may not."""
        if notice.kind not in ANSWERED or notice.task_key is None or not self._section.takes_replies:
            return None
        try:
            offer = await self._tasks.offered(notice.recipient, notice.task_key, self._section.decisions)
        except (NotFound, PermissionDenied):
            return None
        if offer is None:
            return None
        now = self._tasks.desk.now()
        token = await self._tokens.issue(offer, now, self._section.reply_within)
        words: Sequence[str] = [one.words[0] for one in offer.choices]
        return Answer(address_of(self._section.reply_to, token), words, now + self._section.reply_within)


def address_of(mailbox: str, token: str) -> str:
    """A mailbox's address with a token in it."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local}+{token}@{domain}"
