"""Takes answers to mails: checks them, decides through the same call as everybody, and says in a mail why it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import structlog

from camunda_workers.errors import CamundaWorkersError, DeadlineExceeded, InvalidArgument, InvalidState, NotFound, PermissionDenied
from camunda_workers.project_people import NotificationsSection
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.errors import FormRejected, TaskChanged
from camunda_workers.tasks.notifications.outbox import Kind, Notice
from camunda_workers.tasks.notifications.replies.authentication import is_proven
from camunda_workers.tasks.notifications.replies.letters import Letter, read_letter
from camunda_workers.tasks.notifications.replies.tokens import ReplyTokens, Ticket
from camunda_workers.tasks.service import TaskService

_HEADERS: Final = 65_536
_log = structlog.get_logger("camunda_workers.notifications")


class TryAgain(CamundaWorkersError):
    """A mail could not be worked on now; the mail server keeps it and brings it again."""


class _Refused(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Received:
    """What became of a mail.

    Attributes:
        reason: why it was refused; empty when it was acted upon.
        state: ``completed`` or ``approved``.
    """

    reason: str = ""
    state: str = ""


class ReplyDesk:
    """Where answers come in.

    Args:
        tasks: what is decided goes through here.
        tokens: the addresses.
        section: whose findings about mails are believed.
    """

    def __init__(self, tasks: TaskService, tokens: ReplyTokens, section: NotificationsSection) -> None:
        self._tasks = tasks
        self._tokens = tokens
        self._section = section

    async def receive(self, raw: bytes, *, sender: str | None = None, recipient: str | None = None) -> Received:
        """Take one mail.

        Args:
            raw: the message.
            sender: from the envelope, where it is known: empty for a bounce.
            recipient: from the envelope, where it is known.

        Raises:
            TryAgain: nothing was decided, and it is not the mail's fault.
        """
        is_large = len(raw) > self._section.largest_reply
        letter = read_letter(raw[:_HEADERS] if is_large else raw, sender=sender, recipient=recipient)
        ticket: Ticket | None = None
        try:
            ticket = await self._tokens.read(letter.token) if letter.token is not None else None
            state = await self._decide(letter, ticket, is_large)
        except _Refused as refused:
            await self._refuse(letter, ticket, refused.reason)
            return Received(refused.reason)
        except CamundaWorkersError as error:
            _log.warning("reply.later", problem=str(error))
            raise TryAgain(f"the mail could not be worked on now: {error}") from error
        return Received(state=state)

    async def _decide(self, letter: Letter, ticket: Ticket | None, is_large: bool) -> str:
        if letter.is_automatic:
            raise _Refused("automatic")
        if not self._section.takes_replies or ticket is None:
            raise _Refused("address")
        offer, now = ticket.offer, self._tasks.desk.now()
        registered = self._tasks.desk.people.email_of(offer.recipient)
        if registered is None or not _same(letter.sender, registered):
            raise _Refused("sender")
        if letter.envelope_sender is not None and not _same(letter.envelope_sender, registered):
            raise _Refused("sender")
        if not self._is_proven(letter):
            raise _Refused("unproven")
        if is_large:
            raise _Refused("large")
        if ticket.is_used or now >= ticket.expires_at:
            raise _Refused("used" if ticket.is_used else "expired")
        if letter.first_line is None:
            raise _Refused("text")
        choice = offer.chosen(letter.first_line)
        if choice is None:
            raise _Refused("word")
        if not await self._tokens.use(ticket, now):
            raise _Refused("used")
        caller = Caller(offer.recipient, source="said")
        try:
            done = await self._tasks.complete(caller, offer.task_key, offer.entered(choice), revision=offer.revision, through="mail")
        except (PermissionDenied, InvalidState, NotFound, InvalidArgument, DeadlineExceeded) as error:
            raise _Refused(_reason(error)) from error
        except BaseException:
            # Nothing came of it: the same mail, brought again, may still decide.
            await self._tokens.give_back(ticket)
            raise
        await self._record("reply.accepted", letter, ticket, state=done.state, reason="by mail")
        await self._tell("reply-approved" if done.state == "approved" else "reply-done", letter, offer.recipient, offer.task_key)
        return done.state

    def _is_proven(self, letter: Letter) -> bool:
        return is_proven(letter.results, self._section.trusted_results, letter.domain, letter.envelope_sender)

    async def _refuse(self, letter: Letter, ticket: Ticket | None, reason: str) -> None:
        """Record it; and tell whoever is registered, never whoever a mail says that it is from, and no machine (RFC 3834)."""
        await self._record("reply.refused", letter, ticket, reason=reason)
        if reason == "automatic":
            return
        if ticket is not None:
            if await self._tokens.may_answer(ticket):
                await self._tell("reply-refused", letter, ticket.offer.recipient, ticket.offer.task_key, reason=reason)
            return
        person = self._tasks.desk.people.with_email(letter.sender or "")
        if person is not None and self._section.takes_replies and self._is_proven(letter):
            await self._tell("reply-refused", letter, person, None, reason=reason)

    async def _tell(self, kind: Kind, letter: Letter, recipient: str, task_key: int | None, **data: Any) -> None:
        await self._tasks.outbox.put(Notice(kind, task_key, recipient, "email", f"{kind}:{letter.digest}", data), self._tasks.desk.now())

    async def _record(self, kind: str, letter: Letter, ticket: Ticket | None, **data: Any) -> None:
        key = ticket.offer.task_key if ticket is not None else None
        shown = {**data, "from": letter.sender or "", "mailSha256": letter.digest}
        actor = ticket.offer.recipient if ticket is not None else ""
        await self._tasks.desk.record(Fact(kind, self._tasks.desk.now(), actor, shown, key))
        _log.info(kind, task_key=key, **data)


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.casefold() == other.strip().casefold()


def _reason(error: CamundaWorkersError) -> str:
    match error:
        case TaskChanged():
            return "changed"
        case PermissionDenied():
            return "rules"
        case FormRejected() | InvalidArgument():
            return "form"
        case DeadlineExceeded():
            return "unsure"
        case _:
            return "closed"
