"""How far apart two cases are: the heterogeneous value difference metric (HVDM) of Wilson and Martinez, 1997, JAIR 6, with feature weights.

Numbers differ by their distance in standard deviations (four of them count as 1). Categories differ by how differently their cases ended, as seen in the
history; a category the history does not know differs from every other by 1, the most there is.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from camunda_workers.ai.output import value_at

_PRIOR_STRENGTH = 5.0
"""Imaginary average cases added to each category, so that a category seen twice does not look extreme."""


class Feature(BaseModel):
    """One fact that takes part in the comparison.

    Attributes:
        path: dotted path into the facts.
        kind: how it is compared.
        weight: factor on its squared distance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    kind: Literal["number", "category"]
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class Case(BaseModel):
    """One earlier case whose end is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    label: str
    facts: dict[str, JsonValue]


@dataclass(frozen=True)
class NumberScale:
    """Distances of a number."""

    four_sigma: float

    def distance(self, one: JsonValue, other: JsonValue) -> float:
        """0..1; 1 when either is no finite number."""
        if isinstance(one, bool) or isinstance(other, bool) or not isinstance(one, int | float) or not isinstance(other, int | float):
            return 1.0
        gap = abs(one - other)
        return min(gap / self.four_sigma, 1.0) if math.isfinite(gap) else 1.0


@dataclass(frozen=True)
class CategoryScale:
    """Distances of a category: ``shares`` holds, per known value, the smoothed share of each label."""

    shares: Mapping[str, tuple[float, ...]]

    def distance(self, one: JsonValue, other: JsonValue) -> float:
        """0..1; 1 when either is unknown to the history (and they are not the same)."""
        if one == other and str(one) in self.shares:
            return 0.0
        mine, theirs = self.shares.get(str(one)), self.shares.get(str(other))
        if mine is None or theirs is None:
            return 1.0
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(mine, theirs, strict=True)) / 2)


Scale = NumberScale | CategoryScale


def fit_scale(feature: Feature, cases: Sequence[Case]) -> Scale:
    """The scale of one feature as the history shows it."""
    values = [value_at(case.facts, feature.path) for case in cases]
    if feature.kind == "number":
        numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        mean = sum(numbers) / max(len(numbers), 1)
        variance = sum((x - mean) ** 2 for x in numbers) / max(len(numbers), 1)
        return NumberScale(4 * math.sqrt(variance) or 1.0)
    labels = sorted({case.label for case in cases})
    overall = Counter(case.label for case in cases)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for value, case in zip(values, cases, strict=True):
        counts[str(value)][case.label] += 1
    return CategoryScale(
        {
            value: tuple(
                (seen[label] + _PRIOR_STRENGTH * overall[label] / len(cases)) / (seen.total() + _PRIOR_STRENGTH) for label in labels
            )
            for value, seen in counts.items()
        }
    )
