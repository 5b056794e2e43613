"""Workers of the notification service: ``tell-claimant``, ``send-reminder`` and ``escalate-task``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, Final

from camunda_workers import Header, JobContext, Provided, Router, worker
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import JobFailed
from connectors.claims import Claim, Decision
from connectors.documents.workers import documents_wanted
from connectors.jobs import idempotency_key, refusals_are_final
from connectors.notifications.client import Message, NotificationsClient
from connectors.notifications.templates import render
from connectors.settings import ConnectorSettings

_REASONS: Final[Mapping[str, str]] = {
    "assessed": "our assessment did not confirm it",
    "payment not approved": "our assessment did not confirm it",
    "documents missing": "the documents that we asked for did not arrive",
}
"""What claimants are told for which ``decision.reason``. What colleagues write to each other (``notes``) stays inside."""


@worker("tell-claimant")
async def tell_claimant(
    claim: Claim,
    notifications: Annotated[NotificationsClient, Provided],
    clock: Annotated[Clock, Provided],
    job: JobContext,
    template: Annotated[str, Header("template")] = "paid",
    decision: Decision | None = None,
    no_cover_reason: str | None = None,
) -> None:
    """Writes to the claimant how the claim ended; the task's header ``template`` says which letter."""
    amount = decision.amount if decision is not None else None
    reason = no_cover_reason or (_REASONS.get(decision.reason or "") if decision is not None else None)
    values = {**_of(claim), "amount": f"{amount or 0:,}", "reason": f"The reason: {reason}." if reason else ""}
    await _send(notifications, claim, claim.claimant.email, template, values, clock, job)


@worker("send-reminder")
async def send_reminder(
    claim: Claim, notifications: Annotated[NotificationsClient, Provided], clock: Annotated[Clock, Provided], job: JobContext
) -> None:
    """Reminds the claimant of the documents that are missing."""
    values = {**_of(claim), "documents": ", ".join(documents_wanted(claim))}
    await _send(notifications, claim, claim.claimant.email, "reminder", values, clock, job)


@worker("escalate-task")
async def escalate_task(
    claim: Claim,
    notifications: Annotated[NotificationsClient, Provided],
    clock: Annotated[Clock, Provided],
    job: JobContext,
    task: Annotated[str, Header("task")],
    group: Annotated[str, Header("group")],
) -> None:
    """Tells a group's lead that a task has been waiting too long."""
    values = {**_of(claim), "task": task, "group": group}
    await _send(notifications, claim, f"{group}-lead@insurer.example", "escalation", values, clock, job)


def _of(claim: Claim) -> dict[str, object]:
    return {
        "claim_id": claim.claim_id,
        "policy_number": claim.policy_number,
        "name": claim.claimant.name,
        "incident_date": claim.incident_date,
        "incident_type": claim.incident_type,
        "total_amount": f"{claim.total_amount:,}",
    }


async def _send(
    notifications: NotificationsClient, claim: Claim, to: str, template: str, values: dict[str, object], clock: Clock, job: JobContext
) -> None:
    try:
        letter = render(template, values)
    except ValueError as wrong:
        # A wrong header stays wrong: retrying would only delay the incident that makes somebody fix the diagram.
        raise JobFailed(f"element '{job.element_id}': {wrong}", retries=0) from wrong
    message = Message(claim_id=claim.claim_id, to=to, template=template, subject=letter.subject, text=letter.text, requested_at=clock.now())
    with refusals_are_final():
        await notifications.send(message, key=idempotency_key(job))


def connect() -> NotificationsClient:
    """A client of the system whose address the environment names."""
    settings = ConnectorSettings()
    return NotificationsClient(settings.notifications_url, timeout=settings.timeout_seconds)


router = Router(tell_claimant, send_reminder, escalate_task)
router.provide(NotificationsClient, connect)
router.provide(Clock, lambda: nullcontext(SystemClock()))
