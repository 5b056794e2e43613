"""The strategy that asks no model: it looks at how the most similar earlier cases ended. A computation over labelled cases, named openly as such."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from camunda_workers.ai.output import OutputT
from camunda_workers.ai.retrieval.calibration import Calibration, fit_calibration
from camunda_workers.ai.retrieval.neighbours import Neighbour, NeighbourIndex, Vote, shares
from camunda_workers.ai.retrieval.space import Case, Feature
from camunda_workers.ai.strategy import Declined, Proposal, Question, Usage
from camunda_workers.errors import ConfigurationError

_CITED = 5
_FAR_QUANTILE = 0.995


class RetrievalSettings(BaseModel):
    """What was chosen for one history; kept in a file beside it.

    Attributes:
        history_sha256: of the history file the rest was fitted to, so that the two cannot drift apart.
        features: what is compared.
        k: how many neighbours vote, at least.
        vote: how.
        calibration: per label, from its share of the vote to its probability.
        farthest: a case whose nearest neighbour is farther away than this is like no earlier one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    history_sha256: str
    features: tuple[Feature, ...]
    k: Annotated[int, Field(ge=1)]
    vote: Vote
    calibration: dict[str, Calibration]
    farthest: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Neighbourhood:
    """What the nearest cases say.

    Attributes:
        neighbours: nearest first.
        counts: how many of them ended how.
        probabilities: per label, calibrated, adding up to 1.
        features: the paths that were compared.
    """

    neighbours: tuple[Neighbour, ...]
    counts: Mapping[str, int]
    probabilities: Mapping[str, float]
    features: tuple[str, ...]


class Memory:
    """Labelled earlier cases with the settings that were fitted to them."""

    def __init__(self, cases: Sequence[Case], settings: RetrievalSettings) -> None:
        labels = {case.label for case in cases}
        if labels != settings.calibration.keys():
            raise ConfigurationError(f"retrieval: calibrated for {sorted(settings.calibration)}, but the history has {sorted(labels)}")
        self.settings = settings
        self._index = NeighbourIndex(cases, settings.features)

    @classmethod
    def read(cls, history: Path, settings: Path) -> Memory:
        """From a history (one case per line) and its settings.

        Raises:
            ConfigurationError: a file is missing or broken, or the two do not belong together; names the file and line.
        """
        try:
            content = history.read_bytes()
            fitted = RetrievalSettings.model_validate_json(settings.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"retrieval: {error.filename} cannot be read ({error.strerror})") from error
        except ValidationError as error:
            raise ConfigurationError(f"retrieval: {settings.name} is not usable: {error.errors()[0]['msg']}") from error
        if sha256_of(content) != fitted.history_sha256:
            raise ConfigurationError(f"retrieval: {settings.name} was fitted to another {history.name}: build both again")
        cases: list[Case] = []
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                cases.append(Case.model_validate_json(line))
            except ValidationError as error:
                raise ConfigurationError(f"retrieval: {history.name}, line {number}: {error.errors()[0]['msg']}") from error
        return cls(cases, fitted)

    def values(self, path: str) -> tuple[JsonValue, ...]:
        """Every value that a compared fact has in the history, the most frequent first."""
        return self._index.values(path)

    def ask(self, facts: Mapping[str, JsonValue], *, without: str | None = None) -> Neighbourhood | None:
        """What the nearest cases say; ``None`` when no earlier case is near.

        Args:
            facts: the new case.
            without: id of a case to leave out (itself).
        """
        near = self._index.nearest(facts, self.settings.k, without=without)
        if not near or near[0].distance > self.settings.farthest:
            return None
        raw = shares(near, self.settings.vote)
        fitted = {label: calibration(raw.get(label, 0.0)) for label, calibration in self.settings.calibration.items()}
        total = sum(fitted.values())
        counts = {label: sum(n.label == label for n in near) for label in fitted}
        probabilities = {label: value / total for label, value in fitted.items()}
        return Neighbourhood(tuple(near), counts, probabilities, tuple(feature.path for feature in self.settings.features))


def sha256_of(content: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


def fit_settings(cases: Sequence[Case], features: Sequence[Feature], *, k: int, vote: Vote, history_sha256: str) -> RetrievalSettings:
    """Fit calibration and reach to a history, each case seen without itself.

    The scales of the features do see all cases; with hundreds of cases and smoothed shares one case moves them by less than a percent.
    """
    index = NeighbourIndex(cases, features)
    pairs: dict[str, list[tuple[float, bool]]] = {label: [] for label in sorted({case.label for case in cases})}
    nearest: list[float] = []
    for case in index.cases:
        near = index.nearest(case.facts, k, without=case.id)
        if not near:
            raise ConfigurationError("retrieval: a history of one case cannot be calibrated")
        nearest.append(near[0].distance)
        raw = shares(near, vote)
        for label, seen in pairs.items():
            seen.append((raw.get(label, 0.0), case.label == label))
    nearest.sort()
    return RetrievalSettings(
        history_sha256=history_sha256,
        features=tuple(features),
        k=k,
        vote=vote,
        calibration={label: fit_calibration(seen) for label, seen in pairs.items()},
        farthest=round(nearest[min(int(len(nearest) * _FAR_QUANTILE), len(nearest) - 1)] + 1e-6, 6),
    )


class RetrievalStrategy(Generic[OutputT]):
    """Answers from the nearest earlier cases.

    Args:
        memory: the cases.
        conclude: what the task makes of facts and neighbourhood; pure.
        name: how the strategy is named in evidence.
    """

    def __init__(
        self, memory: Memory, conclude: Callable[[Mapping[str, JsonValue], Neighbourhood], OutputT], *, name: str = "retrieval"
    ) -> None:
        self._memory = memory
        self._conclude = conclude
        self._name = name

    @property
    def name(self) -> str:
        """Stable and shown openly."""
        return self._name

    @property
    def prices_known(self) -> bool:
        """It costs nothing."""
        return True

    async def propose(self, question: Question[OutputT]) -> Proposal[OutputT] | Declined:
        """Compare, count, conclude. About a millisecond, so it stays on the event loop."""
        found = self._memory.ask(question.facts)
        if found is None:
            return Declined("refused", "no earlier case is similar enough", Usage(cost=0.0))
        citations = tuple(neighbour.id for neighbour in found.neighbours[:_CITED])
        return Proposal(self._conclude(question.facts, found), Usage(cost=0.0), citations=citations)
