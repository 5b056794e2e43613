"""Brings news to people: what waits in the outbox goes out, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from camunda_workers.clock import Clock
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.tasks.duties.identity import People
from camunda_workers.tasks.notifications.links import Links
from camunda_workers.tasks.notifications.mail import Answer, MailServer, NotSent, compose, send
from camunda_workers.tasks.notifications.outbox import Notice, Outbox
from camunda_workers.tasks.notifications.webhook import Webhook, post

_log = structlog.get_logger("camunda_workers.notifications")


class Courier:
    """Sends what waits in the outbox.

    Args:
        outbox: the news.
        people: has the addresses.
        links: makes the links in the messages.
        clock: the time.
        address: the inbox's address for a link's token, or for none (the digest).
        project: what recipients know the application as.
        mail: where mail is handed over; without it, news by email waits.
        webhook: where news is posted.
        language: of the messages.
        answers: says how a message may be answered with a decision; none may where it is not given.
    """

    def __init__(
        self,
        outbox: Outbox,
        people: People,
        links: Links,
        clock: Clock,
        *,
        address: Callable[[str | None], str],
        project: str,
        mail: MailServer | None = None,
        webhook: Webhook | None = None,
        language: str = "en",
        answers: Callable[[Notice], Awaitable[Answer | None]] | None = None,
    ) -> None:
        self._outbox = outbox
        self._people = people
        self._links = links
        self._clock = clock
        self._address = address
        self._project = project
        self._mail = mail
        self._webhook = webhook
        self._language = language
        self._answers = answers

    async def deliver(self) -> int:
        """Send what is waiting now; how much went out. What cannot be sent stays and is tried again later."""
        went = 0
        for notice in await self._outbox.take(self._clock.now()):
            try:
                await self._send(notice)
            except NotSent as error:
                _log.warning("notice.not-sent", kind=notice.kind, recipient=notice.recipient, problem=str(error))
                await self._outbox.failed(notice, self._clock.now(), str(error), final=error.final)
            else:
                await self._outbox.sent(notice, self._clock.now())
                went += 1
        return went

    async def run(self, every: timedelta = timedelta(seconds=5)) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self.deliver()
            except CamundaWorkersError as error:
                _log.warning("notices.delivery", problem=str(error))
            await asyncio.sleep(every.total_seconds())

    async def _send(self, notice: Notice) -> None:
        now = self._clock.now()
        token = await self._links.issue(notice.task_key, notice.recipient, now) if notice.task_key is not None else None
        link = self._address(token)
        if notice.channel == "webhook":
            if self._webhook is None:
                raise NotSent("no webhook is set up")
            await post(notice, self._webhook, now, link=link)
            return
        to = self._people.email_of(notice.recipient)
        if self._mail is None or to is None:
            raise NotSent("no mail server is set up" if self._mail is None else f"{notice.recipient} has no address", final=to is None)
        answer = await self._answer_to(notice)
        message = compose(notice, to, self._mail, link=link, project=self._project, language=self._language, answer=answer)
        await send(message, self._mail)

    async def _answer_to(self, notice: Notice) -> Answer | None:
        try:
            return await self._answers(notice) if self._answers is not None else None
        except CamundaWorkersError as error:
            raise NotSent(f"what may be answered is not known: {error}") from error
