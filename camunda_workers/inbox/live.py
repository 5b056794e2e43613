"""Live updates: browsers are told that something changed, and ask for what they show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

import structlog

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.events import EventLog
from camunda_workers.events.subscription import Where, subscribe

PAUSE: Final = 0.25
"""Seconds in which changes are gathered before browsers are told."""
PING: Final = 15.0
MOST_EACH: Final = 20
"""Streams of one person: tabs, not attacks."""

_TYPES: Final = Where({"valueType": ["USER_TASK", "INCIDENT", "PROCESS_INSTANCE_CREATION"], "recordType": ["EVENT"]})
_log = structlog.get_logger("camunda_workers.inbox")


class Changes:
    """Follows the event log for everybody who looks.

    Args:
        log: the event log.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._bells: dict[asyncio.Event, str] = {}
        self._closed = asyncio.Event()

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        """Follow the log meanwhile."""
        self._closed.clear()
        task = asyncio.create_task(self._follow(), name="camunda-workers-inbox-live")
        try:
            yield
        finally:
            self.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def close(self) -> None:
        """End all streams: the server stops."""
        self._closed.set()
        self.ring()

    def ring(self) -> None:
        """Tell everybody that something changed."""
        for bell in self._bells:
            bell.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(subscribe(self._log, where=_TYPES)) as found:
                    async for _ in found:
                        self.ring()
            except CamundaWorkersError as error:
                # Pages can still be loaded; only their updates wait.
                _log.warning("inbox.live.interrupted", error=str(error))
                await asyncio.sleep(1)

    def may_listen(self, user: str) -> bool:
        """Whether somebody may open one more stream."""
        return sum(one == user for one in self._bells.values()) < MOST_EACH

    async def stream(self, user: str, signed_in: Callable[[], bool]) -> AsyncGenerator[str]:
        """Server-sent events for one browser, until its session ends or the server stops."""
        bell = asyncio.Event()
        self._bells[bell] = user
        try:
            yield "retry: 2000\nevent: hello\ndata: 1\n\n"
            while not self._closed.is_set():
                try:
                    async with asyncio.timeout(PING):
                        await bell.wait()
                except TimeoutError:
                    if not signed_in():
                        yield "event: bye\ndata: 1\n\n"
                        return
                    yield ": still here\n\n"
                    continue
                bell.clear()
                if self._closed.is_set():
                    return
                yield "event: changed\ndata: 1\n\n"
                await asyncio.sleep(PAUSE)
        finally:
            del self._bells[bell]
