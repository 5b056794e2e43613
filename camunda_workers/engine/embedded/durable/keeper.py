"""Keeps a running durable engine safe: snapshots on an interval and at the end, a watch on the disk's free space."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from camunda_workers.engine.embedded.bridge import Bridge
from camunda_workers.engine.embedded.durable.home import DurableHome
from camunda_workers.engine.embedded.durable.memory import give_back
from camunda_workers.engine.embedded.java import in_java_thread, java_class, jpype
from camunda_workers.engine.embedded.time import VirtualTime
from camunda_workers.errors import BackPressure

_logger = logging.getLogger(__name__)


_WATCH_SECONDS = 1.0
_ANSWER_SECONDS = 10


class Keeper:
    """Started with the engine, stopped before it.

    Args:
        home: what is kept.
        processor: the engine's ``StreamProcessor``.
        time: knows the horizon, which is kept with each snapshot.
        bridge: told to refuse commands when nothing can be written.
        exported: returns how far the event log has followed, for certain on disk.
        interval: seconds between snapshots.
        least_free: bytes that the disk must have free for commands to be accepted.
    """

    def __init__(
        self,
        home: DurableHome,
        processor: Any,
        time: VirtualTime,
        bridge: Bridge,
        exported: Callable[[], Awaitable[int]],
        interval: float,
        least_free: int,
    ) -> None:
        self._home = home
        self._processor = processor
        self._time = time
        self._bridge = bridge
        self._exported = exported
        self._interval = interval
        self._least_free = least_free
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: str | None = None
        self._full: str | None = None
        self._told: str | None = None
        self._lock = asyncio.Lock()

    def start(self) -> None:
        """Start watching."""
        self._tasks = [
            asyncio.create_task(self._snapshot_forever(), name="camunda-workers-snapshots"),
            asyncio.create_task(self._watch(), name="camunda-workers-disk"),
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

        Raises:
            BackPressure: the disk is full.
        """
        async with self._lock:
            position = await in_java_thread(self._processed)
            if position <= 0 or (self._home.snapshot is not None and self._home.snapshot.position >= position):
                return max(position, 0)
            facts = await self._time.remembered()
            await in_java_thread(self._home.take_snapshot, position, facts, exported=await self._exported())
            return position

    def trouble(self, reason: str | None) -> None:
        """Refuse commands for this reason, or accept them again."""
        self._writing = reason
        self._tell()

    def _processed(self) -> int:
        seconds = java_class("java.util.concurrent.TimeUnit").SECONDS
        return int(self._processor.getLastProcessedPositionAsync().join(jpype.JLong(_ANSWER_SECONDS), seconds))

    def _tell(self) -> None:
        reason = self._writing or self._full
        if reason == self._told:
            return
        self._told = reason
        if reason is None:
            _logger.warning("%s can be written again: commands are accepted", self._home.folder.path)
            self._bridge.refuse(None)
        else:
            _logger.error("commands are refused: %s", reason)
            self._bridge.refuse(BackPressure(f"{reason}; reading goes on, commands are accepted again when there is room"))

    async def _snapshot_forever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.snapshot()
                await in_java_thread(give_back)
            except Exception:
                _logger.exception("a snapshot failed; the engine goes on, the next one is tried in %s s", self._interval)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look_at_disk()
                await self._time.follow()  # little by little, so that a snapshot need not wait for it
            except Exception:
                _logger.exception("the engine's keeper goes on")
            await asyncio.sleep(_WATCH_SECONDS)

    async def _look_at_disk(self) -> None:
        path, needed = self._home.folder.path, self._least_free
        try:
            free = await asyncio.to_thread(self._home.free_bytes)
        except OSError as error:
            full: str | None = f"{path} cannot be reached: {error.strerror}"
        else:
            few = f"the disk of {path} has only {free // 2**20} MB left, {needed // 2**20} MB are needed"
            full = few if free < needed else None
        if (full is None) != (self._full is None):
            self._full = full
            self._tell()
