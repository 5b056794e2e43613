"""The sandbox over real HTTP, and the clients against it: each fault it knows, and one effect for each key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from camunda_workers.errors import ConfigurationError
from connectors.documents.client import DocumentRequest, DocumentsClient, Upload
from connectors.errors import BadAnswer, ConnectorError, SystemRefused, SystemUnavailable
from connectors.notifications.client import Message, NotificationsClient
from connectors.payments.client import PaymentOrder, PaymentsClient
from connectors.policies.client import PoliciesClient
from connectors.sandbox.dataset import load
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import Sandbox

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = load().run[0].policy
ORDER = PaymentOrder(claim_id="CLM-000001", payee="Ada Abbott", amount=4500, requested_at=NOW)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox([POLICY]) as running:
        yield running


@pytest.fixture
async def ledger(sandbox: Sandbox) -> AsyncIterator[PaymentsClient]:
    async with PaymentsClient(sandbox.settings.payments_url, timeout=0.5) as client:
        yield client


async def effects(sandbox: Sandbox) -> dict[tuple[str, str], tuple[int, int]]:
    async with httpx.AsyncClient(base_url=sandbox.address) as http:
        found = (await http.get("/admin/effects")).json()["effects"]
    return {(one["system"], one["idempotency_key"]): (one["attempts"], one["effects"]) for one in found}


async def test_a_policy_comes_back_as_it_was_put_in(sandbox: Sandbox) -> None:
    async with PoliciesClient(sandbox.settings.policies_url) as client:
        assert await client.find(POLICY.number) == POLICY
        assert await client.find("no-such") is None


async def test_one_key_is_one_payment_however_often_it_is_ordered(sandbox: Sandbox, ledger: PaymentsClient) -> None:
    later = ORDER.model_copy(update={"requested_at": datetime(2026, 3, 9, tzinfo=UTC)})
    orders = await asyncio.gather(*(ledger.pay(order, key="1:2") for order in (ORDER, later) * 10))
    assert len({payment.payment_id for payment in orders}) == 1
    assert len({payment.paid_at for payment in orders}) == 1
    assert len(await ledger.for_claim("CLM-000001")) == 1
    assert (await effects(sandbox))["payments", "1:2"] == (20, 1)


async def test_a_key_is_not_reused_for_another_payment(ledger: PaymentsClient) -> None:
    await ledger.pay(ORDER, key="1:2")
    with pytest.raises(SystemRefused, match="key_reused 1:2 was used before with another amount"):
        await ledger.pay(ORDER.model_copy(update={"amount": 9}), key="1:2")


async def test_a_reversal_happens_once(sandbox: Sandbox, ledger: PaymentsClient) -> None:
    payment = await ledger.pay(ORDER, key="1:2")
    first = await ledger.reverse(payment, requested_at=NOW, key="1:3")
    again = await ledger.reverse(payment, requested_at=datetime(2026, 4, 1, tzinfo=UTC), key="1:3")
    assert first == again
    assert (await ledger.for_claim("CLM-000001"))[0].state == "reversed"
    assert (await effects(sandbox))["reversals", "1:3"] == (2, 1)
    with pytest.raises(SystemRefused, match="unknown_payment"):
        await ledger.reverse(payment.model_copy(update={"payment_id": "PAY-999999"}), requested_at=NOW, key="1:4")
    with pytest.raises(SystemRefused, match="unknown_payment"):
        await ledger.reverse(payment.model_copy(update={"amount": 1}), requested_at=NOW, key="1:5")


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        (Fault(kind="status", calls=1), SystemUnavailable, False),
        (Fault(kind="status", status=429, calls=1), SystemUnavailable, False),
        (Fault(kind="html", calls=1), BadAnswer, False),
        (Fault(kind="error-in-200", calls=1), BadAnswer, False),
        (Fault(kind="timeout", calls=1), SystemUnavailable, False),
        (Fault(kind="slow", seconds=2, calls=1), SystemUnavailable, False),
        (Fault(kind="malformed", calls=1), BadAnswer, True),
        (Fault(kind="wrong", calls=1), BadAnswer, True),
        (Fault(kind="wrong", values={"payee": "Mallory"}, calls=1), BadAnswer, True),
        (Fault(kind="lost-reply", calls=1), SystemUnavailable, True),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_every_fault_is_a_clear_failure_and_the_second_try_pays_once(
    sandbox: Sandbox, ledger: PaymentsClient, fault: Fault, error: type[ConnectorError], done: bool
) -> None:
    sandbox.faults.add("payments", fault)
    with pytest.raises(error, match="payments ledger"):
        await ledger.pay(ORDER, key="1:2")
    assert len(await ledger.for_claim("CLM-000001")) == int(done)
    payment = await ledger.pay(ORDER, key="1:2")
    assert (payment.amount, payment.paid_at) == (4500, NOW)
    assert (await effects(sandbox))["payments", "1:2"][1] == 1


async def test_a_slow_answer_in_time_is_a_good_answer(sandbox: Sandbox, ledger: PaymentsClient) -> None:
    sandbox.faults.add("payments", Fault(kind="slow", seconds=0.05))
    assert (await ledger.pay(ORDER, key="1:2")).amount == 4500


async def test_documents_are_asked_for_sent_and_listed(sandbox: Sandbox) -> None:
    async with DocumentsClient(sandbox.settings.documents_url) as store:
        what = DocumentRequest(claim_id="CLM-000001", wanted=["repair estimate", "photos"], requested_at=NOW)
        first = await store.request(what, key="1:2")
        assert await store.request(what, key="1:2") == first
        assert [request.wanted for request in await store.requests("CLM-000001")] == [["repair estimate", "photos"]]
        upload = Upload(claim_id="CLM-000001", name="photos", media_type="text/plain", text="a dent", received_at=NOW)
        sent = await store.upload(upload, key="u1")
        assert await store.of_claim("CLM-000001") == [sent]
        assert await store.of_claim("CLM-000002") == []


async def test_letters_wait_in_the_outbox(sandbox: Sandbox) -> None:
    async with NotificationsClient(sandbox.settings.notifications_url) as post:
        message = Message(claim_id="CLM-000001", to="a@b.example", template="paid", subject="Paid", text="Dear …", requested_at=NOW)
        first = await post.send(message, key="1:2")
        assert await post.send(message, key="1:2") == first
        (letter,) = await post.outbox("CLM-000001")
        assert (letter.subject, letter.text, letter.queued_at) == ("Paid", "Dear …", NOW)


async def test_the_admin_endpoint_breaks_and_repairs(sandbox: Sandbox, ledger: PaymentsClient) -> None:
    async with httpx.AsyncClient(base_url=sandbox.address) as http:
        told = await http.post("/admin/faults/payments", json={"kind": "status", "status": 500})
        assert told.json()["payments"][0]["status"] == 500
        with pytest.raises(SystemUnavailable, match="500"):
            await ledger.pay(ORDER, key="1:2")
        assert (await http.delete("/admin/faults")).json() == {"policies": [], "payments": [], "documents": [], "notifications": []}
        assert (await ledger.pay(ORDER, key="1:2")).amount == 4500
        assert (await http.post("/admin/faults/printer", json={"kind": "slow"})).status_code == 404
        assert (await http.post("/admin/faults/payments", json={"kind": "evil"})).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "key", "content", "status", "error"),
    [
        ("POST", "/payments", "x", b"{}", 422, "invalid_request"),
        ("POST", "/payments", "x", b"no json", 422, "invalid_request"),
        ("POST", "/payments", "", ORDER.model_dump_json().encode(), 400, "missing_key"),
        ("POST", "/payments", "x" * 201, ORDER.model_dump_json().encode(), 400, "missing_key"),
        ("POST", "/payments", "x", ORDER.model_dump_json().replace("4500", "-1").encode(), 422, "invalid_request"),
        ("POST", "/notifications", "x", b"[" * 50_000, 422, "invalid_request"),
        ("POST", "/documents", "x", b" " * (1024 * 1024 + 1), 413, "too_large"),
        ("GET", "/payments", "", b"", 400, "missing_parameter"),
        ("GET", "/payments?claim_id=' OR 1=1 --", "", b"", 200, None),
    ],
)
async def test_bad_requests_are_refused_with_a_reason(
    sandbox: Sandbox, method: str, path: str, key: str, content: bytes, status: int, error: str | None
) -> None:
    async with httpx.AsyncClient(base_url=sandbox.address) as http:
        answer = await http.request(method, path, headers={"Idempotency-Key": key}, content=content)
    assert answer.status_code == status
    assert answer.json().get("error") == error


async def test_what_is_in_the_file_outlives_the_server(tmp_path: Path) -> None:
    for _ in range(2):
        async with Sandbox([POLICY], database=tmp_path / "sandbox.db") as sandbox, PaymentsClient(sandbox.settings.payments_url) as ledger:
            await ledger.pay(ORDER, key="1:2")
            assert len(await ledger.for_claim("CLM-000001")) == 1


async def test_a_call_that_is_never_answered_does_not_keep_the_sandbox_from_stopping() -> None:
    async with asyncio.timeout(10):
        async with Sandbox() as sandbox:
            sandbox.faults.add("payments", Fault(kind="timeout"))
            waiting = asyncio.create_task(httpx.AsyncClient().get(f"{sandbox.address}/payments", timeout=60))
            await asyncio.sleep(0.05)
        # Cut off one way or the other, but never answered as if it had worked.
        with contextlib.suppress(httpx.TransportError):
            assert (await waiting).status_code >= 500


async def test_a_taken_port_is_named(sandbox: Sandbox) -> None:
    port = int(sandbox.address.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"the sandbox's port {port} is taken"):
        await Sandbox(port=port).__aenter__()


async def test_it_runs_as_a_program_until_it_is_interrupted() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.sandbox", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        ready = json.loads(await asyncio.wait_for(program.stdout.readline(), 20))
        async with PoliciesClient(ready["policies_url"]) as client:
            assert await client.find(POLICY.number) == POLICY
    finally:
        program.terminate()
        assert await asyncio.wait_for(program.wait(), 10) == 0
