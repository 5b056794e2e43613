"""Keeps a running durable engine safe: snapshots on an interval and at the end, a watch on the disk's free space."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from camunda_workers.engine.embedded.bridge import Bridge
from camunda_workers.engine.embedded.durable.home import DurableHome
from camunda_workers.engine.embedded.time import VirtualTime
from camunda_workers.errors import BackPressure

_logger = logging.getLogger(__name__)

LEAST_FREE = 64 * 1024 * 1024
"""Bytes; with less room on the disk commands are refused, while there is still enough to write down what is under way."""

_WATCH_SECONDS = 1.0


class Keeper:
    """Started with the engine, stopped before it.

    Args:
        home: what is kept.
        processor: the engine's ``StreamProcessor``.
        time: knows the horizon, which is kept with each snapshot.
        bridge: told to refuse commands when nothing can be written.
        exported: returns how far an event log has followed, or None.
        interval: seconds between snapshots.
    """

    def __init__(
        self, home: DurableHome, processor: Any, time: VirtualTime, bridge: Bridge, exported: Callable[[], int | None], interval: float
    ) -> None:
        self._home = home
        self._processor = processor
        self._time = time
        self._bridge = bridge
        self._exported = exported
        self._interval = interval
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: str | None = None
        self._full: str | None = None
        self._lock = asyncio.Lock()

    def start(self) -> None:
        """Start watching."""
        self._tasks = [
            asyncio.create_task(self._snapshot_forever(), name="camunda-workers-snapshots"),
            asyncio.create_task(self._watch_disk(), name="camunda-workers-disk"),
        ]

    async def stop(self) -> None:
        """Stop watching and take a last snapshot, so that the next start has nothing to replay."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        try:
            await self.snapshot()
        except Exception as error:  # the log has everything: without the snapshot the next start only takes longer
            _logger.warning("no snapshot could be taken at the end: %s", error)

    async def snapshot(self) -> int:
        """Take a snapshot now.

        Returns:
            The position it stands for.
        """
        async with self._lock:
            position = int(await asyncio.to_thread(lambda: self._processor.getLastProcessedPositionAsync().join()))
            if position <= 0 or (self._home.snapshot is not None and self._home.snapshot.position >= position):
                return max(position, 0)
            facts = self._time.remembered()
            await asyncio.to_thread(self._home.take_snapshot, position, facts, exported=self._exported())
            return position

    def trouble(self, reason: str | None) -> None:
        """Refuse commands for this reason, or accept them again."""
        self._writing = reason
        self._tell()

    def _tell(self) -> None:
        reason = self._writing or self._full
        self._bridge.refuse(
            None if reason is None else BackPressure(f"{reason}; reading goes on, commands are accepted again when there is room")
        )

    async def _snapshot_forever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.snapshot()
            except Exception:
                _logger.exception("a snapshot failed; the engine goes on, the next one is tried in %s s", self._interval)

    async def _watch_disk(self) -> None:
        while True:
            free = await asyncio.to_thread(self._home.free_bytes)
            full = f"the disk of {self._home.folder.path} has only {free // 2**20} MB left" if free < LEAST_FREE else None
            if full != self._full:
                self._full = full
                self._tell()
            await asyncio.sleep(_WATCH_SECONDS)
