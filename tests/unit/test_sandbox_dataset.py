"""The claims the demo runs on: split by time, label apart, everything added repeatable."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.sandbox.dataset import DATA, load, whole_weeks_until

DATASET = load()


def test_the_earlier_seventy_per_cent_are_history_and_the_later_thirty_run() -> None:
    assert (len(DATASET.history), len(DATASET.run)) == (700, 300)
    assert max(case.claim.incident_date for case in DATASET.history) <= min(case.claim.incident_date for case in DATASET.run)
    assert len({case.claim.claim_id for case in (*DATASET.history, *DATASET.run)}) == 1000


def test_the_label_is_in_neither_variables_nor_policies() -> None:
    for case in DATASET.run:
        text = json.dumps([case.claim.model_dump(mode="json"), case.policy.model_dump(mode="json")]).lower()
        assert "fraud" not in text
        assert "label" not in text
    assert {case.label for case in DATASET.run} == {"Y", "N"}


def test_the_start_variable_has_exactly_the_agreed_fields() -> None:
    claim = DATASET.run[0].claim.model_dump(mode="json")
    assert set(claim) == {
        "claim_id", "policy_number", "reported_at", "incident_date", "incident_type", "collision_type", "incident_severity",
        "authorities_contacted", "incident_state", "incident_city", "incident_hour", "vehicles_involved", "property_damage", "bodily_injuries",
        "witnesses", "police_report", "total_amount", "injury_amount", "property_amount", "vehicle_amount", "vehicle", "claimant",
    }  # fmt: skip
    assert claim["total_amount"] == claim["injury_amount"] + claim["property_amount"] + claim["vehicle_amount"]


def test_a_row_is_read_as_it_is_in_the_file() -> None:
    (case,) = [case for case in (*DATASET.history, *DATASET.run) if case.claim.claim_id == "CLM-000001"]
    assert case.claim.policy_number == "521585"
    assert case.claim.total_amount == 71610
    assert case.claim.incident_date.isoformat() == "2015-01-25"
    assert (case.policy.deductible, case.policy.annual_premium, case.label) == (1000, 1407, "Y")


def test_some_policies_lapsed_and_one_began_too_late() -> None:
    gaps = [gap for case in (*DATASET.history, *DATASET.run) if (gap := case.policy.gap_in_cover(case.claim.incident_date)) is not None]
    assert 40 <= len(gaps) <= 80
    assert sum("begins on" in gap for gap in gaps) == 1
    assert all(case.policy.umbrella_limit >= 0 for case in DATASET.history)


def test_a_sample_is_spread_over_the_whole_time_and_has_small_and_large_claims() -> None:
    sample = DATASET.sample(40)
    assert len({case.claim.claim_id for case in sample}) == 40
    assert list(sample) == sorted(sample, key=lambda case: case.claim.reported_at)
    assert sample[-1].claim.reported_at - sample[0].claim.reported_at > timedelta(days=14)
    assert any(case.claim.total_amount <= 10_000 for case in sample)
    assert any(case.policy.gap_in_cover(case.claim.incident_date) for case in sample)
    assert DATASET.sample(300) == DATASET.run


@pytest.mark.parametrize("cases", [0, -1, 301])
def test_a_sample_that_is_not_there_is_refused(cases: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and 300 cases, not {cases}"):
        DATASET.sample(cases)


def test_moving_all_dates_changes_nothing_but_the_dates() -> None:
    weeks = timedelta(weeks=600)
    moved = load(shift=weeks)
    for before, after in zip((*DATASET.history, *DATASET.run), (*moved.history, *moved.run), strict=True):
        assert after.claim.claim_id == before.claim.claim_id
        assert after.claim.reported_at - before.claim.reported_at == weeks
        assert after.claim.incident_date - after.policy.bind_date == before.claim.incident_date - before.policy.bind_date
        assert (after.policy.gap_in_cover(after.claim.incident_date) is None) == (
            before.policy.gap_in_cover(before.claim.incident_date) is None
        )
        assert after.claim.reported_at.weekday() == before.claim.reported_at.weekday()
        assert after.claim.vehicle.year - before.claim.vehicle.year == 11


def test_the_first_claim_is_reported_within_a_week_from_now() -> None:
    first = datetime(2015, 2, 13, 2, 35, tzinfo=UTC)
    for now in (first, first + timedelta(days=3), datetime(2026, 11, 23, 11, tzinfo=UTC), first - timedelta(days=20)):
        moved = first + whole_weeks_until(now, first)
        assert timedelta(0) <= moved - now < timedelta(weeks=1)
        assert moved.weekday() == first.weekday()


def test_the_provenance_note_names_the_file_as_it_is() -> None:
    note = (DATA.parent / "PROVENANCE.md").read_text(encoding="utf-8")
    assert hashlib.sha256(DATA.read_bytes()).hexdigest() in note
    assert "CC BY 4.0" in note
