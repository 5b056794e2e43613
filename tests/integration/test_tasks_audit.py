"""Tasks that were completed without a listener's leave: found in the log, recorded once, and told from those that were allowed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.client import Resource
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.audit_running import AuditTrail, auditing
from camunda_workers.tasks.duties.deployed import DeployedDiagrams
from tests.support.tasks_ground import DUTIES, ROOT, Ground, office

pytestmark = pytest.mark.engine

CLAIMS = ROOT / "bpmn" / "claims" / "claims.bpmn"
RULES = DutiesSection.model_validate(
    DUTIES.model_dump()
    | {
        "limits": [{"name": "payments", "tasks": ["approve-payment"], "amount": "decision.amount", "limits": {"claims-approvers": 50_000}}],
        "conflicts": [{"name": "own claim", "tasks": ["assess-claim", "approve-payment"], "subject": ["claim.claimant.email"]}],
    }
)
APPROVAL = {"approval": {"outcome": "approve", "notes": "Agreed."}}


def without_listeners() -> Resource:
    """The claims process as somebody drew it who does not know of the rules."""
    content, removed = re.subn(rb"<zeebe:taskListeners>.*?</zeebe:taskListeners>", b"", CLAIMS.read_bytes(), flags=re.DOTALL)
    assert removed
    return Resource(CLAIMS.name, content)


async def worked_on(
    ground: Ground, assessor: str, approver: str, *, amount: int = 24_000, claimed: int = 25_000, more: Mapping[str, Any] | None = None
) -> int:
    """Have a claim assessed and approved over the bare REST API; the key of the approval."""
    claim_id = await ground.reported(amount=claimed)
    assess = await ground.task(claim_id, "assess-claim")
    await ground.client.assign_user_task(assess.key, assessor)
    await ground.client.complete_user_task(assess.key, {"assessment": {"outcome": "approve", "amount": amount, "notes": "plausible"}})
    approve = await ground.task(claim_id, "approve-payment")
    await ground.client.assign_user_task(approve.key, approver)
    await ground.client.complete_user_task(approve.key, {**APPROVAL, **(more or {})})
    return approve.key


async def test_what_went_around_the_rules_is_found_and_recorded_once(tmp_path: Path) -> None:
    async with office(tmp_path, RULES) as ground:
        store = ground.tasks.store
        allowed = await worked_on(ground, "amelia", "dmitri")
        diagrams = DeployedDiagrams(RULES)
        assert await diagrams.problems(await ground.engine.read_model()) == {}
        await ground.client.deploy(without_listeners())
        (problem,) = (await diagrams.problems(await ground.engine.read_model())).items()
        assert problem[0] == "diagram 'claim', version 2"
        assert "task 'approve-payment': rule 'assess and approve' is not enforced" in problem[1]

        async with auditing(RULES, ground.log, store, clock=ground.engine.clock):
            unasked = await worked_on(ground, "amelia", "dmitri")
            same = await worked_on(ground, "grace", "Grace.Admin ")
            large = await worked_on(ground, "amelia", "dmitri", amount=70_000, claimed=72_000)
            small = await worked_on(ground, "amelia", "dmitri", amount=70_000, claimed=72_000, more={"decision": {"amount": 1}})
            unknown = await worked_on(ground, "amelia", "somebody")
            async with asyncio.timeout(20):
                while not await store.ledger.facts(unknown, kind="duty.violated"):
                    await asyncio.sleep(0.02)
        found = {key: [one.data for one in await store.ledger.facts(key, kind="duty.violated")] for key in (allowed, unasked)}
        assert found == {allowed: [], unasked: []}
        said = {}
        for key in (same, large, small, unknown):
            (fact,) = await store.ledger.facts(key, kind="duty.violated")
            said[key] = [one["text"] for one in fact.data["reasons"] if not one["allowed"]]
        assert said == {
            same: ["Grace.Admin  already completed 'assess-claim': somebody else has to decide here"],
            large: ["dmitri may decide on up to 50,000, and this is 70,000"],
            small: ["dmitri may decide on up to 50,000, and this is 70,000"],
            unknown: ["it is not known in which groups somebody is"],
        }

        # In the log, too: chained, each once, however often somebody looks, and what was looked at is not looked at again.
        async with auditing(RULES, ground.log, store, clock=ground.engine.clock):
            pass
        again = await AuditTrail(RULES, ground.log, store).everything()
        assert [one.completed.key for one in again] == [same, large, small, unknown]
        facts = [one async for one in ground.log.records(partition=0, value_types={"POLICY_DECISION"})]
        violated = [one for one in facts if one.intent == "VIOLATED"]
        assert [one.key for one in violated] == [same, large, small, unknown]
        assert [one.value["completions"] for one in facts if one.intent == "AUDITED"] == [12]
        assert violated[0].value["content"]["user"] == "Grace.Admin "
        assert (await verify_log(ground.log)).good
