"""Decisions from the nearest labelled cases."""

from __future__ import annotations

from camunda_workers.ai.retrieval.calibration import Calibration, fit_calibration
from camunda_workers.ai.retrieval.neighbours import Neighbour, NeighbourIndex, Vote, shares
from camunda_workers.ai.retrieval.space import Case, Feature
from camunda_workers.ai.retrieval.strategy import Memory, Neighbourhood, RetrievalSettings, RetrievalStrategy, fit_settings, sha256_of

__all__ = [
    "Calibration",
    "Case",
    "Feature",
    "Memory",
    "Neighbour",
    "NeighbourIndex",
    "Neighbourhood",
    "RetrievalSettings",
    "RetrievalStrategy",
    "Vote",
    "fit_calibration",
    "fit_settings",
    "sha256_of",
    "shares",
]
