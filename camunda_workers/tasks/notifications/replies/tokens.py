"""Addresses that a mail may be answered to: signed, single-use, expiring, for one person, one state of one task, and the decisions offered.

What is signed is in the store, under the hash of a random number; the address has the number and the signature, in 44 letters and digits
that survive being written in capitals: more than that does not fit into an address of email (RFC 5321, 4.5.3.1.1).
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
from typing import Any, Final, cast

from sqlalchemy import Connection, delete, insert, select, update

from camunda_workers.tasks.deciding import Choice, Offer
from camunda_workers.tasks.store.database import StoreDatabase
from camunda_workers.tasks.store.tables import replies
from camunda_workers.tasks.store.times import millis, moment

MOST_ANSWERS: Final = 5
"""So many refusals of one token are answered: whoever has a copy of a mail must not fill the recipient's box."""

LENGTH: Final = 44
_NONCE: Final = 20
_KEPT: Final = timedelta(days=30)
_CONTEXT: Final = b"camunda-workers task reply\x00"


@dataclass(frozen=True)
class Ticket:
    """What a token stands for.

    Attributes:
        is_used: whether it has been used.
    """

    nonce_hash: str
    offer: Offer
    expires_at: datetime
    is_used: bool


class ReplyTokens:
    """Makes and takes tokens.

    Args:
        database: the task store's.
        keys: secrets; the first signs, the others are still taken.
    """

    def __init__(self, database: StoreDatabase, keys: Sequence[bytes]) -> None:
        self._database = database
        self._keys = tuple(keys)

    async def issue(self, offer: Offer, now: datetime, lifetime: timedelta) -> str:
        """A token for what is offered to somebody."""
        nonce = base64.b32encode(secrets.token_bytes(12)).decode().lower().rstrip("=")
        row: dict[str, Any] = {
            "nonce_hash": hashlib.sha256(nonce.encode()).hexdigest(),
            "task_key": offer.task_key,
            "recipient": offer.recipient,
            "offer": _json_of(offer),
            "expires_at": millis(now + lifetime),
            "answers": 0,
        }

        def write(connection: Connection) -> None:
            connection.execute(delete(replies).where(replies.c.expires_at < millis(now - _KEPT)))
            connection.execute(insert(replies).values(row))

        await self._database.run(write)
        return nonce + _signature(self._keys[0], nonce, row)

    async def read(self, token: str) -> Ticket | None:
        """What a token stands for, used and expired ones included; ``None`` for one that is not of ours."""
        text = token.lower()
        nonce, signature = text[:_NONCE], text[_NONCE:]
        if len(text) != LENGTH or not text.isascii():
            return None
        query = select(replies).where(replies.c.nonce_hash == hashlib.sha256(nonce.encode()).hexdigest())
        row: Any = await self._database.run(lambda connection: connection.execute(query).mappings().one_or_none())
        if row is None or not any(hmac.compare_digest(signature, _signature(key, nonce, row)) for key in self._keys):
            return None
        return Ticket(row["nonce_hash"], _offer_of(row), moment(row["expires_at"]), row["used_at"] is not None)

    async def use(self, ticket: Ticket, now: datetime) -> bool:
        """Use a token up; ``False`` when another reply was faster."""
        unused = update(replies).where(replies.c.nonce_hash == ticket.nonce_hash, replies.c.used_at.is_(None)).values(used_at=millis(now))
        return await self._database.run(lambda connection: connection.execute(unused).rowcount) == 1

    async def give_back(self, ticket: Ticket) -> None:
        """Undo that: nothing came of it, and the same mail will be brought again."""
        free = update(replies).where(replies.c.nonce_hash == ticket.nonce_hash).values(used_at=None)
        await self._database.run(lambda connection: connection.execute(free))

    async def may_answer(self, ticket: Ticket) -> bool:
        """Whether a refusal is answered; counts."""
        once_more = (
            update(replies)
            .where(replies.c.nonce_hash == ticket.nonce_hash, replies.c.answers < MOST_ANSWERS)
            .values(answers=replies.c.answers + 1)
        )
        return await self._database.run(lambda connection: connection.execute(once_more).rowcount) == 1


def _json_of(offer: Offer) -> dict[str, Any]:
    choices = [{"value": one.value, "label": one.label, "words": list(one.words)} for one in offer.choices]
    return {"path": offer.path, "revision": offer.revision, "choices": choices}


def _offer_of(row: Any) -> Offer:
    given = cast("dict[str, Any]", row["offer"])
    choices = tuple(Choice(one["value"], one["label"], tuple(one["words"])) for one in given["choices"])
    return Offer(row["task_key"], row["recipient"], given["path"], given["revision"], choices)


def _signature(key: bytes, nonce: str, row: Any) -> str:
    signed = [nonce, row["task_key"], row["recipient"], row["offer"], row["expires_at"]]
    text = json.dumps(signed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return base64.b32encode(hmac.digest(key, _CONTEXT + text.encode(), "sha256")[:15]).decode().lower()
