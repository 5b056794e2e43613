"""Facts that nobody waits for: gathered for a moment, written together, and tried again when the log cannot be written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from types import TracebackType
from typing import Final, Self

from camunda_workers.clock import Clock
from camunda_workers.errors import CamundaWorkersError, InvalidArgument
from camunda_workers.events.facts import Fact, Facts
from camunda_workers.events.log import EventLog

GATHER: Final = 0.25
"""Seconds that a fact may wait for others: one sync of the disk is for all of them."""
MOST: Final = 100_000
"""Facts that are kept while the log cannot be written; what comes then is lost, and said so."""
_AT_ONCE: Final = 1000
_RETRY: Final = 5.0
_logger = logging.getLogger(__name__)


class FactWriter:
    """Writes facts soon, while its ``async with`` block runs; at its end everything is in the log.

    A process that is killed loses what it was just gathering: for facts that must not be lost there is `Facts`, whose caller waits.

    Args:
        log: where they go.
        clock: when a fact that says nothing of it happened.
    """

    def __init__(self, log: EventLog, *, clock: Clock | None = None) -> None:
        self._facts = Facts(log, clock=clock)
        self._waiting: deque[Fact] = deque()
        self._some = asyncio.Event()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    def put(self, fact: Fact) -> None:
        """Have this written soon. Does not wait, and does not raise."""
        if len(self._waiting) >= MOST:
            if not self.lost:
                _logger.error("the log has not been written for so long that worker runs are left out of it")
            self.lost += 1
            return
        self._waiting.append(fact)
        self._some.set()

    async def flush(self) -> None:
        """Write what is waiting.

        Raises:
            ReadModelError: the log cannot be written; the facts still wait.
        """
        async with self._lock:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                try:
                    await self._facts.record(*some)
                except InvalidArgument:
                    await self._one_by_one(some)
                except CamundaWorkersError:
                    self._waiting.extendleft(reversed(some))
                    raise

    async def _one_by_one(self, some: list[Fact]) -> None:
        """One that is not JSON must not take the others with it."""
        for fact in some:
            try:
                await self._facts.record(fact)
            except InvalidArgument as error:
                _logger.error("a fact cannot be written: %s", error)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="camunda-workers-facts")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            async with self._lock:  # what is just being written is written to its end, and once
                self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            await self.flush()
        except CamundaWorkersError as refused:
            _logger.error("%s facts are lost, for the log cannot be written: %s", len(self._waiting), refused)

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            await asyncio.sleep(GATHER)
            try:
                await self.flush()
            except CamundaWorkersError as error:
                _logger.warning("facts wait for the log, which cannot be written: %s", error)
                self._some.set()
                await asyncio.sleep(_RETRY)
