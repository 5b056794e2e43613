"""Links in notifications: signed, single-use, expiring, and good for one person only.

Mail scanners open every link before the recipient does, so opening one (``look``, a GET) changes nothing and shows a confirmation page;
only confirming (``use``, a POST of somebody logged in) uses it up. Whoever forwards a mail forwards no rights: the link is bound to its
recipient, and what is done through it goes through the same rules as everything else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import delete, insert, select, update

from camunda_workers.errors import ConfigurationError
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.duties.identity import People
from camunda_workers.tasks.errors import LinkRefused
from camunda_workers.tasks.store.database import StoreDatabase
from camunda_workers.tasks.store.tables import links
from camunda_workers.tasks.store.times import millis, moment

Purpose = Literal["open", "claim", "complete"]

LIFETIME: Final = timedelta(days=3)
SHORTEST_KEY: Final = 32
_VERSION: Final = "v1"
_CONTEXT: Final = b"camunda-workers task link\x00"


@dataclass(frozen=True)
class TaskLink:
    """What a link is for.

    Attributes:
        purpose: ``open`` shows the task, ``claim`` takes it, ``complete`` leads to completing it.
    """

    task_key: int
    recipient: str
    purpose: Purpose
    expires_at: datetime


class Links:
    """Makes and takes links.

    Args:
        database: where used ones are known.
        keys: secrets of 32 bytes or more; the first signs, the others are still taken (so that a key can be changed).
        people: who is who.

    Raises:
        ConfigurationError: there is no key, or a short one.
    """

    def __init__(self, database: StoreDatabase, keys: Sequence[bytes], people: People) -> None:
        self._database = database
        self._keys = checked_keys(keys)
        self._people = people

    async def issue(
        self, task_key: int, recipient: str, now: datetime, *, purpose: Purpose = "open", lifetime: timedelta = LIFETIME
    ) -> str:
        """Make a link's token; only its hash is kept, so the store cannot be turned into links."""
        nonce = secrets.token_urlsafe(24)
        expires = millis(now + lifetime)
        payload = {"t": str(task_key), "r": recipient, "p": purpose, "e": expires, "n": nonce}
        body = _encoded(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())
        row = {"nonce_hash": _hash(nonce), "task_key": task_key, "recipient": recipient, "purpose": purpose, "expires_at": expires}
        await self._database.run(lambda connection: connection.execute(insert(links).values(row)))
        return f"{_VERSION}.{body}.{_encoded(self._signature(self._keys[0], body))}"

    async def look(self, token: str, now: datetime, *, caller: Caller | None = None) -> TaskLink:
        """What a link is for, for its confirmation page; nothing is used up.

        Args:
            token: from the address.
            now: the time.
            caller: whoever is logged in; the link must be theirs.

        Raises:
            LinkRefused: forged, expired, used, or somebody else's.
        """
        link, nonce = self._read(token, now, caller)
        query = select(links.c.used_at).where(links.c.nonce_hash == _hash(nonce))
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        if not rows:
            raise LinkRefused("forged", "this link is not one of ours")
        if rows[0].used_at is not None:
            raise LinkRefused("used", "this link has been used already: open the task in the inbox")
        return link

    async def use(self, token: str, now: datetime, caller: Caller) -> TaskLink:
        """Use a link up, once: of two who confirm at the same time, one is refused.

        Raises:
            LinkRefused: forged, expired, used, or somebody else's.
        """
        link, nonce = self._read(token, now, caller)
        unused = update(links).where(links.c.nonce_hash == _hash(nonce), links.c.used_at.is_(None)).values(used_at=millis(now))
        if await self._database.run(lambda connection: connection.execute(unused).rowcount) != 1:
            await self.look(token, now, caller=caller)  # says which of the reasons it is
            raise LinkRefused("used", "this link has been used already: open the task in the inbox")
        return link

    async def forget(self, before: datetime) -> int:
        """Remove links that expired before a time (their tokens are refused by their own date); how many."""
        old = delete(links).where(links.c.expires_at < millis(before))
        return await self._database.run(lambda connection: connection.execute(old).rowcount)

    def _read(self, token: str, now: datetime, caller: Caller | None) -> tuple[TaskLink, str]:
        forged = LinkRefused("forged", "this link is not one of ours")
        version, _, rest = token.partition(".")
        body, _, signature = rest.partition(".")
        try:
            given = _decoded(signature)
            if version != _VERSION or not any(hmac.compare_digest(given, self._signature(key, body)) for key in self._keys):
                raise forged
            payload = cast("dict[str, Any]", json.loads(_decoded(body)))
            link = TaskLink(int(payload["t"]), str(payload["r"]), payload["p"], moment(int(payload["e"])))
            nonce = str(payload["n"])
        except (ValueError, KeyError, TypeError) as error:
            raise forged from error
        if now >= link.expires_at:
            raise LinkRefused("expired", "this link has expired: open the task in the inbox")
        if caller is not None and not self._people.same(caller.user, link.recipient):
            raise LinkRefused("recipient", "this link was sent to somebody else")
        return link, nonce

    @staticmethod
    def _signature(key: bytes, body: str) -> bytes:
        return hmac.digest(key, _CONTEXT + body.encode(), "sha256")


def checked_keys(keys: Sequence[bytes]) -> tuple[bytes, ...]:
    """The secrets, if they are long enough to sign with.

    Raises:
        ConfigurationError: there is no key, or a short one.
    """
    if not keys or any(len(key) < SHORTEST_KEY for key in keys):
        raise ConfigurationError(f"links need a secret of {SHORTEST_KEY} bytes or more: set CAMUNDA_WORKERS_LINK_SECRET")
    return tuple(keys)


def _hash(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    # Strict, so that one link has one spelling.
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encoded(data) != text:
        raise ValueError("not canonical")
    return data
