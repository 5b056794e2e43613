"""Scripted people: when they work, what they decide, and that they always do the same."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.project import load_project
from connectors.sandbox.agenda import Agenda
from connectors.sandbox.chance import between, draw, pick
from connectors.sandbox.dataset import load
from connectors.sandbox.people import (
    APPROVERS,
    ASSESSORS,
    CLERKS,
    STAFF,
    TaskView,
    approve,
    assess,
    claimant,
    papers,
    who_takes,
    working_time,
)

RUN = load().run
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def view(number: int = 0, element: str = "assess-claim", **more: object) -> TaskView:
    case = RUN[number]
    return TaskView(element, case.claim, case.policy, **more)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("start", "hours", "weekends", "end"),
    [
        (MONDAY.replace(hour=9), 2, False, MONDAY.replace(hour=11)),
        (MONDAY.replace(hour=3), 1, False, MONDAY.replace(hour=9)),
        (MONDAY.replace(hour=17), 2, False, MONDAY.replace(hour=9) + timedelta(days=1)),
        (MONDAY.replace(hour=20), 0, False, MONDAY.replace(hour=8) + timedelta(days=1)),
        (MONDAY.replace(hour=17) + timedelta(days=4), 2, False, MONDAY.replace(hour=9) + timedelta(days=7)),
        (MONDAY.replace(hour=17) + timedelta(days=4), 2, True, MONDAY.replace(hour=9) + timedelta(days=5)),
        (MONDAY.replace(hour=8), 25, False, MONDAY.replace(hour=13) + timedelta(days=2)),
    ],
)
def test_working_hours_are_counted_on_working_days(start: datetime, hours: float, weekends: bool, end: datetime) -> None:
    assert working_time(start, hours, weekends=weekends) == end


@given(st.integers(0, 5_000_000), st.floats(0, 200), st.booleans())
def test_work_ends_in_working_hours_and_takes_at_least_its_time(minutes: int, hours: float, weekends: bool) -> None:
    begin = MONDAY + timedelta(minutes=minutes)
    end = working_time(begin, hours, weekends=weekends)
    assert end - begin >= timedelta(hours=hours)
    assert 8 <= end.hour <= 18
    assert weekends or end.weekday() < 5


def test_whoever_takes_a_task_is_of_its_group_and_always_the_same() -> None:
    for number in range(50):
        first = who_takes(view(number), ASSESSORS, MONDAY)
        assert first == who_takes(view(number), ASSESSORS, MONDAY)
        assert first is not None
        assert ASSESSORS in first.person.groups
        assert MONDAY < first.take_at <= first.done_at


def test_who_was_denied_does_not_try_again() -> None:
    first = who_takes(view(), CLERKS, MONDAY)
    assert first is not None
    second = who_takes(view(), CLERKS, MONDAY, not_again=[first.person.name])
    assert second is not None
    assert second.person != first.person
    assert who_takes(view(), CLERKS, MONDAY, not_again=[first.person.name, second.person.name]) is None
    assert who_takes(view(), "nobody", MONDAY) is None


def test_some_try_to_approve_their_own_assessment_and_most_leave_it() -> None:
    tasks = [view(number, "approve-payment", assessed_by=("grace.lindqvist",)) for number in range(200)]
    takers = Counter(attempt.person.name for task in tasks if (attempt := who_takes(task, APPROVERS, MONDAY)) is not None)
    assert 0 < takers["grace.lindqvist"] < 160
    assert takers["dmitri.volkov"] > 0


def test_some_assessments_wait_longer_than_the_48_hours_of_the_diagram() -> None:
    waits = [attempt.done_at - MONDAY for number in range(200) if (attempt := who_takes(view(number), ASSESSORS, MONDAY)) is not None]
    late = sum(wait > timedelta(hours=48) for wait in waits)
    assert 5 < late < 100


def test_assessors_ask_decline_and_approve_and_never_ask_twice() -> None:
    people = [person for person in STAFF if ASSESSORS in person.groups]
    first = Counter(assess(person, view(number, band="medium", route="assess"))["outcome"] for person in people for number in range(200))
    assert set(first) == {"approve", "decline", "request_documents"}
    later = Counter(assess(person, view(number, documents=True, visit=2))["outcome"] for person in people for number in range(200))
    assert set(later) == {"approve", "decline"}


def test_more_is_declined_where_the_fraud_score_is_high() -> None:
    person = STAFF[0]
    declined = {
        band: sum(assess(person, view(number, band=band, visit=2))["outcome"] == "decline" for number in range(300))
        for band in ("low", "high")
    }
    assert declined["high"] > 3 * declined["low"]


def test_an_approved_amount_is_whole_dollars_and_never_more_than_claimed() -> None:
    for number, case in enumerate(RUN):
        filled_in = assess(STAFF[0], view(number, visit=2))
        if filled_in["outcome"] == "approve":
            assert isinstance(filled_in["amount"], int)
            assert 0 < filled_in["amount"] <= case.claim.total_amount


def test_approvers_send_back_once_and_sometimes_reject() -> None:
    person = next(person for person in STAFF if person.name == "dmitri.volkov")
    first = Counter(approve(person, view(number, "approve-payment"))["outcome"] for number in range(300))
    assert set(first) == {"approve", "send_back", "reject"}
    assert "send_back" not in {approve(person, view(number, "approve-payment", visit=2))["outcome"] for number in range(300)}


def test_claimants_differ() -> None:
    habits = [claimant(case.claim.claim_id) for case in RUN]
    assert {one.withdraws for one in habits} == {"early", "paid", None}
    assert 0 < sum(one.answers_after is None for one in habits) < 150
    assert all(one.withdraws_after < timedelta(hours=48) for one in habits if one.withdraws == "paid")
    assert set(papers(RUN[0].claim, ["repair estimate"])) == {"repair estimate"}


@given(st.lists(st.text(), min_size=1))
def test_chance_is_a_function_of_its_words(words: list[str]) -> None:
    assert 0 <= draw(*words) < 1
    assert draw(*words) == draw(*words)
    assert 5 <= between(5, 7, *words) < 7
    assert pick(("a", "b"), *words) in ("a", "b")


async def test_the_agenda_keeps_time_and_order() -> None:
    agenda = Agenda()
    seen: list[str] = []

    def happening(name: str) -> None:
        async def happen(at: datetime) -> None:
            seen.append(name)
            if name == "b":
                # What is planned while things happen, and is due already, happens too.
                agenda.plan(at, later)

        agenda.plan(MONDAY + timedelta(hours={"a": 2, "b": 1, "c": 2, "d": 9}[name]), happen)

    async def later(at: datetime) -> None:
        seen.append("later")

    for name in "abcd":
        happening(name)
    assert agenda.next_at() == MONDAY + timedelta(hours=1)
    assert await agenda.happen(MONDAY) == 0
    assert await agenda.happen(MONDAY + timedelta(hours=2)) == 4
    assert seen == ["b", "later", "a", "c"]
    assert agenda.next_at() == MONDAY + timedelta(hours=9)


def test_the_staff_is_whom_the_project_file_knows() -> None:
    duties = load_project(Path(__file__).resolve().parents[2]).duties
    limits = duties.limits[0].limits
    for person in STAFF:
        known = duties.people[person.name]
        assert set(known.groups) == set(person.groups)
        if APPROVERS in person.groups:
            assert (person.limit or math.inf) == max(limits.get(group, 0) for group in person.groups)
