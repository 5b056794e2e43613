"""Live updates: browsers are told that something changed, and ask for what they show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.events import EventLog
from camunda_workers.events.projections.base import DEFAULT_TENANT
from camunda_workers.events.subscription import Where, subscribe

PAUSE: Final = 0.25
"""Seconds in which changes are gathered before browsers are told."""
PING: Final = 15.0
MOST_EACH: Final = 20
"""Streams of one person: tabs, not attacks."""

_TYPES: Final = Where({"valueType": ["USER_TASK", "INCIDENT", "PROCESS_INSTANCE_CREATION"], "recordType": ["EVENT"]})
_log = structlog.get_logger("camunda_workers.inbox")


@dataclass(frozen=True, slots=True)
class _Listener:
    user: str
    tenants: frozenset[str] | None


class Changes:
    """Follows the event log for everybody who looks.

    Args:
        log: the event log.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._bells: dict[asyncio.Event, _Listener] = {}
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

    def ring(self, tenant: str | None = None) -> None:
        """Tell everybody that something changed; what happens to a tenant is only told those who may see it."""
        for bell, one in self._bells.items():
            if tenant is None or one.tenants is None or tenant in one.tenants:
                bell.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(subscribe(self._log, where=_TYPES)) as found:
                    async for one in found:
                        self.ring(str(one.record.value.get("tenantId") or DEFAULT_TENANT))
            except Exception as error:
                # Pages can still be loaded; only their updates wait, and they go on whatever went wrong once.
                _log.warning("inbox.live.interrupted", error=str(error), exc_info=not isinstance(error, CamundaWorkersError))
                await asyncio.sleep(1)

    def may_listen(self, user: str) -> bool:
        """Whether somebody may open one more stream."""
        return sum(one.user == user for one in self._bells.values()) < MOST_EACH

    async def stream(self, user: str, signed_in: Callable[[], bool], tenants: frozenset[str] | None = None) -> AsyncGenerator[str]:
        """Server-sent events for one browser, until its session ends or the server stops."""
        bell = asyncio.Event()
        self._bells[bell] = _Listener(user, tenants)
        try:
            yield "retry: 2000\nevent: hello\ndata: 1\n\n"
            while not self._closed.is_set():
                try:
                    async with asyncio.timeout(PING):
                        await bell.wait()
                except TimeoutError:
                    if signed_in():
                        yield ": still here\n\n"
                        continue
                bell.clear()
                if self._closed.is_set():
                    return
                if not signed_in():
                    yield "event: bye\ndata: 1\n\n"
                    return
                yield "event: changed\ndata: 1\n\n"
                await asyncio.sleep(PAUSE)
        finally:
            del self._bells[bell]
