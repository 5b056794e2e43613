"""Who a request comes from, and whoever finds that out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

MISSING: Final = "Expected authentication information at header with key [authorization], but found nothing"
"""Camunda's words for a request without credentials."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who proved who they are.

    Attributes:
        name: the user's name, or the client's id.
        display_name: how people call the user.
        email: where there is one.
        groups: whose member the caller is.
    """

    name: str
    display_name: str | None = None
    email: str | None = None
    groups: tuple[str, ...] = ()


DEVELOPER: Final = Caller("development", "Development user")
"""Everybody, where nobody is asked who they are."""


class Guard(Protocol):
    """Finds out who a request comes from.

    Attributes:
        challenge: what a refused caller is told to send (the header ``WWW-Authenticate``).
    """

    challenge: str

    async def caller(self, authorization: str | None) -> Caller:
        """Return who sends this header.

        Args:
            authorization: the header ``Authorization``; None where there is none, or more than one.

        Raises:
            Unauthenticated: it proves nothing.
            EngineUnavailable: it cannot be looked into now.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...
