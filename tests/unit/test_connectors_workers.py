"""The connectors' workers as functions: what they return, and which failure becomes which outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from camunda_workers import JobContext
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import JobFailed
from connectors.claims import Decision, Payment
from connectors.documents.workers import documents_wanted
from connectors.errors import BadAnswer, SystemUnavailable
from connectors.notifications.client import NotificationsClient
from connectors.notifications.templates import TEMPLATES, render
from connectors.notifications.workers import escalate_task, send_reminder, tell_claimant
from connectors.payments.client import PaymentsClient
from connectors.payments.workers import PaymentUnavailable, pay_claim, reverse_payment
from connectors.policies.client import PoliciesClient
from connectors.policies.workers import NoCover, check_policy
from connectors.sandbox.dataset import Case, load

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CASE = next(case for case in load().run if case.policy.gap_in_cover(case.claim.incident_date) is None)
LAPSED = next(case for case in load().run if case.policy.gap_in_cover(case.claim.incident_date) is not None)


class FixedClock:
    def now(self) -> datetime:
        return NOW


class NoGateway:
    async def update_job_timeout(self, job_key: int, timeout: timedelta) -> None:
        raise AssertionError("not expected here")


def job(*, retries: int = 3, element: str = "pay-claim") -> JobContext:
    activated = pb.ActivatedJob(key=7, processInstanceKey=11, elementInstanceKey=22, elementId=element, retries=retries)
    return JobContext(activated, gateway=NoGateway(), timeout=timedelta(minutes=1))


Answer = Callable[[httpx.Request], httpx.Response]


def policies(answer: Answer) -> PoliciesClient:
    return PoliciesClient("http://policies.example", transport=httpx.MockTransport(answer))


def payments(answer: Answer) -> PaymentsClient:
    return PaymentsClient("http://payments.example", transport=httpx.MockTransport(answer))


def always(status: int, body: Any) -> Answer:
    return lambda request: httpx.Response(status, json=body)


def policy_of(case: Case) -> Answer:
    return lambda request: httpx.Response(200, json=case.policy.model_dump(mode="json"))


async def test_a_covered_claim_gets_its_policy() -> None:
    async with policies(policy_of(CASE)) as client:
        assert await check_policy(CASE.claim, client) == CASE.policy


async def test_a_lapsed_policy_is_no_cover_with_a_reason_for_the_letter() -> None:
    async with policies(policy_of(LAPSED)) as client:
        with pytest.raises(NoCover, match="lapsed on") as error:
            await check_policy(LAPSED.claim, client)
    assert error.value.code == "NO_COVER"
    assert "lapsed on" in error.value.variables["no_cover_reason"]


async def test_an_unknown_policy_is_no_cover() -> None:
    async with policies(always(404, {"error": "unknown_policy"})) as client:
        with pytest.raises(NoCover, match="there is no policy"):
            await check_policy(CASE.claim, client)


async def test_a_refusal_is_final() -> None:
    async with policies(always(403, {"error": "forbidden"})) as client:
        with pytest.raises(JobFailed, match="policy administration: refused with 403") as error:
            await check_policy(CASE.claim, client)
    assert error.value.retries == 0


def booking(request: httpx.Request) -> httpx.Response:
    order = json.loads(request.content)
    shown = {name: order[name] for name in ("claim_id", "payee", "amount")}
    key = request.headers["Idempotency-Key"]
    booked = {"payment_id": "PAY-000001", "idempotency_key": key, "booked_at": order["requested_at"], "state": "booked"}
    return httpx.Response(201, json={**shown, **booked})


APPROVED = Decision(outcome="approve", amount=4500, decided_by="triage")


async def test_a_payment_is_made_now_under_the_element_instances_key() -> None:
    keys: list[str] = []

    def ledger(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return booking(request)

    async with payments(ledger) as client:
        payment = await pay_claim(CASE.claim, APPROVED, client, FixedClock(), job())
    assert payment == Payment(payment_id="PAY-000001", amount=4500, paid_at=NOW)
    assert keys == ["11:22"]


@pytest.mark.parametrize("decision", [Decision(outcome="decline"), Decision(outcome="approve"), Decision(outcome="approve", amount=0)])
async def test_nothing_to_pay_is_never_paid(decision: Decision) -> None:
    async with payments(booking) as client:
        with pytest.raises(JobFailed, match="nothing to pay") as error:
            await pay_claim(CASE.claim, decision, client, FixedClock(), job())
    assert error.value.retries == 0


async def test_a_broken_ledger_is_tried_again_and_given_to_a_person_at_the_last_try() -> None:
    async with payments(always(503, {"error": "down"})) as client:
        for retries in (3, 2):
            with pytest.raises(SystemUnavailable):
                await pay_claim(CASE.claim, APPROVED, client, FixedClock(), job(retries=retries))
        with pytest.raises(PaymentUnavailable) as error:
            await pay_claim(CASE.claim, APPROVED, client, FixedClock(), job(retries=1))
    problem = error.value.variables["payment_problem"]
    assert problem["idempotency_key"] == "11:22"
    assert problem["maybe_booked"] is True
    assert "503" in problem["reason"]


async def test_a_lying_ledger_is_never_handed_to_a_clerk_who_would_pay_again() -> None:
    async with payments(always(200, {"error": "internal"})) as client:
        with pytest.raises(BadAnswer):
            await pay_claim(CASE.claim, APPROVED, client, FixedClock(), job(retries=1))


async def test_a_payment_is_reversed_whole() -> None:
    payment = Payment(payment_id="PAY-000001", amount=4500, paid_at=NOW)

    def ledger(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/PAY-000001/reversal"
        body = {
            "payment_id": "PAY-000001",
            "idempotency_key": "1:2",
            "claim_id": "c",
            "payee": "p",
            "amount": 4500,
            "booked_at": NOW.isoformat(),
        }
        return httpx.Response(200, json={**body, "state": "reversed", "reversed_at": NOW.isoformat()})

    async with payments(ledger) as client:
        assert await reverse_payment(payment, client, FixedClock(), job()) == {"payment_reversed_at": NOW.isoformat()}


class Post:
    """A notification service that takes everything."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        message = json.loads(request.content)
        key = request.headers["Idempotency-Key"]
        self.taken.append(message)
        receipt = {name: message[name] for name in ("claim_id", "to", "template")}
        return httpx.Response(201, json={"notification_id": "NOT-000001", "idempotency_key": key, **receipt})

    def client(self) -> NotificationsClient:
        return NotificationsClient("http://post.example", transport=httpx.MockTransport(self))


async def test_letters_say_what_happened() -> None:
    post = Post()
    claim = CASE.claim
    async with post.client() as client:
        await tell_claimant(claim, client, FixedClock(), job(), "paid", Decision(outcome="approve", amount=12_345))
        await tell_claimant(claim, client, FixedClock(), job(), "declined", Decision(outcome="decline", reason="documents missing"))
        await tell_claimant(claim, client, FixedClock(), job(), "not-covered", None, "policy 1 lapsed")
        await tell_claimant(claim, client, FixedClock(), job(), "withdrawn")
        await tell_claimant(claim, client, FixedClock(), job(), "declined", Decision(outcome="decline", reason="assessed", notes="a liar"))
        await send_reminder(claim, client, FixedClock(), job())
        await escalate_task(claim, client, FixedClock(), job(), "Assess claim", "claims-assessors")
    texts = [message["text"] for message in post.taken]
    assert "a liar" not in texts.pop(4), "what colleagues note is not for the claimant"
    assert "12,345 dollars" in texts[0]
    assert "The reason: the documents that we asked for did not arrive." in texts[1]
    assert "policy 1 lapsed" in texts[2]
    assert "closed your claim" in texts[3]
    assert "repair estimate" in texts[4]
    assert "waiting for 48 hours\nin the group claims-assessors" in texts[5]
    assert [message["to"] for message in post.taken] == [claim.claimant.email] * 6 + ["claims-assessors-lead@insurer.example"]


async def test_an_unknown_template_is_final_and_names_the_element() -> None:
    async with Post().client() as client:
        with pytest.raises(JobFailed, match="element 'tell-claimant': there is no template 'invoice'") as error:
            await tell_claimant(CASE.claim, client, FixedClock(), job(element="tell-claimant"), "invoice")
    assert error.value.retries == 0


def test_values_in_letters_stay_text() -> None:
    values = dict.fromkeys(("claim_id", "incident_date", "incident_type", "amount"), "x")
    letter = render("paid", {**values, "claim_id": "1\r\nBcc: all@b.example", "name": "$amount {0}"})
    assert letter.subject == "Your claim 1 Bcc: all@b.example is paid"
    assert "Dear $amount {0}," in letter.text


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ValueError, match="template 'paid' needs a value for 'amount'"):
        render("paid", {"claim_id": "x", "name": "x", "incident_date": "x", "incident_type": "x"})
    assert "escalation" in TEMPLATES


def test_what_is_asked_for_depends_on_the_claim() -> None:
    theft = CASE.claim.model_copy(update={"incident_type": "Vehicle Theft", "police_report": "YES", "bodily_injuries": 0})
    hurt = CASE.claim.model_copy(update={"incident_type": "Parked Car", "police_report": "YES", "bodily_injuries": 2})
    assert documents_wanted(theft) == ["repair estimate", "photos of the damage", "police report"]
    assert documents_wanted(hurt) == ["repair estimate", "photos of the damage", "medical report"]
