"""Takes answers from the mail server on this machine, by LMTP or SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from camunda_workers.errors import CamundaWorkersError, ConfigurationError, MissingExtra
from camunda_workers.project_people import NotificationsSection
from camunda_workers.tasks.notifications.replies.receive import ReplyDesk, TryAgain

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

CONNECTIONS = 20
IDLE = 60.0
"""Seconds after which a client that says nothing is cut off."""


@asynccontextmanager
async def listening(desk: ReplyDesk, section: NotificationsSection) -> AsyncGenerator[str]:
    """Take answers meanwhile.

    Yields:
        Where: the address as it turned out.

    Raises:
        MissingExtra: aiosmtpd is not installed.
        ConfigurationError: the address cannot be listened on.
    """
    try:
        from aiosmtpd.lmtp import LMTP
        from aiosmtpd.smtp import SMTP
    except ModuleNotFoundError:
        raise MissingExtra("mail", "Taking answers to mails ([notifications] listen)") from None
    address, loop = urlsplit(section.listen), asyncio.get_running_loop()
    made: Any = partial(
        LMTP if address.scheme == "lmtp" else SMTP,
        _Handler(desk, section),
        data_size_limit=section.largest_reply,
        hostname="camunda-workers",
        ident="camunda-workers",
        timeout=IDLE,
        loop=loop,
    )
    try:
        if address.hostname is None:
            socket = Path(address.path)
            await asyncio.to_thread(socket.unlink, missing_ok=True)
            server = await loop.create_unix_server(made, socket, backlog=CONNECTIONS)
            await asyncio.to_thread(socket.chmod, 0o660)  # the mail server's group, and nobody else
        else:
            server = await loop.create_server(made, address.hostname, address.port or 0, backlog=CONNECTIONS)
    except OSError as error:
        raise ConfigurationError(f"[notifications] listen: {section.listen} cannot be listened on: {error.strerror or error}") from error
    try:
        yield section.listen
    finally:
        server.close()
        await server.wait_closed()


class _Handler:
    """What the server does with a mail; nobody but the sender of a mail that was answered hears of it elsewhere."""

    def __init__(self, desk: ReplyDesk, section: NotificationsSection) -> None:
        self._desk = desk
        self._local, _, self._domain = section.reply_to.casefold().rpartition("@")

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """Take a recipient: one, and only of the mailbox for answers."""
        local, _, domain = address.casefold().rpartition("@")
        if domain != self._domain or not local.startswith(f"{self._local}+"):
            return "550 5.1.1 this takes answers to mails of camunda-workers only"
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail; what is refused is answered by a mail, not here, where the answer would go to whoever it says it is from."""
        content = envelope.original_content or b""
        try:
            await self._desk.receive(content, sender=envelope.mail_from or "", recipient=envelope.rcpt_tos[0])
        except TryAgain:
            return "451 4.3.0 not now, bring it again"
        except CamundaWorkersError:
            return "451 4.3.0 not now, bring it again"
        return "250 2.0.0 OK"
