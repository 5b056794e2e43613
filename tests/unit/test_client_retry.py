"""The retry decision: pure, so every case is one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.client.retry import Again, BackOff, Failure, GiveUp, Repeat, decide
from camunda_workers.errors import BackPressure, DeadlineExceeded, EngineError, EngineUnavailable, InvalidArgument, NotFound

BACK_OFF = BackOff(attempts=4, first=1.0, factor=2.0, longest=5.0)


def decided(error: EngineError, *, maybe: bool, repeat: Repeat, attempt: int = 1) -> bool:
    return isinstance(decide(BACK_OFF, Failure(error, maybe), attempt=attempt, repeat=repeat, chance=0.0), Again)


@pytest.mark.parametrize(
    ("error", "maybe", "repeat", "again"),
    [
        (BackPressure(), False, Repeat.ALWAYS, True),
        (BackPressure(), False, Repeat.IF_REFUSED, True),
        (BackPressure(), False, Repeat.NEVER, False),
        (EngineUnavailable(), False, Repeat.IF_REFUSED, True),
        (EngineUnavailable(), True, Repeat.IF_REFUSED, False),
        (EngineUnavailable(), True, Repeat.ALWAYS, True),
        (DeadlineExceeded(), True, Repeat.IF_REFUSED, False),
        (DeadlineExceeded(), True, Repeat.ALWAYS, True),
        (NotFound(), False, Repeat.ALWAYS, False),
        (InvalidArgument(), False, Repeat.ALWAYS, False),
    ],
)
def test_what_is_repeated(error: EngineError, maybe: bool, repeat: Repeat, again: bool) -> None:
    assert decided(error, maybe=maybe, repeat=repeat) is again


def test_attempts_are_counted() -> None:
    assert [decided(BackPressure(), maybe=False, repeat=Repeat.ALWAYS, attempt=attempt) for attempt in (1, 3, 4, 5)] == [
        True,
        True,
        False,
        False,
    ]


def test_giving_up_is_a_value() -> None:
    assert decide(BACK_OFF, Failure(NotFound(), False), attempt=1, repeat=Repeat.ALWAYS, chance=0.5) == GiveUp()


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_a_limit_and_are_spread(attempt: int, chance: float) -> None:
    ceiling = min(5.0, 2.0 ** min(attempt - 1, 10))
    assert ceiling / 2 <= BACK_OFF.delay(attempt, chance) <= ceiling
