"""The fold that tells what an engine waits for."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_workers.engine.embedded.horizon import Horizon
from camunda_workers.engine.embedded.wiring import TIMEOUT_CHECK_MS

JOB = {"type": "work", "retries": 3, "retryBackoff": 0, "recurringTime": -1, "deadline": -1}


def created(horizon: Horizon, key: int = 1) -> None:
    horizon.apply("JOB", "CREATED", key, JOB)


def activated(horizon: Horizon, key: int = 1, deadline: int = 5_000) -> None:
    horizon.apply("JOB_BATCH", "ACTIVATED", -1, {"type": "work", "jobKeys": [key], "jobs": [{**JOB, "deadline": deadline}]})


def test_a_timer_is_due_until_it_has_fired_or_gone() -> None:
    horizon = Horizon()
    for key, due in ((1, 300), (2, 100), (3, 200)):
        horizon.apply("TIMER", "CREATED", key, {"dueDate": due})
    assert horizon.next_due() == 100
    assert horizon.due_by(200) == [("timer", 2), ("timer", 3)]
    horizon.apply("TIMER", "TRIGGERED", 2, {})
    horizon.apply("TIMER", "CANCELED", 3, {})
    assert horizon.next_due() == 300


def test_a_job_is_free_then_held_then_gone() -> None:
    horizon = Horizon()
    created(horizon)
    assert horizon.busy(["work"]) == {1: "work"}
    assert horizon.busy(["other"]) == {}
    activated(horizon)
    assert horizon.busy([]) == {1: "work"}
    assert horizon.next_due() == 5_000 + TIMEOUT_CHECK_MS
    horizon.apply("JOB", "COMPLETED", 1, JOB)
    assert horizon == Horizon()


@pytest.mark.parametrize("intent", ["TIMED_OUT", "YIELDED"])
def test_a_job_comes_back(intent: str) -> None:
    horizon = Horizon()
    created(horizon)
    activated(horizon)
    horizon.apply("JOB", intent, 1, JOB)
    assert (horizon.free, horizon.held, horizon.due) == ({1: "work"}, {}, {})


@pytest.mark.parametrize(
    ("changes", "free", "due"),
    [
        ({"retries": 2}, {1: "work"}, {}),
        ({"retries": 2, "retryBackoff": 100, "recurringTime": 700}, {}, {("back-off", 1): 700}),
        ({"retries": 0}, {}, {}),
    ],
)
def test_a_failed_job_waits_for_what_it_says(changes: dict[str, Any], free: dict[int, str], due: dict[tuple[str, int], int]) -> None:
    horizon = Horizon()
    created(horizon)
    activated(horizon)
    horizon.apply("JOB", "FAILED", 1, {**JOB, **changes})
    assert (horizon.free, horizon.held, horizon.due) == (free, {}, due)


def test_a_longer_timeout_moves_the_deadline() -> None:
    horizon = Horizon()
    created(horizon)
    activated(horizon)
    horizon.apply("JOB", "TIMEOUT_UPDATED", 1, {**JOB, "deadline": 9_000})
    assert horizon.next_due() == 9_000 + TIMEOUT_CHECK_MS


def test_a_resolved_incident_frees_its_job() -> None:
    horizon = Horizon()
    created(horizon)
    activated(horizon)
    horizon.apply("JOB", "FAILED", 1, {**JOB, "retries": 0})
    horizon.apply("INCIDENT", "RESOLVED", 9, {"jobKey": -1})
    assert horizon.busy(["work"]) == {}
    horizon.apply("INCIDENT", "RESOLVED", 9, {"jobKey": 1})
    assert horizon.busy(["work"]) == {1: "work"}
