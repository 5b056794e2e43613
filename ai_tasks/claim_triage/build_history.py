"""Builds what the retrieval strategy knows: ``python -m ai_tasks.claim_triage.build_history``.

Reads the earlier 70 % of the data set, and nothing else: the later claims are cut off before anything is computed. Chooses how many neighbours vote, and
how, by cross-validation on that history, and writes ``history.jsonl`` (the cases) and ``retrieval.json`` (the choice and its calibration).
The same data set gives the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ai_tasks.claim_triage.rules import FRAUD
from ai_tasks.claim_triage.triage import HISTORY, RETRIEVAL
from camunda_workers.ai.retrieval import Case, Feature, NeighbourIndex, RetrievalSettings, Vote, fit_settings, sha256_of, shares
from connectors.sandbox.dataset import load

SEVERITY: Final = Feature(path="claim.incident_severity", kind="category")
COMPARED: Final = (
    SEVERITY,
    Feature(path="claim.incident_type", kind="category"),
    Feature(path="claim.collision_type", kind="category"),
    Feature(path="claim.authorities_contacted", kind="category"),
    Feature(path="claim.police_report", kind="category"),
    Feature(path="claim.property_damage", kind="category"),
    Feature(path="claim.bodily_injuries", kind="category"),
    Feature(path="claim.witnesses", kind="category"),
    Feature(path="claim.vehicles_involved", kind="category"),
    Feature(path="claim.total_amount", kind="number", weight=0.1),
)
WITH_POLICY: Final = (
    *COMPARED,
    Feature(path="claim.incident_hour", kind="number", weight=0.1),
    Feature(path="policy.umbrella_limit", kind="number", weight=0.1),
    Feature(path="policy.months_as_customer", kind="number", weight=0.1),
)
CANDIDATES: Final = {"severity only": (SEVERITY,), "the incident": COMPARED, "the incident and the policy": WITH_POLICY}
NEIGHBOURS: Final = (15, 25, 35, 50, 70)
"""At most a tenth of the history: more would no longer be neighbours."""
VOTES: Final[tuple[Vote, ...]] = ("equal", "by_distance")
FOLDS: Final = 5
REPEATS: Final = 3


@dataclass(frozen=True)
class Trial:
    """One candidate and its mean squared error of the share of fraudulent neighbours (Brier score; lower is better)."""

    features: str
    k: int
    vote: Vote
    brier: float


def history(paths: Sequence[str]) -> list[Case]:
    """The earlier 70 % of the data set, with the named facts and the label."""
    cases: list[Case] = []
    for row in load().history:
        document = {"claim": row.claim.model_dump(mode="json"), "policy": row.policy.model_dump(mode="json")}
        facts: dict[str, dict[str, object]] = {}
        for path in paths:
            area, name = path.split(".")
            facts.setdefault(area, {})[name] = document[area][name]
        cases.append(Case.model_validate({"id": row.claim.claim_id, "label": row.label, "facts": facts}))
    return cases


def folds(cases: Sequence[Case], repeat: int) -> Iterator[tuple[list[Case], list[Case]]]:
    """Training and test cases of one stratified split, the same at every run."""
    places: dict[str, int] = {}
    for label in sorted({case.label for case in cases}):
        ids = sorted(case.id for case in cases if case.label == label)
        random.Random(f"{repeat}-{label}").shuffle(ids)
        places.update({case_id: place % FOLDS for place, case_id in enumerate(ids)})
    for fold in range(FOLDS):
        yield [c for c in cases if places[c.id] != fold], [c for c in cases if places[c.id] == fold]


def cross_validate(cases: Sequence[Case]) -> list[Trial]:
    """Every candidate's error, each claim judged by an index that does not know it (its scales included)."""
    errors: dict[tuple[str, int, Vote], float] = {}
    for name, features in CANDIDATES.items():
        for repeat in range(REPEATS):
            for train, test in folds(cases, repeat):
                index = NeighbourIndex(train, features)
                for case in test:
                    for k in NEIGHBOURS:
                        near = index.nearest(case.facts, k)
                        for vote in VOTES:
                            miss = shares(near, vote).get(FRAUD, 0.0) - (case.label == FRAUD)
                            errors[name, k, vote] = errors.get((name, k, vote), 0.0) + miss**2
    count = len(cases) * REPEATS
    return [Trial(name, k, vote, error / count) for (name, k, vote), error in errors.items()]


def build(history_file: Path = HISTORY, settings_file: Path = RETRIEVAL) -> tuple[RetrievalSettings, list[Trial]]:
    """Choose, fit and write both files."""
    everything = history([feature.path for feature in WITH_POLICY])
    trials = cross_validate(everything)
    best = min((trial for trial in trials if trial.features == "the incident"), key=lambda trial: trial.brier)
    cases = history([feature.path for feature in COMPARED])
    content = "".join(json.dumps(case.model_dump(mode="json"), sort_keys=True) + "\n" for case in cases).encode()
    settings = fit_settings(cases, COMPARED, k=best.k, vote=best.vote, history_sha256=sha256_of(content))
    history_file.write_bytes(content)
    settings_file.write_text(settings.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return settings, trials


def main() -> None:
    """Build and say what was chosen."""
    settings, trials = build()
    print("Cross-validation on the history (Brier score, lower is better):")
    for name in CANDIDATES:
        for trial in sorted((t for t in trials if t.features == name), key=lambda t: t.brier)[:3]:
            print(f"  {trial.features:<28} k={trial.k:<3} {trial.vote:<12} {trial.brier:.4f}")
    print(f"Chosen: k={settings.k}, vote {settings.vote}, {len(settings.features)} facts")
    for label, calibration in settings.calibration.items():
        print(f"  calibration {label}: {' '.join(f'{share:.2f}->{probability:.2f}' for share, probability in calibration.points)}")


if __name__ == "__main__":
    main()
