"""What a mail says, as far as a decision goes: from whom, to which address, by a machine or not, and its first line. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import ObsoleteHeaderDefect
from email.message import Message
from typing import Any, Final

from camunda_workers.tasks.notifications.replies.tokens import LENGTH

_TOKEN: Final = re.compile(rf"\+([a-z2-7]{{{LENGTH}}})@", re.IGNORECASE)
_BULK: Final = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_MACHINES: Final = ("x-autoreply", "x-autorespond", "list-id", "list-unsubscribe", "x-failed-recipients")
_ADDRESSED: Final = ("x-original-to", "delivered-to", "to")
_PLAIN_ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\\\x00-\x1f]+@[A-Za-z0-9.-]+")
_MOST_LINES: Final = 200


@dataclass(frozen=True)
class Letter:
    """A mail.

    Attributes:
        sender: the one address in its one ``From``; ``None`` where there is not exactly one.
        envelope_sender: who is told when it cannot be delivered; empty for a bounce, ``None`` where nobody says.
        token: of the address it was sent to.
        is_automatic: whether a machine wrote it (RFC 3834), or it is a bounce.
        results: ``Authentication-Results``, from the top.
        first_line: of its own text, not of what it quotes; ``None`` where there is no plain text.
        digest: a hash of it, for the record.
    """

    sender: str | None
    envelope_sender: str | None
    token: str | None
    is_automatic: bool
    results: tuple[str, ...]
    first_line: str | None
    digest: str

    @property
    def domain(self) -> str:
        """Of the sender's address."""
        return (self.sender or "").rpartition("@")[2]


def read_letter(raw: bytes, *, sender: str | None = None, recipient: str | None = None) -> Letter:
    """Read a mail; whatever is wrong with it, something is missing in what comes out.

    Args:
        raw: the message.
        sender: from the envelope, where it is known: empty for a bounce.
        recipient: from the envelope, where it is known; the headers are asked otherwise.
    """
    message = message_from_bytes(raw, policy=policy.default)
    froms, paths = message.get_all("from", []), _values(message, "return-path")
    envelope = sender if sender is not None else paths[0] if len(paths) == 1 else None
    told = [recipient] if recipient else [value for name in _ADDRESSED for value in _values(message, name)]
    return Letter(
        sender=_address(froms[0]) if len(froms) == 1 else None,
        envelope_sender=envelope.strip().removeprefix("<").removesuffix(">").strip() if envelope is not None else None,
        token=next((match[1].lower() for value in told if (match := _TOKEN.search(value))), None),
        is_automatic=_is_automatic(message, envelope),
        results=tuple(_values(message, "authentication-results")),
        first_line=_first_line(message),
        digest=hashlib.sha256(raw).hexdigest(),
    )


def _values(message: Message, name: str) -> list[str]:
    return [" ".join(str(value).split()) for value in message.get_all(name, [])]


def _address(header: Any) -> str | None:
    """The one address of a header that cannot be read in two ways."""
    defects = [one for one in header.defects if not isinstance(one, ObsoleteHeaderDefect)]
    found = header.addresses
    if defects or len(found) != 1 or any(group.display_name is not None for group in header.groups):
        return None
    return found[0].addr_spec if _PLAIN_ADDRESS.fullmatch(found[0].addr_spec) else None


def _is_automatic(message: Message, envelope: str | None) -> bool:
    submitted = _values(message, "auto-submitted")
    if any(value.partition(";")[0].strip().casefold() != "no" for value in submitted) or (
        envelope is not None and envelope.strip("<> ") == ""
    ):
        return True
    if any(value.casefold() in _BULK for value in _values(message, "precedence")) or any(_values(message, name) for name in _MACHINES):
        return True
    return message.get_content_type() in ("multipart/report", "message/delivery-status", "message/disposition-notification")


def _first_line(message: Message) -> str | None:
    """The first line with something in it that quotes nothing, of the first plain text."""
    part = next((one for one in message.walk() if one.get_content_type() == "text/plain" and not one.get_filename()), None)
    if part is None or (message.is_multipart() and part.get_content_disposition() == "attachment"):
        return None
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return None
    try:
        text = content.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        return None
    lines = (line.strip() for line in text.splitlines()[:_MOST_LINES])
    return next((line for line in lines if line and not line.startswith(">")), "")
