"""How an expectation waits: it looks at the records, and again when there are new ones, until it holds or nothing more will happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from camunda_workers.errors import EngineError, EngineUnavailable
from camunda_workers.testing.failures import ExpectationFailed, is_expectation
from camunda_workers.testing.story import text_of

if TYPE_CHECKING:
    from camunda_workers.testing.ground import Ground

__tracebackhide__ = is_expectation

T = TypeVar("T")

Instance: TypeAlias = int | Callable[[], int | None] | None

GRACE = 0.05
"""Seconds for which a quiet engine is given the chance of something that only the test itself knows of (another task of its own)."""

_ALMOST = 0.002
"""Seconds in which an engine is done with what it was asked, as a rule."""

_LOOK_AGAIN = 1.0
"""Seconds after which it looks again, woken or not."""


class Waiting:
    """Waits on one engine.

    Args:
        ground: the engine.
        served: job types that the kit's own workers and mocks serve.
        timeout: seconds after which an expectation fails although something may still happen.
    """

    def __init__(self, ground: Ground, served: Callable[[], frozenset[str]], timeout: float) -> None:
        self._ground = ground
        self._served = served
        self.timeout = timeout
        self._is_processed = True

    async def until(
        self, look: Callable[[], T | None], expected: Callable[[], str], *, instance: Instance = None, timeout: float | None = None
    ) -> T:
        """Return what ``look`` finds in the journal once it finds something.

        Args:
            look: called after the journal has been brought up to date; ``None`` (or False) means not yet.
            expected: the expectation and what is the case instead, for the failure.
            instance: whose story to tell in the failure; a function is asked then.
            timeout: seconds to wait at most. When given, it is waited for even if the engine is quiet.

        Raises:
            ExpectationFailed: it did not come true.
        """
        loop = asyncio.get_running_loop()
        limit = self.timeout if timeout is None else timeout
        end = loop.time() + limit
        while True:
            is_quiet = await self.look_around()
            found = look()
            left = end - loop.time()
            # What holds while the engine is still at work on what it was asked may not hold a moment later.
            if found is not None and found is not False:
                if self._is_processed or left <= 0:
                    return found
                await self._wait(_ALMOST)
                continue
            if left <= 0:
                busy = sorted(set(self._ground.busy(self._served()).values()))
                held = f"; still with or for a worker: {', '.join(busy)}" if busy else ""
                await self._fail(expected(), f"not within {limit:g} s{held}", instance)
            if is_quiet and timeout is None and not await self._stirs():
                if (found := look()) is not None and found is not False:
                    return found
                await self._fail(expected(), "and nothing more will happen: the engine is idle and no worker has anything to do", instance)
            elif not is_quiet or timeout is not None:
                await self._wait(min(left, _LOOK_AGAIN if is_quiet else GRACE))

    async def settled(self, timeout: float | None = None) -> None:
        """Wait until nothing more will happen by itself.

        Raises:
            ExpectationFailed: a worker does not let go of its job.
        """
        limit = self.timeout if timeout is None else timeout
        end = asyncio.get_running_loop().time() + limit
        while not await self.look_around():
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                busy = self._ground.busy(self._served())
                owner = next((self._ground.journal.jobs[key].instance for key in busy if key in self._ground.journal.jobs), None)
                named = ", ".join(sorted(set(busy.values())))
                await self._fail(f"expected the engine to settle within {limit:g} s", f"jobs still with or for a worker: {named}", owner)
            await self._wait(min(left, GRACE))

    async def look_around(self) -> bool:
        """Bring the journal up to date with all that has been asked of the engine so far; whether nothing is left to do."""
        ground = self._ground
        try:
            idle = await ground.idle()
            self._is_processed = idle or not ground.is_exact
            news = await ground.journal.catch_up()
        except EngineUnavailable as error:
            raise ExpectationFailed("the engine runs", f"the engine was stopped in mid-test: {error}") from error
        except Exception as error:
            if ground.healthy():
                raise
            raise ExpectationFailed("the engine runs", f"the engine failed or was stopped in mid-test: {error}") from error
        return idle and not news and not ground.busy(self._served())

    async def _stirs(self) -> bool:
        """Whether a quiet engine becomes active within the grace."""
        await self._wait(GRACE)
        return not await self.look_around()

    async def _wait(self, seconds: float) -> None:
        try:
            await self._ground.journal.wait(seconds)
        except EngineError as error:
            raise ExpectationFailed("the engine runs", f"the engine was stopped in mid-test: {error}") from error

    async def _fail(self, expected: str, why: str, instance: Instance) -> None:
        text = f"{expected}\n{why}"
        if callable(instance):
            instance = instance()
        if instance is not None:
            text += f"\n\n{await text_of(self._ground.journal, instance)}"
        raise ExpectationFailed(expected, text)
