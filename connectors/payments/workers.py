"""Workers of the payments ledger: ``pay-claim`` and its compensation ``reverse-payment``."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Annotated

from camunda_workers import BpmnError, JobContext, Provided, RetryPolicy, Router, worker
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import JobFailed
from connectors.claims import Claim, Decision, Payment
from connectors.errors import SystemUnavailable
from connectors.jobs import idempotency_key, refusals_are_final
from connectors.payments.client import PaymentOrder, PaymentsClient
from connectors.settings import ConnectorSettings


class PaymentUnavailable(BpmnError):
    """The ledger could not be reached until the last try: a person has to pay by hand.

    The variable ``payment_problem`` carries what that person must know. The last request may have been booked although its answer was lost,
    so a payment by hand uses the same idempotency key: the ledger then answers with the booking that is already there.
    """

    code = "PAYMENT_UNAVAILABLE"

    def __init__(self, reason: str, *, key: str, maybe_booked: bool) -> None:
        super().__init__(reason, variables={"payment_problem": {"reason": reason, "idempotency_key": key, "maybe_booked": maybe_booked}})


@worker(
    "pay-claim",
    errors=[PaymentUnavailable],
    result="payment",
    # Long enough for a restart of the ledger, short enough that a claimant does not notice; then a clerk takes over.
    retries=RetryPolicy(back_off=timedelta(minutes=2), factor=5, longest=timedelta(minutes=10)),
)
async def pay_claim(
    claim: Claim, decision: Decision, payments: Annotated[PaymentsClient, Provided], clock: Annotated[Clock, Provided], job: JobContext
) -> Payment:
    """Pays the decided amount to the claimant, once.

    A ledger that is out of order is tried again by the engine; when this was the last try, a person takes over. An answer that cannot be true
    never goes that way: the money may be on its way, so it becomes an incident that somebody looks into.

    Raises:
        PaymentUnavailable: the ledger is out of order and no retries are left.
    """
    if decision.outcome != "approve" or not decision.amount:
        what = f"{decision.outcome}, amount {decision.amount}"
        raise JobFailed(f"claim {claim.claim_id} has nothing to pay ({what}): correct the variable 'decision'", retries=0)
    key = idempotency_key(job)
    order = PaymentOrder(claim_id=claim.claim_id, payee=claim.claimant.name, amount=decision.amount, requested_at=clock.now())
    try:
        with refusals_are_final():
            return await payments.pay(order, key=key)
    except SystemUnavailable as problem:
        if job.retries > 1:
            raise
        raise PaymentUnavailable(str(problem), key=key, maybe_booked=problem.reached) from problem


# Nobody waits for a reversal and nobody else can do it: a ledger that is out of order for a working day must not make it an incident.
@worker("reverse-payment", retries=RetryPolicy(back_off=timedelta(hours=2), factor=6, longest=timedelta(hours=12)))
async def reverse_payment(
    payment: Payment, payments: Annotated[PaymentsClient, Provided], clock: Annotated[Clock, Provided], job: JobContext
) -> dict[str, str]:
    """Takes a payment back after the claim was withdrawn; sets ``payment_reversed_at``."""
    with refusals_are_final():
        booking = await payments.reverse(payment, requested_at=clock.now(), key=idempotency_key(job))
    return {"payment_reversed_at": (booking.reversed_at or clock.now()).isoformat()}


def connect() -> PaymentsClient:
    """A client of the system whose address the environment names."""
    settings = ConnectorSettings()
    return PaymentsClient(settings.payments_url, timeout=settings.timeout_seconds)


router = Router(pay_claim, reverse_payment)
router.provide(PaymentsClient, connect)
router.provide(Clock, lambda: nullcontext(SystemClock()))
