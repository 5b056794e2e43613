"""The cap on running jobs of one worker: exact, whoever brings the jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

REFILL_BELOW = 0.3
"""More jobs are fetched when fewer than this part of the cap are running: few large requests instead of one for every job that ends."""

LINGER = 0.1
"""Seconds to wait for more room before fetching all the same: long jobs above the mark must not keep free places empty for ever."""


class Slots:
    """Places for running jobs. Whoever starts a job takes a place first; waiters are served in the order they came.

    Args:
        cap: how many jobs may run at once.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._free = cap
        self._refill_below = max(1.0, cap * REFILL_BELOW)
        self._waiting: deque[tuple[asyncio.Future[int], int]] = deque()
        self._low = asyncio.Event()
        self._low.set()

    @property
    def taken(self) -> int:
        """Places in use or reserved."""
        return self._cap - self._free

    async def take(self, most: int = 1) -> int:
        """Takes at least one place and at most so many; waits for the first."""
        if self._free and not self._waiting:
            return self._grab(most)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        entry = (future, most)
        self._waiting.append(entry)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # Served and cancelled in the same moment: the place must not be lost.
                self.give_back(future.result())
            else:
                self._waiting.remove(entry)
            raise

    async def take_batch(self) -> int:
        """Takes every free place, once enough are free that a request for jobs pays."""
        places = await self.take()
        if self.taken - places >= self._refill_below:
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER):
                        await self._low.wait()
            except asyncio.CancelledError:
                self.give_back(places)
                raise
        return places + (self._grab(self._free) if not self._waiting else 0)

    def give_back(self, places: int = 1) -> None:
        """Makes places free again."""
        self._free += places
        while self._free and self._waiting:
            future, most = self._waiting.popleft()
            if not future.done():
                future.set_result(self._grab(most))
        # One place is the fetcher's own while it waits.
        if self.taken - 1 < self._refill_below:
            self._low.set()

    def _grab(self, most: int) -> int:
        places = min(most, self._free)
        self._free -= places
        if self.taken - 1 >= self._refill_below:
            self._low.clear()
        return places
