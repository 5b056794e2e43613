"""Every path through the claims process, as a user of the kit writes it: each under 15 lines."""

from __future__ import annotations

import pytest

from camunda_workers.errors import InvalidState
from camunda_workers.testing import expect
from camunda_workers.worker import Denied, Failed
from tests.acceptance.claims.conftest import Claims

TOTAL_LOSS = {"incident_severity": "Total Loss", "incident_type": "Multi-vehicle Collision", "total_amount": 63400}


async def test_a_small_clear_claim_is_paid_straight_through(claims: Claims) -> None:
    paid = await claims.report()
    await claims.camunda.advance(hours=47)
    await expect(paid).to_be_waiting_at("payment-settled")
    await claims.camunda.advance(hours=1)
    await expect(paid).to_have_passed("check-policy", "score-fraud", "triage-claim", "approve-straight-through", "pay-claim", "claim-paid")
    await expect(paid).to_not_have_entered("assess-claim", "approve-payment", "pay-by-hand")
    await expect(paid).to_satisfy('decision.outcome = "approve" and decision.amount = 4570 and decision.decided_by = "triage"')
    await expect(paid).to_be_completed()
    assert claims.told() == ["paid"]


@pytest.mark.parametrize("different", [{"total_amount": 10001}, {"incident_severity": "Major Damage"}, {"total_amount": 500}])
async def test_large_risky_and_worthless_claims_go_to_a_person(claims: Claims, different: dict[str, object]) -> None:
    one = await claims.report(**different)
    await expect(one).to_be_waiting_at("assess-claim")
    await expect(one).to_not_have_entered("approve-straight-through")


async def test_10000_is_still_straight_through_and_needs_no_second_person(claims: Claims) -> None:
    one = await claims.report(total_amount=10000)
    await expect(one).to_have_passed("approve-straight-through", "pay-claim")
    claims.triage("assess")
    other = await claims.report(total_amount=20000)
    await claims.assess(other, "approve", amount=10000)
    await expect(other).to_have_taken("needs-second-approval-to-ready-to-pay")


async def test_triage_asks_for_a_person(claims: Claims) -> None:
    claims.triage("straight_through", needs_human=True)
    one = await claims.report()
    await claims.assess(one, "approve", amount=3000)
    await expect(one).to_have_taken("is-straight-through-to-ready-to-assess", "assessment-outcome-to-claim-approved")
    await expect(one).to_satisfy('decision.amount = 3000 and decision.decided_by = "assessor"')


async def test_triage_cannot_work(claims: Claims) -> None:
    claims.camunda.mock_job("triage-claim", throws="TRIAGE_UNAVAILABLE")
    one = await claims.report()
    await expect(one).to_have_passed("triage-unavailable", "ready-to-assess")
    await expect(one).to_be_waiting_at("assess-claim")


async def test_an_assessor_declines(claims: Claims) -> None:
    claims.triage("assess")
    one = await claims.report()
    await claims.assess(one, "decline")
    await expect(one).to_have_passed("assess-claim", "claim-refused", "tell-claimant-declined", "claim-declined")
    await expect(one).to_not_have_entered("pay-claim")
    await expect(one).to_be_completed()


async def test_documents_are_requested_and_received(claims: Claims) -> None:
    claims.triage("assess")
    one = await claims.report()
    await claims.assess(one, "request_documents")
    await expect(one).to_be_awaiting_message("documents-received", "CLM-000123")
    await claims.camunda.publish("documents-received", "CLM-000123")
    await claims.assess(one, "approve", amount=3000)
    await expect(one).to_have_passed("request-documents", "documents-received", "collect-documents", "assess-claim", "pay-claim")
    await expect(one).to_have_completed("assess-claim", times=2)


async def test_documents_never_arrive(claims: Claims) -> None:
    claims.triage("assess")
    one = await claims.report()
    await claims.assess(one, "request_documents")
    await claims.camunda.advance(days=6)
    await expect(one).to_not_have_entered("send-reminder")
    await claims.camunda.advance(days=9)
    await expect(one).to_have_completed("send-reminder", times=2)
    await claims.camunda.advance(days=7)
    await expect(one).to_have_passed("documents-not-sent", "documents-overdue", "claim-refused", "claim-declined")
    await expect(one).to_satisfy('decision.reason = "documents missing"')


async def test_above_10000_a_second_person_approves(claims: Claims) -> None:
    one = await claims.report(**TOTAL_LOSS)
    await claims.assess(one, "approve", amount=62900)
    await claims.approve(one, "approve")
    await expect(one).to_have_passed("approve-payment", "ready-to-pay", "pay-claim")
    assert claims.mocks["pay-claim"].last.variables["decision"]["amount"] == 62900
    events = [call.job.listener_event for call in claims.mocks["four-eyes"].calls]
    assert events == ["ASSIGNING", "COMPLETING"] * 2  # the assessment's, and the approval's


async def test_four_eyes(claims: Claims) -> None:
    one = await claims.report(**TOTAL_LOSS)
    await claims.assess(one, "approve", amount=62900)
    claims.mocks["four-eyes"].returns(Denied("the assessor may not approve"))
    with pytest.raises(InvalidState, match="the assessor may not approve"):
        await claims.approve(one, "approve", by="ada")
    await expect(one).to_be_waiting_at("approve-payment")


async def test_the_second_person_rejects(claims: Claims) -> None:
    one = await claims.report(**TOTAL_LOSS)
    await claims.assess(one, "approve", amount=62900)
    await claims.approve(one, "reject")
    await expect(one).to_have_passed("approve-payment", "claim-refused", "claim-declined")
    await expect(one).to_satisfy('decision.outcome = "decline" and decision.decided_by = "approver"')


async def test_the_second_person_sends_the_claim_back(claims: Claims) -> None:
    one = await claims.report(**TOTAL_LOSS)
    await claims.assess(one, "approve", amount=62900)
    await claims.approve(one, "send_back")
    await expect(one).to_have_passed("sent-back", "reassess", "back-to-assessment")
    await claims.assess(one, "approve", amount=9000)
    await expect(one).to_be_waiting_at("payment-settled")


async def test_payment_is_tried_again(claims: Claims) -> None:
    claims.mocks["pay-claim"].returns(Failed("timeout", 2), Failed("timeout", 1), {"payment": {"payment_id": "PAY-1"}})
    one = await claims.report()
    await expect(one).to_be_waiting_at("payment-settled")
    assert [call.job.retries for call in claims.mocks["pay-claim"].calls] == [3, 2, 1]


async def test_payment_fails_for_good(claims: Claims) -> None:
    claims.mocks["pay-claim"].returns(Failed("account closed", 0), {"payment": {"payment_id": "PAY-1"}})
    one = await claims.report()
    await expect(one).to_have_incident("pay-claim", error_type="JOB_NO_RETRIES", message="account closed")
    await claims.camunda.resolve_incident(one, "pay-claim")
    await expect(one).to_be_waiting_at("payment-settled")
    await expect(one).to_have_no_incident()


async def test_a_person_pays_when_the_payment_system_is_broken(claims: Claims) -> None:
    claims.camunda.mock_job("pay-claim", throws="PAYMENT_UNAVAILABLE")
    one = await claims.report()
    task = await claims.camunda.task(one, "pay-by-hand")
    await expect(task).to_have_candidate_groups("claims-payments")
    await task.complete(payment={"payment_id": "BANK-1", "amount": 4570})
    await claims.camunda.advance(hours=48)
    await expect(one).to_have_passed("payment-unavailable", "pay-by-hand", "claim-paid")


async def test_no_cover(claims: Claims) -> None:
    claims.camunda.mock_job("check-policy", throws="NO_COVER")
    one = await claims.report()
    await expect(one).to_have_passed("not-covered", "tell-not-covered", "claim-not-covered")
    await expect(one).to_not_have_entered("score-fraud", "triage-claim")
    assert claims.told() == ["not-covered"]


async def test_an_assessment_open_for_48_hours_is_escalated(claims: Claims) -> None:
    claims.triage("assess")
    one = await claims.report()
    await claims.camunda.advance(hours=47)
    await expect(one).to_not_have_entered("escalate-assessment")
    await claims.camunda.advance(hours=1.5)
    await expect(one).to_have_passed("assessment-overdue", "escalate-assessment", "assessment-escalated")
    await expect(one).to_be_waiting_at("assess-claim")
    assert claims.mocks["escalate-task"].last.headers == {"task": "assess-claim", "group": "claims-assessors"}


async def test_withdrawn_before_payment_nothing_is_reversed(claims: Claims) -> None:
    claims.triage("assess")
    one = await claims.report()
    await claims.camunda.publish("claim-withdrawn", "CLM-000123")
    await expect(one).to_have_terminated("assess-claim")
    await expect(one).to_be_completed()
    await expect(one).to_not_have_entered("reverse-payment", "pay-claim")
    assert claims.told() == ["withdrawn"]


async def test_withdrawn_after_payment_it_is_reversed(claims: Claims) -> None:
    one = await claims.report()
    await expect(one).to_be_waiting_at("payment-settled")
    await claims.camunda.publish("claim-withdrawn", "CLM-000123")
    await expect(one).to_have_passed("reverse-payment", "tell-withdrawn", "claim-withdrawn-end")
    await expect(one).to_not_have_entered("tell-claimant")
    assert claims.mocks["reverse-payment"].last.variables["payment"]["payment_id"] == "PAY-1"


async def test_withdrawn_after_a_payment_by_hand_it_is_reversed(claims: Claims) -> None:
    claims.camunda.mock_job("pay-claim", throws="PAYMENT_UNAVAILABLE")
    one = await claims.report()
    await (await claims.camunda.task(one, "pay-by-hand")).complete(payment={"payment_id": "BANK-1", "amount": 4570})
    await claims.camunda.publish("claim-withdrawn", "CLM-000123")
    await expect(one).to_have_passed("pay-by-hand", "reverse-payment", "claim-withdrawn-end")


async def test_the_fraud_rule_that_applied_is_known(claims: Claims) -> None:
    one = await claims.report()
    await expect(one).to_have_decided("fraud-score")
    await expect(one).to_satisfy('fraud.band = "low" and fraud.score <= 100')
