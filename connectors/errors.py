"""How a system of record can let us down, as one tree.

::

    ConnectorError
    ├── SystemUnavailable   nobody answered, or it said it is out of order: worth trying again
    ├── SystemRefused       it understood and said no: trying the same again will not help
    └── BadAnswer           it answered, but the answer cannot be true: nothing may be built on it
"""

from __future__ import annotations


class ConnectorError(Exception):
    """The root. Names the system, so that whoever reads the incident knows whom to call.

    Args:
        system: the system's name, as people call it.
        reason: what happened, in words.
        reached: whether the request may have taken effect at the other side.
    """

    def __init__(self, system: str, reason: str, *, reached: bool = True) -> None:
        super().__init__(f"{system}: {reason}")
        self.system = system
        self.reason = reason
        self.reached = reached


class SystemUnavailable(ConnectorError):
    """Nobody answered, the answer was lost, or the system says it is out of order."""


class SystemRefused(ConnectorError):
    """The system understood the request and refused it."""

    def __init__(self, system: str, status: int, reason: str) -> None:
        super().__init__(system, f"refused with {status}: {reason}", reached=False)
        self.status = status


class BadAnswer(ConnectorError):
    """The answer has the wrong shape, type or content. Never a success, whatever the status said."""
