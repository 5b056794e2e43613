"""Knows when this process has not been looking: it was frozen, or a blocking call held its loop up.

What is read right after that may have lain in a buffer all the while. A job that was pushed into it has perhaps timed out there and been done by
somebody else, so its time must be counted from the last moment in which it could not have been there yet, and not from when it was read.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

EVERY: Final = 0.25
"""Seconds between two beats: a shorter pause of the loop changes nothing that matters, for a job's timeout is seconds at least."""

LATE: Final = 2 * EVERY

SETTLED: Final = 2.0
"""Seconds after which a process that looks again has read what lay in its buffers. A job that is read later was pushed later: however long ago
the loop was held up, whoever waited since before was free to read it."""


class Pulse:
    """Beats in the loop, and remembers the last time it did not."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._absent_from = self._absent_to = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to beat; call it in the loop."""
        self._last = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._beat)

    def stop(self) -> None:
        """Ends beating."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arrived(self, waited_from: float) -> float:
        """The earliest time, by the monotonic clock, at which something that was read just now can have arrived.

        Args:
            waited_from: since when it was waited for, with nothing there.
        """
        now = time.monotonic()
        if self._timer is None:
            return now
        # What was blocked may be read before the beat that is due.
        self._note(now)
        if self._absent_to <= waited_from or now - self._absent_to > SETTLED:
            return now
        return max(waited_from, self._absent_from)

    def _beat(self) -> None:
        now = time.monotonic()
        self._note(now)
        self._last = now
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._beat)

    def _note(self, now: float) -> None:
        if now - self._last > LATE:
            self._absent_from, self._absent_to = self._last, now
