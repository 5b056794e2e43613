"""Client of the payments ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from connectors.claims import Payment
from connectors.http_client import Answer, SystemClient


class PaymentOrder(BaseModel):
    """``POST /payments``: pay this much to this person for this claim."""

    claim_id: str
    payee: str
    amount: Annotated[int, Field(gt=0)]
    requested_at: datetime


class ReversalOrder(BaseModel):
    """``POST /payments/{id}/reversal``: take it back, all of it."""

    amount: Annotated[int, Field(gt=0)]
    requested_at: datetime


class Booking(Answer):
    """One line of the ledger."""

    payment_id: Annotated[str, Field(min_length=1)]
    idempotency_key: str
    claim_id: str
    payee: str
    amount: int
    booked_at: datetime
    state: Literal["booked", "reversed"]
    reversal_key: str | None = None
    reversed_at: datetime | None = None


class Bookings(Answer):
    """``GET /payments?claim_id=``."""

    payments: list[Booking]


class PaymentsClient(SystemClient):
    """Books payments and reversals. Each call with the same key has one effect, however often it is made."""

    system: ClassVar[str] = "payments ledger"

    async def pay(self, order: PaymentOrder, *, key: str) -> Payment:
        """Pays, or returns the payment that this key already made.

        Args:
            order: whom, how much, what for.
            key: the idempotency key; the ledger keeps it and books nothing twice under it.

        Raises:
            SystemUnavailable: nobody answered; the payment may or may not have been made (``reached``).
            SystemRefused: the ledger refused, for example because the key was used for another payment.
            BadAnswer: the answer does not describe the payment that was ordered.
        """
        booking = await self._post("", Booking, body=order, key=key)
        self._check(booking, key=key, order=order)
        return Payment(payment_id=booking.payment_id, amount=booking.amount, paid_at=booking.booked_at)

    async def reverse(self, payment: Payment, *, requested_at: datetime, key: str) -> Booking:
        """Takes a payment back, or returns the reversal that was already made of it."""
        order = ReversalOrder(amount=payment.amount, requested_at=requested_at)
        booking = await self._post(f"/{quote(payment.payment_id, safe='')}/reversal", Booking, body=order, key=key)
        if booking.payment_id != payment.payment_id or booking.amount != payment.amount:
            raise self._bad(
                f"asked to reverse {payment.amount} dollars of {payment.payment_id}, answered for {booking.amount} of {booking.payment_id}"
            )
        if booking.state != "reversed" or booking.reversed_at is None:
            raise self._bad(f"says it reversed {payment.payment_id}, but the booking is still '{booking.state}'")
        return booking

    async def for_claim(self, claim_id: str) -> list[Booking]:
        """Every booking of a claim, oldest first."""
        found = (await self._get("", Bookings, params={"claim_id": claim_id})).payments
        strangers = sorted({booking.claim_id for booking in found} - {claim_id})
        if strangers:
            raise self._bad(f"asked for the payments of {claim_id}, got those of {', '.join(strangers)} too")
        return found

    def _check(self, booking: Booking, *, key: str, order: PaymentOrder) -> None:
        expected = {"idempotency_key": key, "claim_id": order.claim_id, "payee": order.payee, "amount": order.amount, "state": "booked"}
        wrong = [
            f"{name} is {getattr(booking, name)!r} instead of {value!r}"
            for name, value in expected.items()
            if getattr(booking, name) != value
        ]
        if wrong:
            raise self._bad(f"booked something else than was ordered: {'; '.join(wrong)}")
