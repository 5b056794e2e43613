"""One measured number beside its target or its peer."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the table.

    Attributes:
        name: what was measured.
        unit: of ``ours`` and ``peer``.
        ours: our figure.
        target: the bound it has to keep, in the same unit (or a ratio where there is a peer).
        at_most: whether the target is an upper bound.
        peer: the peer's figure in the same run, if there is one.
    """

    name: str
    unit: str
    ours: float
    target: float
    at_most: bool = True
    peer: float | None = None

    @property
    def ratio(self) -> float:
        """Ours in relation to the peer, or to the target where there is no peer; of nothing, any is infinitely more."""
        other = self.peer if self.peer is not None else self.target
        return self.ours / other if other else math.inf if self.ours else 0.0

    @property
    def met(self) -> bool:
        """Whether the target was reached."""
        value = self.ratio if self.peer is not None else self.ours
        return value <= self.target if self.at_most else value >= self.target
