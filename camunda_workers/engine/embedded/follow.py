"""The event log that follows an engine, and the read model on it that answers searches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from camunda_workers.errors import ReadModelError

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.records import LogRecords
    from camunda_workers.events import EventLog, Pump, ReadModel, RecordSource
    from camunda_workers.events.chain.signing import Signing
    from camunda_workers.settings import StorageSettings

_logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0

_LAST_SECONDS = 5.0
"""How long the end waits for an engine's own log."""

_PAUSE_FACTOR = 4.0
_LONGEST_PAUSE = 2.0
"""While the engine is busy its own event log is written a fifth of the time; what is missing is copied when a search asks or it is quiet."""


class LogFollower:
    """Pumps an engine's records into a log.

    A log that somebody gave is followed all the time, and so is the one in a durable engine's folder: the engine forgets records that the
    log has. An engine that keeps nothing and was given no log opens one in memory at the first search, and only searches make it catch up:
    an engine that nobody searches pays nothing.

    Args:
        log: the log that was given, if any.
        folder: a durable engine's, for a log of its own.
        settings: whether and how a log on disk is signed; it is not without them.
    """

    def __init__(self, log: EventLog | None, folder: Path | None = None, settings: StorageSettings | None = None) -> None:
        self._given = log
        self._settings = settings
        self._signing: Signing | None = None
        self._folder = folder
        self._own: EventLog | None = None
        self._pump: Pump | None = None
        self._model: ReadModel | None = None
        self._running: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._exported = 0
        self._unhurried: Unhurried | None = None

    @property
    def log(self) -> EventLog | None:
        """The log that is followed."""
        return self._given or self._own

    def import_early(self) -> None:
        """Read the modules that :meth:`start` needs: half a second that Java can use."""
        if self._given is not None or self._folder is not None:
            from camunda_workers.events import EventLog, Pump, ReadModel  # noqa: F401  # pyright: ignore[reportUnusedImport]

    async def start(self, records: LogRecords, idle: Callable[[], Awaitable[bool]]) -> None:
        """Start following, if there is a log to follow with.

        Args:
            records: the engine's.
            idle: whether the engine has nothing to do.

        Raises:
            ReadModelError: the log is another engine's, or does not reach as far as the engine's own log goes back.
        """
        if self._given is None and self._folder is not None:
            from camunda_workers.events import DEFAULT_FILE, EventLog

            self._own = await asyncio.to_thread(EventLog.open, self._folder / DEFAULT_FILE)
            self._unhurried = Unhurried(records, idle)
        if (log := self.log) is None:
            return
        await _check_reaches(log, records)
        pump, _ = self._open(log, self._unhurried or records)
        if self._given is None:
            await pump.check_continues()
        else:
            await pump.catch_up()  # a log of another engine is refused here, before anything is served
        if self._settings is not None:
            from camunda_workers.events.chain.signing import Signing

            self._signing = Signing(self._settings)
            await self._signing.start(log)
        self._running = asyncio.create_task(_follow(pump), name="camunda-workers-event-log")

    async def caught_up(self, records: LogRecords) -> ReadModel:
        """Return the read model, after everything that the engine's log holds now."""
        end = await records.last_position()
        async with self._lock:
            if self._pump is None or self._model is None:
                from camunda_workers.events import EventLog

                self._own = EventLog.open(":memory:")
                self._open(self._own, records)
            assert self._pump is not None
            assert self._model is not None
            try:
                with self._unhurried.hurry() if self._unhurried is not None else nullcontext():
                    await self._pump.catch_up(end)
            except ReadModelError as error:
                if error.__cause__ is None:
                    raise  # it is the wrong log, not a full disk
                _logger.warning("searches are answered from what the event log has: %s", error)
            return self._model

    async def exported(self) -> int:
        """Return how far the log has followed, for certain on disk; 0 for one in memory."""
        log, pump = self.log, self._pump
        if log is not None and log.path is not None and pump is not None and pump.position > self._exported:
            position = pump.position
            # Its last transactions may be lost in a power cut, and are read from the engine again: the engine may forget only what is safe.
            await log.flush()
            self._exported = position
        return self._exported

    async def stop(self) -> None:
        """Copy what is left and let go; the engine's records must still be readable."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None
            if self._pump is not None:
                try:
                    with self._unhurried.hurry() if self._unhurried is not None else nullcontext():
                        # Its own log goes on at the next start; somebody else's may be read before that.
                        async with asyncio.timeout(_LAST_SECONDS if self._unhurried is not None else None):
                            await self._pump.catch_up()
                    await self.exported()
                except TimeoutError:
                    _logger.info("the event log ends before the engine's; it goes on at the next start")
                except ReadModelError as error:
                    _logger.warning("the event log could not be brought up to date at the end; it goes on at the next start: %s", error)
        self._pump = self._model = None
        if self._signing is not None:
            await self._signing.stop()
            self._signing = None
        if self._own is not None:
            await self._own.close()
            self._own = None

    def _open(self, log: EventLog, records: RecordSource) -> tuple[Pump, ReadModel]:
        from camunda_workers.events import Pump, ReadModel

        self._model = ReadModel(log)
        self._pump = Pump(records, log, followers=[self._model])
        return self._pump, self._model


class Unhurried:
    """A record source that leaves a busy engine most of the time while there is much to copy; nobody waits for what it copies, unless told so.

    Args:
        source: where the records are.
        idle: whether the engine has nothing to do: then nobody else wants the time.
    """

    def __init__(self, source: RecordSource, idle: Callable[[], Awaitable[bool]]) -> None:
        self._source = source
        self._idle = idle
        self._handed_out: float | None = None
        self._waiting_for_it = 0
        self._hurry = asyncio.Event()

    @contextmanager
    def hurry(self) -> Generator[None]:
        """Do not pause: somebody waits."""
        self._waiting_for_it += 1
        self._hurry.set()
        try:
            yield
        finally:
            self._waiting_for_it -= 1
            if not self._waiting_for_it:
                self._hurry.clear()

    async def read(self, after: int, limit: int) -> Sequence[bytes | str]:
        """Return records, while the engine is busy after a pause that grows with the time that was spent on those before."""
        clock = asyncio.get_running_loop().time
        if self._handed_out is not None and not self._waiting_for_it and not await self._idle():
            pause = min(_PAUSE_FACTOR * (clock() - self._handed_out), _LONGEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
        lines = await self._source.read(after, limit)
        self._handed_out = clock() if lines else None
        return lines

    async def wait(self, after: int, timeout: float) -> bool:
        """Wait for records."""
        return await self._source.wait(after, timeout)


async def _follow(pump: Pump) -> None:
    while True:
        try:
            await pump.run()
        except Exception:
            # A full disk, for one, is there again later; nothing is lost, for the engine keeps what the log does not have.
            _logger.exception("the event log cannot follow the engine; it is tried again in %s s", _RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS)


async def _check_reaches(log: EventLog, records: LogRecords) -> None:
    first, known = await records.first_position(), await log.position()
    if first is not None and first > known + 1:
        raise ReadModelError(
            f"the event log {log.database.name} ends at position {known}, the engine's log begins at {first}: what is between was in the "
            "event log that followed this engine before; use that one, or restore the folder from a backup"
        )
