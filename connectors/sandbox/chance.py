"""Chance that can be repeated: every draw is a function of words, not of the order in which things happen.

Forty claims run side by side; a shared random generator would give each run another story. A hash of *what is being decided* does not.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

T = TypeVar("T")


def draw(*about: object) -> float:
    """A number in [0, 1) that is always the same for the same words."""
    text = "\x1f".join(str(word) for word in about)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56


def between(low: float, high: float, *about: object) -> float:
    """A number in [low, high), evenly spread."""
    return low + (high - low) * draw(*about)


def pick(options: tuple[T, ...], *about: object) -> T:
    """One of several options."""
    return options[int(draw(*about) * len(options))]
