"""The cap on running jobs of one worker: exact, whoever brings the jobs."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

REFILL_BELOW = 0.3
"""More jobs are fetched when fewer than this part of the cap are running: few large requests instead of one for every job that ends."""

LINGER = 0.1
"""Seconds to wait for more room before fetching all the same: long jobs above the mark must not keep free places empty for ever."""


@dataclass(eq=False, slots=True)
class _Waiter:
    future: asyncio.Future[None]
    most: int
    batch: bool
    got: int = 0


class Slots:
    """Places for running jobs. Whoever starts a job takes a place first; waiters are served in turn, one place each while others wait.

    Args:
        cap: how many jobs may run at once.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._free = cap
        self._refill_below = max(1.0, cap * REFILL_BELOW)
        self._waiting: deque[_Waiter] = deque()

    @property
    def cap(self) -> int:
        """How many jobs may run at once."""
        return self._cap

    @property
    def taken(self) -> int:
        """Places in use or reserved."""
        return self._cap - self._free

    def take_now(self) -> bool:
        """Takes a place if one is free and nobody waits for it."""
        if not self._free or self._waiting:
            return False
        self._free -= 1
        return True

    async def take(self, most: int = 1) -> int:
        """Takes at least one place and at most so many; waits for the first."""
        if self._free and not self._waiting:
            return self._grab(most)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), most, batch=False)
        await self._served(waiter)
        return waiter.got

    async def take_batch(self) -> int:
        """Takes every free place, once enough are free that a request for jobs pays."""
        places = await self.take(self._cap)
        if self.taken - places < self._refill_below:
            return places
        # It collects here and not in a loop of its own: places become free with every job that ends, and waking somebody costs.
        waiter = _Waiter(asyncio.get_running_loop().create_future(), self._cap, batch=True, got=places)
        timer = asyncio.get_running_loop().call_later(LINGER, self._enough, waiter)
        try:
            await self._served(waiter)
        finally:
            timer.cancel()
        return waiter.got

    def give_back(self, places: int = 1) -> None:
        """Makes places free again."""
        self._free += places
        if self._waiting:
            self._serve()

    async def _served(self, waiter: _Waiter) -> None:
        self._waiting.append(waiter)
        self._serve()
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            # Served and cancelled in the same moment: the places must not be lost.
            self.give_back(waiter.got)
            raise

    def _enough(self, waiter: _Waiter) -> None:
        if not waiter.future.done():
            self._waiting.remove(waiter)
            waiter.future.set_result(None)

    def _serve(self) -> None:
        while self._free and self._waiting:
            waiter = self._waiting[0]
            if waiter.future.done():
                self._waiting.popleft()
            elif not waiter.batch:
                self._waiting.popleft()
                waiter.got = self._grab(waiter.most)
                waiter.future.set_result(None)
            else:
                waiter.got += self._grab(1 if len(self._waiting) > 1 else self._cap)
                if self.taken - waiter.got < self._refill_below:
                    self._waiting.popleft()
                    waiter.future.set_result(None)
                else:
                    # Fetching jobs and taking pushed ones get the same share.
                    self._waiting.rotate(-1)

    def _grab(self, most: int) -> int:
        places = min(most, self._free)
        self._free -= places
        return places
