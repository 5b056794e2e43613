"""The demo as a whole on a fresh engine: everything ends, nothing is paid twice, letters say what happened."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from camunda_workers.app import run_locally
from camunda_workers.settings import Settings
from connectors.sandbox.demo import MISHAPS, OUTAGE_LASTS, run
from connectors.sandbox.results import JSON_FIELDS, DemoProgress
from connectors.sandbox.store import Store
from connectors.sandbox.tally import Tally

pytestmark = pytest.mark.engine

LETTERS = {"paid": "paid", "paid_straight_through": "paid", "declined": "declined", "not_covered": "not-covered", "withdrawn": "withdrawn"}


@pytest.mark.timeout(180)
async def test_forty_claims_run_to_their_end(tmp_path: Path) -> None:
    steps: list[DemoProgress] = []
    async with run_locally(Settings()) as local:
        result = await run(
            client=local.client, engine=local.engine, log=local.log, cases=40, report=steps.append, sandbox_file=tmp_path / "sandbox.db"
        )
        found = await local.client.search_process_instances({"processDefinitionId": "claim"}, page={"limit": 100})
        keys = {instance.process_instance_key: instance.business_id or "" for instance in found}
        tally = Tally(list(keys))
        async for record in local.log.records():
            tally.fold(record)
            if record.value_type == "VARIABLE":
                # The label must not be in any variable of any process, under any name.
                assert "fraud_reported" not in record.text

    assert tuple(result.as_json()) == JSON_FIELDS
    assert (result.started, result.completed, result.incidents, result.active) == (40, 40, 0, 0)
    assert len(result.outcomes) >= 4
    assert sum(result.outcomes.values()) == 40
    assert result.straight_through_rate > 0
    assert result.human_tasks > 30
    assert result.escalations > 0
    assert result.four_eyes_denials > 0
    assert result.second_approvals > 0
    assert result.payments_by_hand > 0
    assert result.payments_reversed > 0
    assert result.ai_decisions == 40 - result.outcomes["not_covered"]
    assert result.label_agreement is not None
    assert result.label_agreement > 0.6
    assert result.cycle_hours_p50 is not None
    assert result.cycle_hours_p95 is not None
    assert result.cycle_hours_p50 < result.cycle_hours_p95
    assert result.virtual_days > 14
    assert result.wall_seconds < 60
    assert result.most_eventful in result.business_ids
    assert (steps[-1].started, steps[-1].ended) == (40, 40)
    assert tally.outcomes == result.outcomes

    store = Store(tmp_path / "sandbox.db")
    try:
        effects = store.effects()
        assert all(one["effects"] == 1 for one in effects if one["system"] in ("payments", "reversals") and one["attempts"])
        # The mishaps happened: some payment was ordered more than once and still made once.
        assert any(one["attempts"] > 1 for one in effects if one["system"] == "payments")
        told: Counter[str] = Counter()
        for key, claim_id in keys.items():
            letters = [row["template"] for row in store.of_claim("outbox", claim_id)]
            outcome = tally.instances[key].outcome
            assert outcome is not None
            assert letters[-1] == LETTERS[outcome], claim_id
            told.update(letters)
            booked = store.of_claim("payments", claim_id)
            assert len(booked) <= 1, f"{claim_id} was paid twice"
            assert bool([row for row in booked if row["reversal_key"] is None]) == outcome.startswith("paid"), claim_id
    finally:
        store.close()
    assert told["escalation"] == result.escalations
    assert told["reminder"] > 0


@pytest.mark.timeout(60)
async def test_one_claim_is_a_demo_too() -> None:
    async with run_locally(Settings()) as local:
        result = await run(client=local.client, engine=local.engine, log=local.log, cases=1)
    assert (result.started, result.completed) == (1, 1)


async def test_more_claims_than_there_are_is_said_before_anything_starts() -> None:
    async with run_locally(Settings()) as local:
        with pytest.raises(ValueError, match="between 1 and 300"):
            await run(client=local.client, engine=local.engine, log=local.log, cases=301)


def test_no_mishap_can_use_up_a_jobs_tries() -> None:
    assert all(fault.calls == 1 for _, _, fault in MISHAPS)
    assert timedelta(hours=9) < OUTAGE_LASTS
