"""Whether a call to the engine is made again, and when.

The decision is a pure function: it gets what is known of the failure and answers `Again` or `GiveUp`; nothing here waits or sends.

A command that may have been executed is a special case. When the answer is lost (deadline, connection reset) nobody knows whether the
engine acted on it. Completing a job twice is harmless, starting an instance twice is a second claim. So each command says how it may be
repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from camunda_workers.errors import EngineError


class Repeat(Enum):
    """How a command may be repeated."""

    ALWAYS = "always"
    """Doing it twice is the same as doing it once."""

    IF_REFUSED = "if refused"
    """Only when the engine cannot have executed it: it was refused or never sent."""

    NEVER = "never"
    """The caller has a loop of its own (polling)."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Exponential back-off with jitter.

    Attributes:
        attempts: how often a call is made at most, the first time included.
        first: the longest first wait, in seconds.
        factor: how much longer each further wait may be.
        longest: what no wait exceeds, in seconds.
    """

    attempts: int = 7
    first: float = 0.1
    factor: float = 2.0
    longest: float = 5.0

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after the given attempt (1 is the first).

        Args:
            attempt: how many attempts have been made.
            chance: a random number in [0, 1); it spreads the wait over the upper half, so that clients that failed together do not return
                together.
        """
        exponent = min(attempt - 1, 64)
        ceiling = min(self.longest, self.first * self.factor**exponent)
        return ceiling * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of ours and whether the engine may have executed the command all the same."""

    error: EngineError
    maybe_executed: bool


@dataclass(frozen=True, slots=True)
class Again:
    """Make the call again after so many seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Let the caller have the error."""


def decide(back_off: BackOff, failure: Failure, *, attempt: int, repeat: Repeat, chance: float) -> Again | GiveUp:
    """Whether and when a failed call is made again.

    Args:
        back_off: the limits.
        failure: how the last attempt ended.
        attempt: how many attempts have been made.
        repeat: how this command may be repeated.
        chance: a random number in [0, 1).
    """
    if not failure.error.retryable or repeat is Repeat.NEVER or attempt >= back_off.attempts:
        return GiveUp()
    if failure.maybe_executed and repeat is not Repeat.ALWAYS:
        return GiveUp()
    return Again(back_off.delay(attempt, chance))
