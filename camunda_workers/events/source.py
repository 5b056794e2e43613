"""What the event log reads from, and what may follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class RecordSource(Protocol):
    """Where records come from: one partition of an engine, resumable at any position it still has.

    Records are JSON as Zeebe's own ``Record.toJson()`` gives it, one document each, and never change once they can be read.
    """

    async def read(self, after: int, limit: int) -> Sequence[bytes | str]:
        """At most ``limit`` records whose position is greater than ``after``, ascending; empty when there is nothing new."""
        ...

    async def wait(self, after: int, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a record whose position is greater than ``after``; whether there is one."""
        ...


@runtime_checkable
class Follower(Protocol):
    """Something derived from the log that keeps its own position in it."""

    async def catch_up(self) -> int:
        """Take in what the log has and this follower has not; how many records that were."""
        ...
