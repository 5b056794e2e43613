"""The claims process on a fresh engine, every service mocked to work as on an ordinary day; a test changes what is different."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.testing import CamundaTest, Instance, MockJob
from tests.acceptance.claims_stories import DOCUMENTS, PAID, POLICY, claim

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, before the root's conftest decides what this machine can run."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.engine)


@dataclass
class Claims:
    """The claims department of one test."""

    camunda: CamundaTest
    mocks: dict[str, MockJob]

    async def report(self, **changes: Any) -> Instance:
        """Report a small, clear claim, with changes."""
        return await self.camunda.start("claim", claim(**changes), business_id="CLM-000123")

    def triage(self, route: str, **more: Any) -> None:
        """What the AI task says."""
        answer: dict[str, Any] = {
            "route": route,
            "confidence": 0.9,
            "rationale": "Alike claims were paid.",
            "cited_fields": [],
            "strategy": "mock",
            "needs_human": False,
        }
        self.mocks["triage-claim"].returns({"triage": answer | more})

    async def assess(self, one: Instance, outcome: str, *, by: str = "ada", **more: Any) -> None:
        """A person assesses the claim."""
        task = await self.camunda.task(one, "assess-claim")
        await task.assign(by)
        await task.complete(assessment={"outcome": outcome, "notes": "Seen the file.", **more})

    async def approve(self, one: Instance, outcome: str, *, by: str = "ben") -> None:
        """A second person approves the payment, or does not."""
        task = await self.camunda.task(one, "approve-payment")
        await task.assign(by)
        await task.complete(approval={"outcome": outcome, "notes": "Seen the assessment."})

    def told(self) -> list[str]:
        """The templates of the letters that were sent."""
        return [call.headers["template"] for call in self.mocks["tell-claimant"].calls]


@pytest.fixture
async def claims(camunda: CamundaTest) -> Claims:
    """The claims process, ready."""
    await camunda.deploy(ROOT / "bpmn" / "claims", ROOT / "forms")
    answers: dict[str, Any] = {
        "check-policy": POLICY, "triage-claim": None, "pay-claim": PAID, "collect-documents": DOCUMENTS, "tell-claimant": None,
        "request-documents": None, "send-reminder": None, "reverse-payment": None, "escalate-task": None, "four-eyes": None,
    }  # fmt: skip
    ready = Claims(camunda, {job_type: camunda.mock_job(job_type, returns=answer) for job_type, answer in answers.items()})
    ready.triage("straight_through")
    return ready
