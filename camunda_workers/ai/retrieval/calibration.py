"""From "how many of the neighbours" to "how often that was right": isotonic regression by pooling adjacent violators (Ayer et al., 1955)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Calibration(BaseModel):
    """A rising function from a raw share to a probability.

    Attributes:
        points: ``(mean share, probability)`` of each pool of cases, ascending. Between two points the probability is interpolated: where the
            history has no cases, none of the two pools may speak for them alone. Outside the points it stays flat.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: Annotated[tuple[tuple[_Unit, _Unit], ...], Field(min_length=1)]

    def __call__(self, share: float) -> float:
        """The probability for a share."""
        after = bisect_right(self.points, share, key=lambda point: point[0])
        if after == 0:
            return self.points[0][1]
        low_share, low = self.points[after - 1]
        if after == len(self.points):
            return low
        high_share, high = self.points[after]
        return low + (high - low) * (share - low_share) / (high_share - low_share)


@dataclass
class _Pool:
    cases: int
    shares: float
    hits: int

    @property
    def rate(self) -> float:
        return self.hits / self.cases

    def take(self, other: _Pool) -> None:
        self.cases += other.cases
        self.shares += other.shares
        self.hits += other.hits


def fit_calibration(pairs: Sequence[tuple[float, bool]], *, smallest: int = 25) -> Calibration:
    """The calibration that fits observed pairs best.

    Args:
        pairs: a raw share, obtained without looking at the case itself, and whether the case had the label.
        smallest: least number of cases behind one point, so that none rests on an anecdote. Each point counts one imaginary case of either kind,
            so that no probability is 0 or 1.
    """
    if not pairs:
        raise ValueError("a calibration needs at least one case")
    equal: dict[float, _Pool] = {}
    for share, hit in sorted(pairs):
        equal.setdefault(share, _Pool(0, 0.0, 0)).take(_Pool(1, share, int(hit)))
    pools: list[_Pool] = []
    for pool in equal.values():
        pools.append(pool)
        while len(pools) > 1 and (pools[-2].cases < smallest or pools[-2].rate >= pools[-1].rate):
            last = pools.pop()
            pools[-1].take(last)
    # The last pool may still be too small; merging it can break the rising order again, so go on as long as it does.
    while len(pools) > 1 and (pools[-1].cases < smallest or pools[-2].rate >= pools[-1].rate):
        last = pools.pop()
        pools[-1].take(last)
    points: list[tuple[float, float]] = []
    for pool in pools:
        # Smoothing pulls small pools harder and could turn two around; a probability never falls below the one before.
        smoothed = round((pool.hits + 1) / (pool.cases + 2), 4)
        points.append((round(pool.shares / pool.cases, 6), max(smoothed, points[-1][1] if points else 0.0)))
    return Calibration(points=tuple(points))
