"""Notices when something blocks the event loop, while it blocks, and says where.

A blocking call in an async function stops every worker of the process. From inside the loop that is only seen afterwards; a thread sees it
at once and can read the loop's stack.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from datetime import timedelta
from types import FrameType
from typing import Final

import structlog

_log = structlog.get_logger("camunda_workers.worker")

_EVERY: Final = 0.5
_DEEP: Final = 8
"""Lines of the stack that are shown."""


class LoopLag:
    """Watches the loop it is started in.

    Args:
        alarm_after: how late the loop may be.
    """

    def __init__(self, alarm_after: timedelta) -> None:
        self._limit = alarm_after.total_seconds()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._longest = 0.0
        self._alarms = 0

    @property
    def longest(self) -> float:
        """The latest the loop has been, in seconds."""
        return self._longest

    @property
    def alarms(self) -> int:
        """How often it was too late."""
        return self._alarms

    def start(self) -> None:
        """Begins to watch; call it in the loop."""
        arguments = (asyncio.get_running_loop(), threading.get_ident())
        self._thread = threading.Thread(target=self._watch, args=arguments, name="camunda-workers loop lag", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends watching."""
        self._stopped.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, loop_thread: int) -> None:
        while not self._stopped.wait(_EVERY):
            answered = threading.Event()
            asked = time.monotonic()
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:
                return  # the loop is closed
            if not answered.wait(self._limit):
                self._alarm(answered, asked, loop_thread)
            self._longest = max(self._longest, time.monotonic() - asked)

    def _alarm(self, answered: threading.Event, asked: float, loop_thread: int) -> None:
        self._alarms += 1
        where = _where(sys._current_frames().get(loop_thread))  # pyright: ignore[reportPrivateUsage]
        _log.error(
            "loop.blocked",
            seconds=round(time.monotonic() - asked, 2),
            where=where,
            fix="a blocking call belongs into a plain function, which runs in a thread, or into run='process' if it computes",
        )
        while not answered.wait(_EVERY):
            if self._stopped.is_set():
                return
        _log.warning("loop.runs_again", blocked=round(time.monotonic() - asked, 2))


def _where(frame: FrameType | None) -> str:
    if frame is None:
        return "unknown"
    lines = [f"{entry.filename}:{entry.lineno} in {entry.name}" for entry in traceback.extract_stack(frame)[-_DEEP:]]
    return " < ".join(reversed(lines))
