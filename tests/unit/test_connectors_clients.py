"""What the connectors' clients make of answers, above all of wrong ones: never a silent success."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from connectors.claims import Payment
from connectors.documents.client import DocumentRequest, DocumentsClient
from connectors.errors import BadAnswer, ConnectorError, SystemRefused, SystemUnavailable
from connectors.http_client import MAX_ANSWER_BYTES
from connectors.notifications.client import Message, NotificationsClient
from connectors.payments.client import PaymentOrder, PaymentsClient
from connectors.policies.client import PoliciesClient
from connectors.settings import ConnectorSettings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = PaymentOrder(claim_id="CLM-000001", payee="Ada Abbott", amount=4500, requested_at=NOW)
BOOKING = {
    "payment_id": "PAY-000001",
    "idempotency_key": "1:2",
    "claim_id": "CLM-000001",
    "payee": "Ada Abbott",
    "amount": 4500,
    "booked_at": "2026-03-01T12:00:00+00:00",
    "state": "booked",
}
POLICY = {
    "number": "521585",
    "state": "OH",
    "bind_date": "2014-10-17",
    "lapsed_on": None,
    "status": "in_force",
    "csl": "250/500",
    "deductible": 1000,
    "annual_premium": 1407,
    "umbrella_limit": 0,
    "months_as_customer": 328,
    "holder": {
        "name": "Ada Abbott",
        "age": 48,
        "occupation": "craft-repair",
        "education": "MD",
        "relationship": "husband",
        "hobbies": "sleeping",
        "zip_code": "466132",
    },
}

Handler = Callable[[httpx.Request], httpx.Response]


def answering(
    status: int = 200, body: Any = None, *, content: bytes | None = None, media_type: str = "application/json"
) -> httpx.MockTransport:
    sent = content if content is not None else json.dumps(body).encode()
    return httpx.MockTransport(lambda request: httpx.Response(status, content=sent, headers={"content-type": media_type}))


async def pay(transport: httpx.AsyncBaseTransport) -> Payment:
    async with PaymentsClient("http://ledger.example", transport=transport) as client:
        return await client.pay(ORDER, key="1:2")


async def test_a_booking_becomes_a_payment_and_carries_the_idempotency_key() -> None:
    seen: list[httpx.Request] = []

    def ledger(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=BOOKING)

    payment = await pay(httpx.MockTransport(ledger))

    assert payment == Payment(payment_id="PAY-000001", amount=4500, paid_at=NOW)
    assert seen[0].headers["Idempotency-Key"] == "1:2"
    assert json.loads(seen[0].content)["amount"] == 4500


@pytest.mark.parametrize(
    ("transport", "text"),
    [
        (answering(body={**BOOKING, "amount": 4501}), "amount is 4501 instead of 4500"),
        (answering(body={**BOOKING, "amount": "4500"}), "amount: Input should be a valid integer"),
        (answering(body={**BOOKING, "amount": 4500.0}), "amount: Input should be a valid integer"),
        (answering(body={**BOOKING, "amount": True}), "amount: Input should be a valid integer"),
        (answering(body={**BOOKING, "payee": "Mallory"}), "payee is 'Mallory'"),
        (answering(body={**BOOKING, "claim_id": "CLM-000002"}), "claim_id is 'CLM-000002'"),
        (answering(body={**BOOKING, "idempotency_key": "9:9"}), "idempotency_key is '9:9'"),
        (answering(body={**BOOKING, "state": "reversed"}), "state is 'reversed'"),
        (answering(body={**BOOKING, "state": "pending"}), "state"),
        (answering(body={**BOOKING, "payment_id": ""}), "payment_id"),
        (answering(body={}), "payment_id: Field required"),
        (answering(body=[]), "Input should be an object"),
        (answering(body=None), "Input should be an object"),
        (answering(content=b""), "unusable body"),
        (answering(content=b'{"payment_id": "PAY-'), "Invalid JSON"),
        (answering(content=b"\xff\xfe"), "unusable body"),
        (answering(body={"error": "internal", "message": "oops"}), "reports an error: internal oops"),
        (answering(content=b"<html>sign in</html>", media_type="text/html"), "text/html instead of JSON: <html>sign in</html>"),
        (answering(status=204, content=b""), "answered 204, which it never should"),
        (answering(status=302, content=b""), "answered 302, which it never should"),
        (answering(status=404, content=b"Not Found", media_type="text/plain"), "not the system's own: Not Found"),
        (answering(content=b"[" * 100_000), "unusable body"),
        (answering(content=b" " * (MAX_ANSWER_BYTES + 1)), "answered more than"),
    ],
)
async def test_a_lie_is_a_bad_answer_that_names_the_system_and_the_lie(transport: httpx.MockTransport, text: str) -> None:
    with pytest.raises(BadAnswer, match="payments ledger") as lie:
        await pay(transport)
    assert text in str(lie.value)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_a_system_that_says_it_is_out_of_order_is_unavailable(status: int) -> None:
    with pytest.raises(SystemUnavailable, match=str(status)):
        await pay(answering(status, {"error": "down"}))


@pytest.mark.parametrize(
    ("error", "reached"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout(""), False),
        (httpx.PoolTimeout(""), False),
        (httpx.ReadTimeout(""), True),
        (httpx.RemoteProtocolError("closed"), True),
        (httpx.WriteError("reset"), True),
    ],
)
async def test_a_lost_answer_says_whether_the_request_may_have_arrived(error: Exception, reached: bool) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(SystemUnavailable) as lost:
        await pay(httpx.MockTransport(fail))
    assert lost.value.reached is reached


async def test_undecodable_compression_is_a_bad_answer() -> None:
    def ledger(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, headers={"content-encoding": "gzip", "content-type": "application/json"}, stream=httpx.ByteStream(b"no gzip")
        )

    with pytest.raises(BadAnswer, match="unreadable"):
        await pay(httpx.MockTransport(ledger))


async def test_a_refusal_carries_the_systems_reason() -> None:
    with pytest.raises(SystemRefused, match="refused with 409: key_reused used for 12 dollars") as refusal:
        await pay(answering(409, {"error": "key_reused", "message": "used for 12 dollars"}))
    assert refusal.value.status == 409


@pytest.mark.parametrize(
    "change", [{"amount": 1}, {"payment_id": "PAY-000002"}, {"state": "booked"}, {"reversed_at": None}, {"reversed_at": "yesterday"}]
)
async def test_a_reversal_must_be_of_this_payment_and_done(change: dict[str, Any]) -> None:
    body = {**BOOKING, "state": "reversed", "reversal_key": "1:3", "reversed_at": "2026-03-02T12:00:00Z", **change}
    payment = Payment(payment_id="PAY-000001", amount=4500, paid_at=NOW)
    async with PaymentsClient("http://ledger.example", transport=answering(body=body)) as client:
        with pytest.raises(BadAnswer):
            await client.reverse(payment, requested_at=NOW, key="1:3")


async def find(transport: httpx.AsyncBaseTransport, number: str = "521585") -> Any:
    async with PoliciesClient("http://policies.example/policies", transport=transport) as client:
        return await client.find(number)


async def test_a_policy_is_read_with_its_dates_and_holder() -> None:
    policy = await find(answering(body=POLICY))
    assert policy.bind_date == date(2014, 10, 17)
    assert policy.holder.name == "Ada Abbott"
    assert policy.gap_in_cover(date(2015, 1, 1)) is None
    assert "begins on 2014-10-17" in (policy.gap_in_cover(date(2014, 10, 16)) or "")


async def test_an_unknown_policy_is_none_only_when_the_system_itself_says_so() -> None:
    assert await find(answering(404, {"error": "unknown_policy", "message": "none"})) is None
    with pytest.raises(BadAnswer):
        await find(answering(404, content=b"<html>404</html>", media_type="text/html"))


@pytest.mark.parametrize(
    "change",
    [
        {"number": "999999"},
        {"status": "lapsed"},
        {"lapsed_on": "2015-01-01"},
        {"status": "lapsed", "lapsed_on": "2014-01-01"},
        {"deductible": "1000"},
        {"deductible": -1},
        {"umbrella_limit": None},
        {"bind_date": "17/10/2014"},
        {"status": "cancelled"},
        {"holder": None},
    ],
)
async def test_a_policy_that_cannot_be_true_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="policy administration"):
        await find(answering(body={**POLICY, **change}))


async def test_a_policy_number_is_one_path_segment_whatever_it_contains() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"error": "unknown_policy"})

    assert await find(httpx.MockTransport(answer), "../payments?x=1#y") is None
    assert seen == ["/policies/..%2Fpayments%3Fx%3D1%23y"]


async def test_papers_letters_and_money_of_another_claim_are_never_taken_for_this_ones() -> None:
    document = {
        "document_id": "DOC-1",
        "claim_id": "CLM-000002",
        "name": "photo",
        "media_type": "image/png",
        "received_at": "2026-03-01T12:00:00Z",
    }
    wanted = {"request_id": "REQ-1", "idempotency_key": "1:2", "claim_id": "CLM-000002", "wanted": ["photo"]}
    letter = {
        "notification_id": "NOT-1",
        "idempotency_key": "1:2",
        "claim_id": "CLM-000002",
        "to": "a@b.example",
        "template": "paid",
        "subject": "",
        "text": "",
        "queued_at": "2026-03-01T12:00:00Z",
    }
    async with DocumentsClient("http://d.example", transport=answering(body={"documents": [document], "requests": [wanted]})) as documents:
        with pytest.raises(BadAnswer, match="CLM-000002"):
            await documents.of_claim("CLM-000001")
        with pytest.raises(BadAnswer, match="CLM-000002"):
            await documents.requests("CLM-000001")
    async with DocumentsClient("http://d.example", transport=answering(201, wanted)) as documents:
        what = DocumentRequest(claim_id="CLM-000001", wanted=["photo"], requested_at=NOW)
        with pytest.raises(BadAnswer, match="CLM-000002"):
            await documents.request(what, key="1:2")
    async with NotificationsClient("http://n.example", transport=answering(body={"notifications": [letter]})) as notifications:
        with pytest.raises(BadAnswer, match="CLM-000002"):
            await notifications.outbox("CLM-000001")
    async with NotificationsClient("http://n.example", transport=answering(body=letter)) as notifications:
        message = Message(claim_id="CLM-000002", to="else@b.example", template="paid", subject="", text="", requested_at=NOW)
        with pytest.raises(BadAnswer, match=r"instead of 'paid' to else@b\.example"):
            await notifications.send(message, key="1:2")
    async with PaymentsClient("http://p.example", transport=answering(body={"payments": [BOOKING]})) as payments:
        with pytest.raises(BadAnswer, match="CLM-000001"):
            await payments.for_claim("CLM-000009")


def test_settings_come_from_the_environment_or_from_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMS_PAYMENTS_URL", "https://ledger.example/v1")
    assert ConnectorSettings().payments_url == "https://ledger.example/v1"
    assert ConnectorSettings.at("http://127.0.0.1:1/").payments_url == "http://127.0.0.1:1/payments"


def test_every_connector_error_names_its_system() -> None:
    for error in (SystemUnavailable("the ledger", "gone"), SystemRefused("the ledger", 400, "no"), BadAnswer("the ledger", "nonsense")):
        assert isinstance(error, ConnectorError)
        assert str(error).startswith("the ledger: ")
