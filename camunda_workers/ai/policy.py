"""When an AI task's proposal stands and when a person has to look: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from camunda_workers.errors import ConfigurationError


@dataclass(frozen=True)
class HandOver:
    """Why a person has to decide.

    Attributes:
        code: for programs and statistics.
        text: for the person.
    """

    code: Literal["low_confidence", "over_budget", "unavailable", "invalid_output", "refused", "not_allowed", "invented_quote"]
    text: str


@dataclass(frozen=True)
class Policy:
    """The limits of one AI task.

    Attributes:
        min_confidence: below it a person decides.
        max_latency: how long one strategy may take; then it counts as unavailable.
        max_tokens: all tokens of one decision, repair included; ``None`` for no limit.
        max_cost: in the currency of the strategy's price; needs strategies whose price is known.
    """

    min_confidence: float
    max_latency: timedelta = timedelta(seconds=20)
    max_tokens: int | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise ConfigurationError(f"min_confidence must be between 0 and 1, not {self.min_confidence}")
        if self.max_latency <= timedelta(0):
            raise ConfigurationError(f"max_latency must be positive, not {self.max_latency}")
        if self.max_tokens is not None and self.max_tokens <= 0:
            raise ConfigurationError(f"max_tokens must be positive, not {self.max_tokens}")
        if self.max_cost is not None and self.max_cost < 0:
            raise ConfigurationError(f"max_cost must not be negative, not {self.max_cost}")

    def judge(self, *, confidence: float, tokens: int, cost: float | None) -> HandOver | None:
        """Whether a proposal with these figures stands (``None``) or goes to a person."""
        if self.max_tokens is not None and tokens > self.max_tokens:
            return HandOver("over_budget", f"the answer took {tokens} tokens; at most {self.max_tokens} are allowed")
        if self.max_cost is not None and (cost is None or cost > self.max_cost):
            spent = "an unknown amount" if cost is None else f"{cost:.4f}"
            return HandOver("over_budget", f"the answer cost {spent}; at most {self.max_cost:.4f} is allowed")
        if confidence < self.min_confidence:
            return HandOver("low_confidence", f"confidence {confidence:.0%} is below the {self.min_confidence:.0%} that is needed")
        return None
