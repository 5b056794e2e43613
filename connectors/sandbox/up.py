"""What ``camunda-workers up`` runs beside the workers here: the four systems of record, and some reported claims to work on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from camunda_workers.client import Client
from camunda_workers.clock import Clock
from connectors.documents.client import DocumentsClient
from connectors.documents.reports import file_report
from connectors.notifications.client import NotificationsClient
from connectors.payments.client import PaymentsClient
from connectors.policies.client import PoliciesClient
from connectors.sandbox.dataset import load, whole_weeks_until
from connectors.sandbox.office import PROCESS_ID
from connectors.sandbox.people import report
from connectors.sandbox.server import Sandbox

CLAIMS: Final = 24
"""Claims that are reported where none is yet."""


@asynccontextmanager
async def beside(*, client: Client, clock: Clock, data: Path | None) -> AsyncGenerator[tuple[str, dict[Any, object], Any]]:
    """Run the systems meanwhile.

    Args:
        client: an open client of the engine.
        clock: the engine's time.
        data: where to keep what the systems know; nothing is kept without it.

    Yields:
        A line on what runs where, what the workers are given, and a function to call once they run: reports claims if there are none.
    """
    dataset = load(shift=whole_weeks_until(clock.now(), load().sample(1)[0].claim.reported_at))
    async with AsyncExitStack() as stack:
        database = data / "sandbox.db" if data is not None else None
        sandbox = await stack.enter_async_context(Sandbox(dataset.policies, database=database))
        where = sandbox.settings
        resources: dict[Any, object] = {
            PoliciesClient: await stack.enter_async_context(PoliciesClient(where.policies_url)),
            PaymentsClient: await stack.enter_async_context(PaymentsClient(where.payments_url)),
            DocumentsClient: await stack.enter_async_context(DocumentsClient(where.documents_url)),
            NotificationsClient: await stack.enter_async_context(NotificationsClient(where.notifications_url)),
            Clock: clock,
        }

        async def report_claims() -> str:
            if await client.search_process_instances({"processDefinitionId": PROCESS_ID}, page={"limit": 1}):
                return ""
            for case in dataset.sample(CLAIMS):
                papers = [one.as_variable() for one in await file_report(client, case.claim, report(case.claim))]
                variables = {"claim": case.claim.model_dump(mode="json"), "claim_documents": papers}
                await client.start(PROCESS_ID, variables, business_id=case.claim.claim_id)
            return f"{CLAIMS} claims are reported"

        yield f"systems   {sandbox.address} (policies, payments, documents, notifications: a sandbox)", resources, report_claims
