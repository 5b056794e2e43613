"""Notifications as email."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from camunda_workers.errors import CamundaWorkersError, ConfigurationError, MissingExtra
from camunda_workers.tasks.notifications.outbox import Notice
from camunda_workers.tasks.notifications.words import word

_DETAILS: Final = ("case", "process", "due_at", "note")
_LONGEST_SUBJECT: Final = 150


class NotSent(CamundaWorkersError):
    """A message could not be handed over.

    Attributes:
        final: whether trying again is of no use (there is no such address, say).
    """

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over, and as whom.

    Attributes:
        tls: ``starttls`` (as soon as connected), ``tls`` (from the first byte), or ``none``, for a server on this machine.
    """

    host: str
    port: int = 587
    sender: str = ""
    username: str | None = None
    password: str | None = None
    tls: str = "starttls"
    timeout: float = 20.0

    def __post_init__(self) -> None:
        if self.tls not in ("starttls", "tls", "none"):
            raise ConfigurationError(f"mail: tls is starttls, tls or none, not '{self.tls}'")
        if self.tls == "none" and self.password is not None and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigurationError(f"mail: the password would go to {self.host} unencrypted: use starttls or tls")
        if "@" not in self.sender:
            raise ConfigurationError("mail: the sender is an address of email (CAMUNDA_WORKERS_MAIL_FROM)")


@dataclass(frozen=True)
class Answer:
    """How a message may be answered with a decision.

    Attributes:
        address: where to.
        words: one for each decision.
        until: when the address stops working.
    """

    address: str
    words: Sequence[str]
    until: datetime


def compose(
    notice: Notice, to: str, server: MailServer, *, link: str, project: str, language: str = "en", answer: Answer | None = None
) -> EmailMessage:
    """A notification as a message, as text and as HTML.

    Args:
        notice: the news.
        to: the recipient's address.
        server: has the sender.
        link: where the task (or the inbox) is.
        project: what the recipient knows the application as.
        language: of the words; English where it is not known.
        answer: how it may be answered, if it may be.

    Raises:
        NotSent: the address is none.
    """
    data: dict[str, Any] = {name: _one_line(str(value)) for name, value in notice.data.items() if value not in (None, "")}
    sentence = word(language, notice.kind, **data)
    rows = [(word(language, name), data[name]) for name in _DETAILS if name in data]
    if notice.data.get("protected"):
        rows.append((word(language, "note"), word(language, "protected")))
    if reason := notice.data.get("reason"):
        rows.append((word(language, "reason"), word(language, f"refused-{reason}")))
    button = word(language, "inbox" if notice.kind == "digest" else "open")
    why = word(language, "why", project=project)
    said = [word(language, "reply", words=", ".join(answer.words), until=f"{answer.until:%Y-%m-%d %H:%M %Z}")] if answer else []
    message = EmailMessage()
    message["Subject"] = sentence[:_LONGEST_SUBJECT]
    try:
        message["To"] = Address(addr_spec=to)
        message["From"] = Address(display_name=project, addr_spec=server.sender)
        if answer is not None:
            message["Reply-To"] = Address(addr_spec=answer.address)
    except (ValueError, IndexError) as error:
        raise NotSent(f"'{to}' is no address of email", final=True) from error
    # The same news has the same id, so that a mail box shows it once even when it was handed over twice.
    digest = hashlib.sha256(f"{notice.once}\x00{notice.recipient}".encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{server.sender.rpartition('@')[2]}>"
    if notice.since is not None:
        message["Date"] = format_datetime(notice.since)
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        sentence,
        "",
        *(f"{name}: {value}" for name, value in rows),
        "",
        f"{button}: {link}",
        "",
        *(line for one in said for line in (one, "")),
        why,
    ]
    message.set_content("\n".join(lines))
    message.add_alternative(_page(sentence, rows, button, link, [*said, why], language), subtype="html")
    return message


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _page(sentence: str, rows: list[tuple[str, Any]], button: str, link: str, below: Sequence[str], language: str) -> str:
    shown = "".join(f"<tr><th align='left'>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
    small = "<p style='color:#555;font-size:.85em'>{}</p>"
    return (
        f"<!doctype html><html lang='{html.escape(language)}'><body style='font-family:sans-serif;max-width:36em'>"
        f"<h1 style='font-size:1.1em'>{html.escape(sentence)}</h1><table cellpadding='4'>{shown}</table>"
        f"<p><a href='{html.escape(link)}'>{html.escape(button)}</a></p>"
        f"{''.join(small.format(html.escape(one)) for one in below)}</body></html>"
    )


async def send(message: EmailMessage, server: MailServer) -> None:
    """Hand a message over.

    Raises:
        NotSent: the server is away or refuses it.
        MissingExtra: aiosmtplib is not installed.
    """
    try:
        import aiosmtplib
    except ModuleNotFoundError:
        raise MissingExtra("inbox", "Sending mail") from None
    try:
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls == "tls",
            start_tls=True if server.tls == "starttls" else False if server.tls == "none" else None,
            timeout=server.timeout,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refused.code for refused in error.recipients]
        raise NotSent(f"the mail server refuses the recipient: {error}", final=all(code >= 500 for code in codes)) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotSent(f"the mail server {server.host}:{server.port} did not take the message: {error}") from error
