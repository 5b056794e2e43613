"""What a worker function writes into its annotations to say where a parameter comes from.

Without a marker a parameter is the process variable of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
class Provided:
    """The parameter is a resource of the router, not a variable: ``policies: Annotated[PolicyClient, Provided]``.

    What it is and how it is opened and closed is said once with ``router.provide(PolicyClient, factory)``.
    """


@final
@dataclass(frozen=True, slots=True)
class Variable:
    """The parameter is a process variable with another name: ``number: Annotated[str, Variable("policyNumber")]``."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class Header:
    """The parameter is a custom header of the task in the diagram: ``channel: Annotated[str, Header("channel")]``.

    Headers are text; pydantic converts them, so ``Annotated[int, Header("limit")]`` works.
    """

    name: str
