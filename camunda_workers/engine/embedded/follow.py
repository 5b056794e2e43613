"""The event log that follows an engine, and the read model on it that answers searches."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camunda_workers.events import EventLog, Pump, ReadModel, RecordSource

_logger = logging.getLogger(__name__)


class LogFollower:
    """Pumps an engine's records into a log.

    A log that somebody gave is followed all the time; without one a log in memory is opened at the first search, and only searches
    make it catch up: an engine that nobody searches pays nothing.
    """

    def __init__(self, log: EventLog | None) -> None:
        self._given = log
        self._own: EventLog | None = None
        self._pump: Pump | None = None
        self._model: ReadModel | None = None
        self._running: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def start(self, records: RecordSource) -> None:
        """Start following, if there is a log to follow with."""
        if self._given is not None:
            pump, _ = self._open(self._given, records)
            await pump.catch_up()  # a log of another engine is refused here, before anything is served
            self._running = asyncio.create_task(pump.run(), name="camunda-workers-event-log")
            self._running.add_done_callback(_report)

    async def caught_up(self, records: RecordSource) -> ReadModel:
        """Return the read model, after everything that the engine's log holds now."""
        async with self._lock:
            if self._pump is None or self._model is None:
                from camunda_workers.events import EventLog

                self._own = EventLog.open(":memory:")
                self._open(self._own, records)
            assert self._pump is not None
            assert self._model is not None
            await self._pump.catch_up()
            return self._model

    def exported(self) -> int | None:
        """Return how far a given log has followed; None when there is none."""
        return None if self._given is None else (0 if self._pump is None else self._pump.position)

    async def stop(self) -> None:
        """Copy what is left and let go; the engine's records must still be readable."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError, Exception):  # its failure has been reported when it happened
                await self._running
            self._running = None
            if self._pump is not None:
                await self._pump.catch_up()
        self._pump = self._model = None
        if self._own is not None:
            await self._own.close()
            self._own = None

    def _open(self, log: EventLog, records: RecordSource) -> tuple[Pump, ReadModel]:
        from camunda_workers.events import Pump, ReadModel

        self._model = ReadModel(log)
        self._pump = Pump(records, log, followers=[self._model])
        return self._pump, self._model


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("the event log stopped following the engine: %s", error, exc_info=error)
