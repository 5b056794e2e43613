"""Client of the notification service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from connectors.http_client import Answer, SystemClient


class Message(BaseModel):
    """``POST /notifications``: a text to one address."""

    claim_id: str
    to: str
    template: str
    subject: str
    text: str
    requested_at: datetime


class Receipt(Answer):
    """What the service says about a message it took."""

    notification_id: Annotated[str, Field(min_length=1)]
    idempotency_key: str
    claim_id: str
    to: str
    template: str


class Sent(Receipt):
    """A message in the outbox."""

    subject: str
    text: str
    queued_at: datetime


class Outbox(Answer):
    """``GET /notifications?claim_id=``."""

    notifications: list[Sent]


class NotificationsClient(SystemClient):
    """Sends messages, each at most once for its key."""

    system: ClassVar[str] = "notification service"

    async def send(self, message: Message, *, key: str) -> Receipt:
        """Puts a message into the outbox, or returns the receipt of the one that this key already put there.

        Raises:
            BadAnswer: the receipt is for another message or another address.
        """
        receipt = await self._post("", Receipt, body=message, key=key)
        if (receipt.claim_id, receipt.to, receipt.template, receipt.idempotency_key) != (
            message.claim_id,
            message.to,
            message.template,
            key,
        ):
            raise self._bad(f"took '{receipt.template}' to {receipt.to} instead of '{message.template}' to {message.to}")
        return receipt

    async def outbox(self, claim_id: str) -> list[Sent]:
        """Every message about a claim, oldest first."""
        found = (await self._get("", Outbox, params={"claim_id": claim_id})).notifications
        strangers = sorted({message.claim_id for message in found} - {claim_id})
        if strangers:
            raise self._bad(f"asked for the messages about {claim_id}, got those about {', '.join(strangers)} too")
        return found
