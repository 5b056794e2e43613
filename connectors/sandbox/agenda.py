"""What is going to happen, in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count

Happening = Callable[[datetime], Awaitable[None]]
"""Something that happens; gets the moment for which it was planned."""


class Agenda:
    """Happenings by time; those of the same moment in the order in which they were planned."""

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, int, Happening]] = []
        self._numbers = count()

    def plan(self, at: datetime, happening: Happening) -> None:
        """Puts something on the agenda."""
        heapq.heappush(self._entries, (at, next(self._numbers), happening))

    def next_at(self) -> datetime | None:
        """When the next thing happens; ``None`` when nothing is planned."""
        return self._entries[0][0] if self._entries else None

    async def happen(self, now: datetime) -> int:
        """Lets everything happen that was planned until now; returns how much that was."""
        happened = 0
        while self._entries and self._entries[0][0] <= now:
            at, _, happening = heapq.heappop(self._entries)
            await happening(at)
            happened += 1
        return happened
