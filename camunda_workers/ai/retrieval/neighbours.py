"""The nearest earlier cases and what they say: k nearest neighbours over typed features, in plain Python (about 1 ms over 700 cases)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from camunda_workers.ai.output import value_at
from camunda_workers.ai.retrieval.space import Case, Feature, fit_scale
from camunda_workers.errors import ConfigurationError

Vote = Literal["equal", "by_distance"]


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest cases."""

    id: str
    label: str
    distance: float


class NeighbourIndex:
    """Earlier cases, ready to be compared with a new one.

    Args:
        cases: the history; its order does not matter.
        features: what is compared.

    Raises:
        ConfigurationError: no cases, no features, or a feature that no case has.
    """

    def __init__(self, cases: Sequence[Case], features: Sequence[Feature]) -> None:
        if not cases or not features:
            raise ConfigurationError("retrieval needs at least one earlier case and one feature")
        self._cases = tuple(sorted(cases, key=lambda case: case.id))
        self._features = tuple(features)
        self._scales = [fit_scale(feature, self._cases) for feature in features]
        self._columns = [[value_at(case.facts, feature.path) for case in self._cases] for feature in features]
        for feature, column in zip(features, self._columns, strict=True):
            if all(value is None for value in column):
                raise ConfigurationError(f"retrieval: no earlier case has the feature '{feature.path}'")

    @property
    def cases(self) -> Sequence[Case]:
        """The history, by id."""
        return self._cases

    @property
    def features(self) -> Sequence[Feature]:
        """What is compared."""
        return self._features

    def nearest(self, facts: Mapping[str, JsonValue], k: int, *, without: str | None = None) -> list[Neighbour]:
        """The ``k`` nearest cases and all that are as near as the last of them, nearest first.

        Ties are kept because breaking them would let the history's order decide.

        Args:
            facts: the new case.
            k: how many at least.
            without: id of a case to leave out (itself, when a case of the history is asked about).
        """
        totals = [0.0] * len(self._cases)
        for feature, scale, column in zip(self._features, self._scales, self._columns, strict=True):
            value = value_at(facts, feature.path)
            # One distance per distinct value: categories and small numbers repeat, so most of the work is a look-up.
            known: dict[JsonValue, float] = {}
            for row, other in enumerate(column):
                gap = known.get(other) if other.__hash__ is not None else None
                if gap is None:
                    gap = feature.weight * scale.distance(value, other) ** 2
                    if other.__hash__ is not None:
                        known[other] = gap
                totals[row] += gap
        ranked = sorted((total, row) for row, total in enumerate(totals) if self._cases[row].id != without)
        if not ranked:
            return []
        # Sums of squares differ in the last bits depending on how they came about; a billionth is no distance.
        limit = ranked[min(k, len(ranked)) - 1][0] + 1e-9
        return [Neighbour(self._cases[row].id, self._cases[row].label, round(total, 9) ** 0.5) for total, row in ranked if total <= limit]


def shares(neighbours: Sequence[Neighbour], vote: Vote) -> dict[str, float]:
    """Each label's share of the vote, adding up to 1.

    Args:
        neighbours: at least one.
        vote: ``equal``, or ``by_distance``: a neighbour at distance 0 counts as much as ten at distance 0.3.
    """
    votes: dict[str, float] = defaultdict(float)
    for neighbour in neighbours:
        votes[neighbour.label] += 1.0 if vote == "equal" else 1 / (neighbour.distance**2 + 0.01)
    total = sum(votes.values())
    return {label: votes[label] / total for label in sorted(votes)}
