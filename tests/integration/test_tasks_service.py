"""The task service with the claims process on Camunda's real engine: work, rules, drafts, delegation, and every way around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from camunda_workers.errors import InvalidState, NotFound, PermissionDenied
from camunda_workers.tasks import Caller, DutyDenied, FormRejected, Outdated, TaskClosed, TaskTaken
from camunda_workers.tasks.store.delegations import Delegation
from tests.support.tasks_ground import ASSESSORS, Ground, office, person

pytestmark = pytest.mark.engine

APPROVED = {"approval": {"outcome": "approve", "notes": "fine"}}
AMELIA, BEN, GRACE, DMITRI, EMMA, LEA = map(person, ("amelia", "ben", "grace", "dmitri", "emma", "lea"))


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with office(tmp_path / "files") as running:
        yield running


async def test_a_claim_is_assessed_and_approved_by_two_people(ground: Ground) -> None:
    claim_id = await ground.reported()
    task = await ground.task(claim_id, "assess-claim")
    assert [one.key for one in await ground.tasks.list(AMELIA, "team")] == [task.key]
    assert await ground.tasks.list(DMITRI) == []
    await ground.tasks.claim(AMELIA, task.key)
    assert [one.key for one in await ground.tasks.list(AMELIA, "mine")] == [task.key]
    page = await ground.tasks.show(AMELIA, task.key)
    assert (page.business_id, page.form.form_id if page.form else None) == (claim_id, "claims.assess-claim")
    assert page.variables["assessment"] == {"amount": 24_000}
    with pytest.raises(FormRejected) as wrong:
        await ground.tasks.complete(AMELIA, task.key, {"assessment": {"outcome": "maybe", "amount": 0.5, "notes": "x"}})
    assert set(wrong.value.problems) == {"assessment.outcome", "assessment.amount", "assessment.notes"}
    done = await ground.tasks.complete(AMELIA, task.key, {"assessment": {"outcome": "approve", "amount": 23_000, "notes": "plausible"}})
    assert done.variables == {"assessment": {"outcome": "approve", "amount": 23_000, "notes": "plausible"}}
    approval = await ground.task(claim_id, "approve-payment")
    await ground.tasks.claim(DMITRI, approval.key)
    await ground.tasks.complete(DMITRI, approval.key, APPROVED)
    with pytest.raises(TaskClosed, match="by dmitri"):
        await ground.tasks.complete(DMITRI, approval.key, APPROVED)
    facts = await ground.tasks.store.ledger.facts(approval.key)
    assert [fact.kind for fact in facts if not fact.kind.startswith("duty.")] == ["task.claimed", "task.completed"]
    through = {(fact.data["action"], fact.data["through"]) for fact in facts if fact.kind == "duty.decided"}
    assert through == {("assign", "service"), ("assign", "listener"), ("complete", "service"), ("complete", "listener")}


async def test_who_assessed_is_denied_in_the_service_and_over_the_bare_api(ground: Ground) -> None:
    claim_id = await ground.reported()
    approval = await ground.assessed(claim_id, "grace")
    with pytest.raises(DutyDenied, match="grace already completed 'assess-claim'"):
        await ground.tasks.claim(GRACE, approval.key)
    for account in ("grace", "Grace ", "grace.admin", "ｇｒａｃｅ"):
        with pytest.raises(InvalidState, match="already completed 'assess-claim'"):
            await ground.client.assign_user_task(approval.key, account)
    with pytest.raises(InvalidState, match="somebody has to have the task"):
        await ground.client.complete_user_task(approval.key, APPROVED)
    explained, _ = await ground.tasks.explain(LEA, approval.key, "grace.admin")
    assert not explained.allowed
    assert [(reason.rule, reason.kind) for reason in explained.denials] == [("assess and approve", "separate")]
    assert (await ground.tasks.explain(LEA, approval.key, "dmitri"))[1].allowed
    denials = [fact for fact in await ground.tasks.store.ledger.facts(approval.key, kind="duty.decided") if not fact.data["allowed"]]
    assert len(denials) == 1 + 4 + 1
    assert all(fact.data["reasons"] for fact in denials)


async def test_of_two_who_claim_at_once_one_wins_and_the_other_is_told(ground: Ground) -> None:
    task = await ground.task(await ground.reported(), "assess-claim")
    results = await asyncio.gather(*(ground.tasks.claim(who, task.key) for who in (AMELIA, BEN, GRACE)), return_exceptions=True)
    lost = [one for one in results if isinstance(one, TaskTaken)]
    assert len(lost) == 2, results
    winner = (await ground.client.get_user_task(task.key)).assignee
    assert {one.by for one in lost} == {winner}
    with pytest.raises(TaskTaken, match=f"{winner} has it"):
        await ground.tasks.complete(BEN if winner == "amelia" else AMELIA, task.key, {})


async def test_of_two_who_complete_at_once_one_wins(ground: Ground) -> None:
    task = await ground.task(await ground.reported(), "assess-claim")
    await ground.tasks.claim(AMELIA, task.key)
    entered = {"assessment": {"outcome": "decline", "amount": None, "notes": "does not fit"}}
    results = await asyncio.gather(*(ground.tasks.complete(AMELIA, task.key, entered) for _ in range(3)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in results) == 1, results
    assert all(isinstance(one, TaskClosed | InvalidState) for one in results if isinstance(one, BaseException))


async def test_a_delegate_works_and_the_owner_completes(ground: Ground) -> None:
    claim_id = await ground.reported()
    task = await ground.task(claim_id, "assess-claim")
    await ground.tasks.claim(AMELIA, task.key)
    assert (await ground.tasks.delegate(AMELIA, task.key, "ben", note="you know the garage")).assignee == "ben"
    assert [one.key for one in await ground.tasks.list(AMELIA, "delegated")] == [task.key]
    with pytest.raises(TaskTaken, match="ben has it"):
        await ground.tasks.complete(AMELIA, task.key, {})
    with pytest.raises(InvalidState, match="hand it back"):
        await ground.tasks.complete(BEN, task.key, {"assessment": {"outcome": "decline", "notes": "no way"}})
    await ground.tasks.save_draft(BEN, task.key, {"assessment": {"outcome": "approve", "amount": 5, "notes": "from ben"}})
    await ground.tasks.resolve(BEN, task.key, note="looked at it")
    draft = await ground.tasks.draft(AMELIA, task.key)
    assert draft is not None
    await ground.tasks.complete(AMELIA, task.key, {"assessment": {"outcome": "approve", "amount": 22_000, "notes": "with ben"}})
    approval = await ground.task(claim_id, "approve-payment")
    # Both had a part in the assessment: neither approves.
    for name in ("amelia", "ben"):
        with pytest.raises(InvalidState, match="already completed 'assess-claim'"):
            await ground.client.assign_user_task(approval.key, name)


async def test_delegation_does_not_walk_around_four_eyes(ground: Ground) -> None:
    claim_id = await ground.reported()
    approval = await ground.assessed(claim_id, "grace")
    await ground.tasks.claim(DMITRI, approval.key)
    with pytest.raises(DutyDenied, match="grace"):
        await ground.tasks.delegate(DMITRI, approval.key, "grace")
    assert (await ground.client.get_user_task(approval.key)).assignee == "dmitri"
    assert await ground.tasks.store.delegations.of([approval.key]) == []
    await ground.tasks.delegate(DMITRI, approval.key, "emma")
    (out,) = await ground.tasks.store.delegations.of([approval.key])
    assert isinstance(out, Delegation)
    assert (out.owner, out.delegate, out.state) == ("dmitri", "emma", "OPEN")
    assert (await ground.tasks.unclaim(EMMA, approval.key)).assignee == "dmitri"


async def test_a_substitute_acts_for_who_is_away_and_the_rules_look_at_both(ground: Ground) -> None:
    now = ground.engine.now()
    first, second = await ground.reported(), await ground.reported()
    by_grace, by_amelia = await ground.assessed(first, "grace"), await ground.assessed(second, "amelia")
    await ground.tasks.absent(DMITRI, "dmitri", "grace", now - timedelta(hours=1), now + timedelta(days=3))
    # Whoever assigns the task to somebody away, over whatever way: the listener hands it on, or says why not.
    await ground.client.assign_user_task(by_amelia.key, "dmitri")
    assert (await ground.client.get_user_task(by_amelia.key)).assignee == "grace"
    with pytest.raises(InvalidState, match="grace already completed 'assess-claim'"):
        await ground.client.assign_user_task(by_grace.key, "dmitri")
    done = await ground.tasks.complete(GRACE, by_amelia.key, APPROVED)
    assert done.state == "completed"
    facts = await ground.tasks.store.ledger.facts(by_amelia.key, kind="duty.decided")
    assert facts[-1].data["behalf"] == ["dmitri"]
    # Somebody else's hands do not make it somebody else's eyes.
    await ground.tasks.absent(GRACE, "grace", "emma", now - timedelta(hours=1), now + timedelta(days=3))
    with pytest.raises(InvalidState, match="grace, for whom emma would act, already completed 'assess-claim'"):
        await ground.client.assign_user_task(by_grace.key, "grace")
    (hers, _) = sorted(await ground.tasks.absences(GRACE), key=lambda one: one.person != "grace")
    await ground.tasks.back(GRACE, hers.id)
    # Back at the desk, tasks stay with whoever gets them.
    (absence,) = await ground.tasks.absences(GRACE)
    await ground.tasks.back(DMITRI, absence.id)
    await ground.client.assign_user_task(by_grace.key, "dmitri")
    assert (await ground.client.get_user_task(by_grace.key)).assignee == "dmitri"


async def test_a_substitute_takes_over_what_lies_on_an_empty_desk(ground: Ground) -> None:
    now = ground.engine.now()
    task = await ground.task(await ground.reported(), "assess-claim")
    await ground.tasks.claim(AMELIA, task.key)
    with pytest.raises(PermissionDenied, match="stand in for"):
        await ground.tasks.take_over(BEN, task.key)
    await ground.tasks.absent(LEA, "amelia", "ben", now, now + timedelta(days=3))
    assert [one.key for one in await ground.tasks.list(BEN, "standing-in")] == [task.key]
    assert [one.key for one in await ground.tasks.list(BEN)] == [task.key]
    assert await ground.tasks.list(GRACE, "standing-in") == []
    assert (await ground.tasks.take_over(BEN, task.key)).assignee == "ben"
    await ground.tasks.complete(BEN, task.key, {"assessment": {"outcome": "decline", "notes": "does not fit"}})


async def test_drafts_comments_and_escalation(ground: Ground) -> None:
    task = await ground.task(await ground.reported(), "assess-claim")
    await ground.tasks.claim(AMELIA, task.key)
    assert await ground.tasks.save_draft(AMELIA, task.key, {"assessment": {"notes": "one"}}, revision=0) == 1
    assert await ground.tasks.save_draft(AMELIA, task.key, {"assessment": {"notes": "two"}}, revision=1) == 2
    with pytest.raises(Outdated, match="revision 2"):
        await ground.tasks.save_draft(AMELIA, task.key, {"assessment": {"notes": "other tab"}}, revision=1)
    with pytest.raises(TaskTaken):
        await ground.tasks.save_draft(BEN, task.key, {})
    await ground.tasks.comment(AMELIA, task.key, "what do you think, @grace? (not you, @dmitri; mail x@y.example)")
    assert [(one.recipient, one.kind) for one in await ground.tasks.outbox.take(ground.engine.now())] == [("grace", "mentioned")]
    raised = await ground.tasks.escalate(AMELIA, task.key, "the claimant calls daily")
    assert (raised.priority, raised.candidate_groups) == (90, [ASSESSORS, "claims-leads"])
    page = await ground.tasks.show(LEA, task.key)
    assert [one.text for one in page.comments][-1] == "the claimant calls daily"
    await ground.tasks.complete(AMELIA, task.key, {"assessment": {"outcome": "decline", "notes": "does not fit"}})
    assert await ground.tasks.store.drafts.get(task.key, "amelia") is None


async def test_others_and_other_tenants_see_nothing(ground: Ground) -> None:
    task = await ground.task(await ground.reported(), "assess-claim")
    stranger = Caller("mallory", frozenset({"visitors"}))
    for call in (
        ground.tasks.show(stranger, task.key),
        ground.tasks.claim(stranger, task.key),
        ground.tasks.comment(stranger, task.key, "hi"),
    ):
        with pytest.raises(PermissionDenied, match="claims-assessors"):
            await call
    self_made = Caller("mallory", frozenset({"claims-leads"}), source="said")
    with pytest.raises(PermissionDenied):
        await ground.tasks.assign(self_made, task.key, "mallory")
    foreign = Caller("amelia", frozenset({ASSESSORS}), tenants=frozenset({"another"}))
    with pytest.raises(NotFound, match=str(task.key)):
        await ground.tasks.show(foreign, task.key)
    assert await ground.tasks.list(foreign) == []
    await ground.tasks.claim(AMELIA, task.key)
    with pytest.raises(TaskTaken):
        await ground.tasks.assign(BEN, task.key, "ben")
    assert (await ground.tasks.assign(LEA, task.key, "ben", seen="amelia")).assignee == "ben"
    with pytest.raises(TaskTaken, match="ben has it"):
        await ground.tasks.assign(LEA, task.key, "grace", seen="amelia")
