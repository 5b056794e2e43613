"""When a failed job is tried again: a pure decision, nothing is sent and nothing waits here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from camunda_workers.errors import ConfigurationError

_LARGEST_EXPONENT = 63


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to tell the engine about a failed job.

    Attributes:
        retries: tries that are left; 0 raises an incident.
        back_off: how long the engine waits before the next one.
    """

    retries: int
    back_off: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to wait after which failure.

    How often a job is tried is said in the diagram (``retries`` of the task definition); the engine sends what is left with every job.
    Which attempt this is follows from that and from ``retries`` here.

    Attributes:
        back_off: the wait after the first failure, or a function of the attempt (1 is the first).
        factor: how much longer each further wait is; not used when ``back_off`` is a function.
        longest: what no wait exceeds.
        spread: the part of a wait that is random, 0 to 1, so that jobs that failed together do not return together.
        retries: the task's retries in the diagram; Camunda's default is 3.
        final: exceptions after which no other try makes sense: an incident at once.
    """

    back_off: timedelta | Callable[[int], timedelta] = timedelta(seconds=1)
    factor: float = 2.0
    longest: timedelta = timedelta(minutes=5)
    spread: float = 0.2
    retries: int = 3
    final: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.spread <= 1:
            raise ConfigurationError(f"RetryPolicy.spread is a part between 0 and 1, not {self.spread}")
        if self.factor < 1:
            raise ConfigurationError(f"RetryPolicy.factor is at least 1, not {self.factor}: waits do not get shorter")

    def decide(self, error: BaseException, *, retries: int, chance: float) -> RetryDecision:
        """What comes after this failure.

        Args:
            error: what the function raised.
            retries: what the engine sent with the job, this try included.
            chance: a random number in [0, 1).
        """
        left = max(0, retries - 1)
        if left == 0 or isinstance(error, self.final):
            return RetryDecision(0, timedelta(0))
        return RetryDecision(left, self.wait(max(1, self.retries - left), chance=chance))

    def wait(self, attempt: int, *, chance: float) -> timedelta:
        """How long to wait after the given failed attempt (1 is the first)."""
        if isinstance(self.back_off, timedelta):
            seconds = self.back_off.total_seconds() * self.factor ** min(attempt - 1, _LARGEST_EXPONENT)
        else:
            seconds = self.back_off(attempt).total_seconds()
        seconds = max(0.0, min(seconds, self.longest.total_seconds()))
        return timedelta(seconds=seconds * (1 - self.spread * chance))
