"""From a record source into the log, resumable at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from camunda_workers.errors import ReadModelError
from camunda_workers.events.log import EventLog
from camunda_workers.events.record import parse_record
from camunda_workers.events.source import Follower, RecordSource

WAIT = 10.0
"""Seconds after which a pump that waits looks again, whether it was woken or not."""


class Pump:
    """Copies records into the log and lets whatever follows the log fold them.

    It keeps no position of its own: it goes on behind the log's highest one, so a crash at any point leaves neither a gap nor a double.

    Args:
        source: one partition's records.
        log: where they go.
        followers: fed after every batch, in this order (a ReadModel, for example).
        partition: the partition that the source is.
        batch: how many records one transaction takes.
    """

    def __init__(
        self, source: RecordSource, log: EventLog, *, followers: Sequence[Follower] = (), partition: int = 1, batch: int = 2000
    ) -> None:
        self._source = source
        self._log = log
        self._followers = tuple(followers)
        self._partition = partition
        self._batch = batch
        self._lock = asyncio.Lock()
        self._position: int | None = None  # nobody else writes this partition; None until the source was seen to continue this log

    @property
    def position(self) -> int:
        """The highest position that the log holds for certain; 0 before the first catch-up."""
        return self._position or 0

    async def catch_up(self, until: int | None = None) -> int:
        """Copy until the source has nothing new.

        Args:
            until: a position that is enough: a busy source has always something new.

        Returns:
            How many records were added.

        Raises:
            ReadModelError: the source is not the one that this log was written from, or gives records out of order.
        """
        added = 0
        while True:
            async with self._lock:  # in turns: whoever waits for a position gets it between two batches of one who wants them all
                if self._position is None:
                    await self.check_continues()
                if until is not None and (self._position or 0) >= until:
                    return added
                lines = await self._source.read(self._position or 0, self._batch)
                if not lines:
                    return added
                added += await self._append(lines)
                for follower in self._followers:
                    await follower.catch_up()

    async def check_continues(self) -> None:
        """Refuse a source that is not the one this log was written from: positions would be taken for known that were never seen.

        The first catch-up does it; call it where a mistake is to be told before anything is served.

        Raises:
            ReadModelError: the log belongs to another engine.
        """
        head = await self._log.position(self._partition)
        if head > 0:
            overlap = await self._source.read(head - 1, 1)
            if overlap:
                if parse_record(overlap[0]).position == head:  # a source that keeps less begins later
                    await self._log.append(overlap, partition=self._partition)  # adds nothing, compares
            elif await self._source.read(0, 1):
                raise ReadModelError(
                    f"the event log {self._log.database.name} ends at position {head}, where the engine has not come yet: "
                    "the log belongs to another engine; give the engine a data directory of its own"
                )
            else:
                return  # an engine that has written nothing yet: look again when it has
        self._position = head

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Copy for ever, woken by the source; ends when ``stop`` is set or the task is cancelled."""
        while stop is None or not stop.is_set():
            await self.catch_up()
            await self._wait(stop)

    async def _wait(self, stop: asyncio.Event | None) -> None:
        waiting = [asyncio.ensure_future(self._source.wait(self._position or 0, WAIT))]
        if stop is not None:
            waiting.append(asyncio.ensure_future(_until(stop)))
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _append(self, lines: Sequence[bytes | str]) -> int:
        added = await self._log.append(lines, partition=self._partition)
        last = parse_record(lines[-1]).position
        if last <= (self._position or 0):
            raise ReadModelError(
                f"asked for records after position {self._position}, the source gave some up to {last}: it gives records out of order"
            )
        self._position = last
        return added


async def _until(stop: asyncio.Event) -> bool:
    return await stop.wait()
