"""Virtual time: the engine's clock runs with the real one and can be moved forward, due time by due time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from camunda_workers.engine.embedded.horizon import HorizonReader
from camunda_workers.engine.embedded.java import in_java_thread, java_class, jpype
from camunda_workers.engine.embedded.records import LogRecords
from camunda_workers.engine.embedded.wiring import TIMER_RESOLUTION_MS
from camunda_workers.errors import DeadlineExceeded, EngineFailure, InvalidArgument

_AT_ONCE = 1000
"""Records that are read at once while others may be waiting for the event loop: a few milliseconds."""


class EngineClock:
    """The engine's time, as a :class:`camunda_workers.clock.Clock`."""

    def __init__(self, clock: Any, offset: int = 0, on_jump: Callable[[int], None] | None = None) -> None:
        self._clock = clock
        self._offset = offset
        self._on_jump = on_jump

    def now(self) -> datetime:
        """Return the engine's time in UTC."""
        return datetime.fromtimestamp(self.milliseconds() / 1000, UTC)

    def milliseconds(self) -> int:
        """Return the engine's time in milliseconds since the epoch."""
        self._clock.update()  # between updates, which the engine's own threads make when they run, it shows an old time
        return int(self._clock.getTimeMillis())

    def jump(self, milliseconds: int) -> None:
        """Move the clock forward."""
        self._offset += milliseconds
        if self._on_jump is not None:
            self._on_jump(self._offset)  # first remembered, then done: time never goes back over a restart
        self._clock.addTime(java_class("java.time.Duration").ofMillis(jpype.JLong(milliseconds)))


class VirtualTime:
    """Moves an engine's clock and knows when the engine has nothing left to do."""

    def __init__(
        self,
        wired: Any,
        records: LogRecords,
        served_types: Callable[[], set[str]],
        *,
        offset: int = 0,
        on_jump: Callable[[int], None] | None = None,
        remembered: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock = EngineClock(wired.clock, offset, on_jump)
        self._processor = wired.processor
        self._records = records
        self._served_types = served_types
        self._reader = HorizonReader(wired.log, remembered)
        self._lock = asyncio.Lock()

    def close(self) -> None:
        """Let go of the log."""
        self._reader.close()

    async def follow(self) -> None:
        """Read on to the end of the log, little by little: whoever waits for the event loop does not wait for all of it."""
        news = True
        while news:
            news = self._reader.catch_up(_AT_ONCE)
            await asyncio.sleep(0)

    async def remembered(self) -> dict[str, Any]:
        """Return what a later run needs to go on from here without reading the log from its beginning."""
        await self.follow()
        horizon, position = self._reader.horizon.copy(), self._reader.position
        # With 100,000 entries it takes a tenth of a second, which nobody else should have to wait for.
        return {"horizon": await asyncio.to_thread(horizon.to_facts), "horizon_position": position}

    async def is_idle(self) -> bool:
        """Whether the engine has processed everything that is in its log: exact, not a grace period."""
        return bool(await in_java_thread(lambda: self._processor.hasProcessingReachedTheEnd().join()))

    async def replayed(self) -> None:
        """Wait until the engine has caught up with its log: nothing is served before its state is what the log says."""
        idle = False
        while not idle:
            if bool(self._processor.isFailed()):
                raise EngineFailure("the engine could not read its log again; its own log output says why")
            idle = await self.is_idle()
            await asyncio.sleep(0 if idle else 0.005)

    async def settle(self, timeout: float = 30.0) -> None:
        """Wait until the engine is idle and no worker holds a job or could take one.

        Raises:
            DeadlineExceeded: ``timeout`` seconds of real time passed; the text names the jobs in question.
        """
        async with self._lock:
            await self._settle(timeout)

    async def advance(self, by: timedelta, timeout: float = 30.0) -> None:
        """Move time forward, stopping at every due time on the way until what is due has happened and the engine has settled.

        Args:
            by: how far; not negative.
            timeout: real seconds that each stop may take.

        Raises:
            InvalidArgument: time does not go backwards.
            DeadlineExceeded: a worker did not let go of its job in time.
        """
        if by < timedelta(0):
            raise InvalidArgument("time does not go backwards: advance by a positive duration")
        async with self._lock:
            await self._settle(timeout)
            target = self.clock.milliseconds() + round(by.total_seconds() * 1000)
            while (due := self._reader.horizon.next_due()) is not None and due <= target:
                self._jump_to(due + TIMER_RESOLUTION_MS + 1)
                await self._until_happened(timeout)
                await self._settle(timeout)
            self._jump_to(target)
            await self._until_happened(timeout)
            await self._settle(timeout)

    def next_due(self) -> datetime | None:
        """Return when the next timer, back-off or job deadline is due, as far as the log has been read."""
        due = self._reader.horizon.next_due()
        return None if due is None else datetime.fromtimestamp(due / 1000, UTC)

    def _jump_to(self, milliseconds: int) -> None:
        missing = milliseconds - self.clock.milliseconds()
        if missing > 0:
            self.clock.jump(missing)

    async def _until_happened(self, timeout: float) -> None:
        end = asyncio.get_running_loop().time() + timeout
        while due := self._due_now():
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                raise EngineFailure(f"the engine did not act on what is due: {due}")
            await self._records.wait(self._reader.position, min(left, 0.05))

    def _due_now(self) -> list[tuple[str, int]]:
        now = self.clock.milliseconds()
        self._reader.catch_up()
        return self._reader.horizon.due_by(now - 1)

    async def _settle(self, timeout: float) -> None:
        end = asyncio.get_running_loop().time() + timeout
        while True:
            idle = await self.is_idle()
            news = self._reader.catch_up()
            if idle and not news and not self._reader.horizon.busy(self._served_types()):
                return
            if asyncio.get_running_loop().time() > end:
                jobs = sorted(set(self._reader.horizon.busy(self._served_types()).values()))
                raise DeadlineExceeded(
                    f"the engine did not settle in {timeout:g} s; jobs still with or for a running worker: {', '.join(jobs)}"
                )
            if idle and not news:
                await self._records.wait(self._reader.position, 0.05)
