"""What mutants of diagrams and of decisions have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Node: TypeAlias = Any
"""An lxml element; its stubs name the type by a private name."""

_COMPARISONS = {"<=": "<", ">=": ">", "<": "<=", ">": ">=", "!=": "=", "=": "!="}
_COMPARISON = re.compile(r"(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<sign><=|>=|!=|<|>|(?<![<>!:])=)")


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is yet to be made.

    Attributes:
        what: the change, in words.
        element: the id of what is changed.
        watched: what a test has to execute to be able to notice it.
        make: makes it, in a copy of the file.
    """

    what: str
    element: str
    watched: frozenset[str]
    make: Callable[[Node], None]


def other_comparisons(expression: str) -> Iterator[tuple[str, str]]:
    """For each comparison in a FEEL expression: what changed, in words, and the expression with another one; texts are left alone."""
    for found in _COMPARISON.finditer(expression):
        if sign := found["sign"]:
            other = _COMPARISONS[sign]
            yield f"has {other} for {sign}", f"{expression[: found.start()]}{other}{expression[found.end() :]}"
