"""Every path through the claims process, told as data: what happens to a claim, and where it must end.

A story names no engine and no client. A driver starts `claim` with `variables` and the business id `claim.claim_id`, does the steps
one after the other (each waits until the job, task or subscription is there) and then compares what the engine recorded. Together
the stories name every sequence flow of the diagram (`tests/unit/test_claims_resources.py` checks that without an engine), save those
out of the event-based gateway: the engine does not record them as taken, the event that follows tells.
"""

from __future__ import annotations

from typing import Any

from tests.acceptance.story import Advance, AssignTask, CompleteJob, CompleteTask, FailJob, Publish, ResolveIncident, Story, ThrowError


def claim(**changes: Any) -> dict[str, Any]:
    """Return the start variables of a small, clear claim of low risk, with `changes` to the claim."""
    facts: dict[str, Any] = {
        "claim_id": "CLM-000123", "policy_number": "342868", "reported_at": "2015-01-22T08:30:00Z", "incident_date": "2015-01-21",
        "incident_type": "Parked Car", "collision_type": "?", "incident_severity": "Minor Damage", "authorities_contacted": "Police",
        "incident_state": "VA", "incident_city": "Riverwood", "incident_hour": 8, "vehicles_involved": 1, "property_damage": "NO",
        "bodily_injuries": 0, "witnesses": 1, "police_report": "YES", "total_amount": 5070, "injury_amount": 780, "property_amount": 780,
        "vehicle_amount": 3510, "vehicle": {"make": "Mercedes", "model": "E400", "year": 2007},
        "claimant": {"name": "Ada Keller", "email": "ada.keller@example.org"},
    }  # fmt: skip
    return {"claim": facts | changes}


POLICY = {
    "policy": {
        "number": "342868", "state": "IN", "bind_date": "2006-06-27", "deductible": 500, "annual_premium": 1197.22, "umbrella_limit": 0,
        "months_as_customer": 228, "holder": {"name": "Ada Keller"}, "status": "active",
    }
}  # fmt: skip
SMALL, LARGE = claim(), claim(incident_severity="Total Loss", incident_type="Multi-vehicle Collision", total_amount=63400)
DOCUMENTS = {"documents": [{"name": "repair-invoice.pdf"}]}
PAID = {"payment": {"payment_id": "PAY-1", "amount": 4570, "paid_at": "2015-01-23T10:00:00Z"}}
PAID_BY_HAND = {"payment": {"payment_id": "BANK-0001", "amount": 3000, "paid_at": "2015-01-23T10:00+00:00"}}


def triage(route: str, *, needs_human: bool = False) -> CompleteJob:
    """Return the answer of the AI task."""
    answer = {
        "route": route,
        "confidence": 0.91,
        "rationale": "Alike claims were paid.",
        "cited_fields": ["incident_severity"],
        "strategy": "scripted",
    }
    return CompleteJob("triage-claim", "triage-claim", {"triage": answer | {"needs_human": needs_human}})


def assess(outcome: str, amount: int | None = None) -> CompleteTask:
    """Return what the form claims.assess-claim submits: the amount only when the claim is approved."""
    paid = {} if amount is None else {"amount": amount}
    return CompleteTask("assess-claim", {"assessment": {"outcome": outcome, "notes": "Seen the file.", **paid}}, listener="four-eyes")


def approval(outcome: str) -> CompleteTask:
    """Return what the form claims.approve-payment submits."""
    return CompleteTask("approve-payment", {"approval": {"outcome": outcome, "notes": "Seen the assessment."}}, listener="four-eyes")


CHECKED = CompleteJob("check-policy", "check-policy", POLICY)
TO_A_PERSON = (CHECKED, triage("assess"))
STRAIGHT = (CHECKED, triage("straight_through"))
PAY = CompleteJob("pay-claim", "pay-claim", PAID)
SETTLE = (Advance(48), CompleteJob("tell-claimant", "tell-claimant"))
DECLINED = CompleteJob("tell-claimant-declined", "tell-claimant")
ASKED = CompleteJob("request-documents", "request-documents")
ADA_TAKES_IT = AssignTask("assess-claim", "ada", listener="four-eyes")
BEN_TAKES_IT = AssignTask("approve-payment", "ben", listener="four-eyes")
REVERSE, CONFIRM = CompleteJob("reverse-payment", "reverse-payment"), CompleteJob("tell-withdrawn", "tell-claimant")
WITHDRAWN_FLOWS = ("claim-withdrawn-to-payment-undone", "payment-undone-to-tell-withdrawn", "tell-withdrawn-to-claim-withdrawn-end")
PAID_FLOWS = ("payment-ordered-to-payment-settled", "payment-settled-to-tell-claimant", "tell-claimant-to-claim-paid")
NO_PEOPLE = ("assess-claim", "approve-payment", "pay-by-hand")

STORIES: tuple[Story, ...] = (
    Story(
        "a small, clear claim is paid straight through", SMALL, (*STRAIGHT, PAY, *SETTLE), "claim-paid",
        (
            "claim-received-to-check-policy", "check-policy-to-score-fraud", "score-fraud-to-triage-claim", "triage-claim-to-is-straight-through",
            "is-straight-through-to-approve-straight-through", "approve-straight-through-to-claim-approved",
            "claim-approved-to-needs-second-approval", "needs-second-approval-to-ready-to-pay", "ready-to-pay-to-pay-claim",
            "pay-claim-to-payment-ordered", *PAID_FLOWS,
        ),
        NO_PEOPLE, {"outcome": "approve", "amount": 4570, "decided_by": "triage"},
    ),
    Story(
        "triage asks for a person", SMALL, (CHECKED, triage("straight_through", needs_human=True), assess("approve", 3000), PAY, *SETTLE),
        "claim-paid",
        (
            "is-straight-through-to-ready-to-assess", "ready-to-assess-to-assess-claim", "assess-claim-to-assessment-outcome",
            "assessment-outcome-to-claim-approved", "needs-second-approval-to-ready-to-pay", *PAID_FLOWS,
        ),
        ("approve-payment", "approve-straight-through"), {"outcome": "approve", "amount": 3000, "decided_by": "assessor"},
    ),
    Story(
        "a claim above 10,000 is never straight-through", LARGE, (*STRAIGHT, assess("decline"), DECLINED), "claim-declined",
        ("is-straight-through-to-ready-to-assess",), ("approve-straight-through", "pay-claim"),
    ),
    Story(
        "a claim of higher fraud risk is never straight-through", claim(incident_severity="Major Damage"),
        (*STRAIGHT, assess("decline"), DECLINED), "claim-declined", ("is-straight-through-to-ready-to-assess",), ("approve-straight-through",),
    ),
    Story(
        "a claim below the deductible is never straight-through", claim(total_amount=400), (*STRAIGHT, assess("decline"), DECLINED),
        "claim-declined", ("is-straight-through-to-ready-to-assess",), ("approve-straight-through", "pay-claim"),
    ),
    Story(
        "triage cannot work, a person assesses", SMALL,
        (CHECKED, ThrowError("triage-claim", "triage-claim", "TRIAGE_UNAVAILABLE"), assess("approve", 3000), PAY, *SETTLE), "claim-paid",
        ("triage-unavailable-to-ready-to-assess", "ready-to-assess-to-assess-claim", *PAID_FLOWS), ("is-straight-through",),
    ),
    Story(
        "an assessor declines", SMALL, (*TO_A_PERSON, assess("decline"), DECLINED), "claim-declined",
        ("assessment-outcome-to-claim-refused", "claim-refused-to-tell-claimant-declined", "tell-claimant-declined-to-claim-declined"),
        ("pay-claim",), {"outcome": "decline", "amount": 0, "decided_by": "assessor"},
    ),
    Story(
        "documents are requested and received", SMALL,
        (
            *TO_A_PERSON, assess("request_documents"), ASKED, Publish("documents-received"),
            CompleteJob("collect-documents", "collect-documents", DOCUMENTS), assess("approve", 3000), PAY, *SETTLE,
        ),
        "claim-paid",
        (
            "assessment-outcome-to-collect-missing-documents", "documents-missing-to-request-documents",
            "request-documents-to-documents-asked-for", "documents-asked-for-to-wait-for-documents",
            "documents-received-to-collect-documents", "collect-documents-to-documents-collected",
            "collect-missing-documents-to-back-to-assessment", "back-to-assessment-to-ready-to-assess", "assessment-outcome-to-claim-approved",
        ),
        ("send-reminder", "tell-claimant-declined"),
    ),
    Story(
        "documents arrive after a reminder", SMALL,
        (
            *TO_A_PERSON, assess("request_documents"), ASKED, Advance(7 * 24), CompleteJob("send-reminder", "send-reminder"), Advance(24),
            Publish("documents-received"), CompleteJob("collect-documents", "collect-documents", DOCUMENTS), assess("decline"), DECLINED,
        ),
        "claim-declined",
        (
            "week-passed-to-reminded-twice", "reminded-twice-to-send-reminder", "send-reminder-to-documents-asked-for",
            "documents-received-to-collect-documents", "assessment-outcome-to-claim-refused",
        ),
        ("documents-not-sent", "pay-claim"),
    ),
    Story(
        "documents never arrive: two reminders, then declined", SMALL,
        (
            *TO_A_PERSON, assess("request_documents"), ASKED, Advance(7 * 24), CompleteJob("send-reminder", "send-reminder"), Advance(7 * 24),
            CompleteJob("send-reminder", "send-reminder"), Advance(7 * 24), DECLINED,
        ),
        "claim-declined",
        (
            "reminded-twice-to-send-reminder", "reminded-twice-to-send-reminder", "reminded-twice-to-documents-not-sent",
            "documents-overdue-to-claim-refused",
        ),
        ("collect-documents", "pay-claim"), {"outcome": "decline", "amount": 0, "decided_by": "process", "reason": "documents missing"},
    ),
    Story(
        "above 10,000 a second person approves", LARGE,
        (*TO_A_PERSON, ADA_TAKES_IT, assess("approve", 62900), BEN_TAKES_IT, approval("approve"), PAY, *SETTLE), "claim-paid",
        (
            "needs-second-approval-to-approve-payment", "approve-payment-to-approval-outcome", "approval-outcome-to-ready-to-pay",
            "ready-to-pay-to-pay-claim",
        ),
        ("pay-by-hand",), {"outcome": "approve", "amount": 62900, "decided_by": "assessor"},
    ),
    Story(
        "four eyes: the assessor may neither take nor complete the approval", LARGE,
        (
            *TO_A_PERSON, ADA_TAKES_IT, assess("approve", 62900),
            AssignTask("approve-payment", "ada", listener="four-eyes", denied="the assessor may not approve"),
            CompleteTask(
                "approve-payment", {"approval": {"outcome": "approve", "notes": "Mine."}}, listener="four-eyes", denied="the assessor may not approve"
            ),
            BEN_TAKES_IT, approval("approve"), PAY, *SETTLE,
        ),
        "claim-paid", ("approval-outcome-to-ready-to-pay",),
    ),
    Story(
        "the second person rejects", LARGE, (*TO_A_PERSON, assess("approve", 62900), BEN_TAKES_IT, approval("reject"), DECLINED), "claim-declined",
        ("approval-outcome-to-claim-refused", "claim-refused-to-tell-claimant-declined"), ("pay-claim",),
        {"outcome": "decline", "decided_by": "approver"},
    ),
    Story(
        "the second person sends the claim back", LARGE,
        (*TO_A_PERSON, assess("approve", 62900), BEN_TAKES_IT, approval("send_back"), assess("approve", 9000), PAY, *SETTLE), "claim-paid",
        (
            "approval-outcome-to-sent-back", "reassess-to-back-to-assessment", "back-to-assessment-to-ready-to-assess",
            "assessment-outcome-to-claim-approved", "needs-second-approval-to-ready-to-pay",
        ),
        (), {"outcome": "approve", "amount": 9000},
    ),
    Story(
        "payment is tried again and works", SMALL,
        (*STRAIGHT, FailJob("pay-claim", "pay-claim", 2, "timeout"), FailJob("pay-claim", "pay-claim", 1, "timeout"), PAY, *SETTLE), "claim-paid",
        ("pay-claim-to-payment-ordered",), ("pay-by-hand",),
    ),
    Story(
        "payment fails for good: an incident, then resolved", SMALL,
        (*STRAIGHT, FailJob("pay-claim", "pay-claim", 0, "account closed"), ResolveIncident("pay-claim"), PAY, *SETTLE), "claim-paid",
        ("pay-claim-to-payment-ordered",), ("pay-by-hand",),
    ),
    Story(
        "the payment system is broken: a person pays", SMALL,
        (*STRAIGHT, ThrowError("pay-claim", "pay-claim", "PAYMENT_UNAVAILABLE"), CompleteTask("pay-by-hand", PAID_BY_HAND), *SETTLE), "claim-paid",
        ("payment-unavailable-to-pay-by-hand", "pay-by-hand-to-payment-ordered", *PAID_FLOWS),
    ),
    Story(
        "no cover", SMALL, (ThrowError("check-policy", "check-policy", "NO_COVER"), CompleteJob("tell-not-covered", "tell-claimant")),
        "claim-not-covered", ("not-covered-to-tell-not-covered", "tell-not-covered-to-claim-not-covered"), ("score-fraud", "triage-claim"),
    ),
    Story(
        "an assessment open for 48 hours is escalated and goes on", SMALL,
        (
            *TO_A_PERSON, Advance(47), Advance(1.5), CompleteJob("escalate-assessment", "escalate-task"), assess("approve", 3000), PAY, *SETTLE,
        ),
        "claim-paid",
        ("assessment-overdue-to-escalate-assessment", "escalate-assessment-to-assessment-escalated", "assess-claim-to-assessment-outcome"),
    ),
    Story(
        "withdrawn while it is assessed: nothing to reverse", SMALL, (*TO_A_PERSON, Publish("claim-withdrawn"), CONFIRM), "claim-withdrawn-end",
        WITHDRAWN_FLOWS, ("reverse-payment", "pay-claim", "claim-paid"),
    ),
    Story(
        "withdrawn while documents are awaited", SMALL,
        (*TO_A_PERSON, assess("request_documents"), ASKED, Publish("claim-withdrawn"), CONFIRM), "claim-withdrawn-end",
        WITHDRAWN_FLOWS, ("reverse-payment", "collect-documents"),
    ),
    Story(
        "withdrawn after the payment: it is reversed", SMALL, (*STRAIGHT, PAY, Publish("claim-withdrawn"), REVERSE, CONFIRM),
        "claim-withdrawn-end", ("pay-claim-to-payment-ordered", *WITHDRAWN_FLOWS), ("tell-claimant", "claim-paid"),
    ),
    Story(
        "withdrawn after a payment by hand: it is reversed", SMALL,
        (
            *STRAIGHT, ThrowError("pay-claim", "pay-claim", "PAYMENT_UNAVAILABLE"), CompleteTask("pay-by-hand", PAID_BY_HAND),
            Publish("claim-withdrawn"), REVERSE, CONFIRM,
        ),
        "claim-withdrawn-end", ("pay-by-hand-to-payment-ordered", *WITHDRAWN_FLOWS), ("tell-claimant", "claim-paid"),
    ),
    Story(
        "withdrawn while a person pays: nothing to reverse", SMALL,
        (*STRAIGHT, ThrowError("pay-claim", "pay-claim", "PAYMENT_UNAVAILABLE"), Publish("claim-withdrawn"), CONFIRM), "claim-withdrawn-end",
        ("payment-unavailable-to-pay-by-hand", *WITHDRAWN_FLOWS), ("reverse-payment", "payment-ordered"),
    ),
)  # fmt: skip
