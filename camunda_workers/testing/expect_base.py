"""What expectations about a process instance share."""

from __future__ import annotations

from collections.abc import Callable

from camunda_workers.testing.facts import InstanceFact
from camunda_workers.testing.failures import ExpectationFailed, is_expectation
from camunda_workers.testing.handles import Instance
from camunda_workers.testing.story import text_of

__tracebackhide__ = is_expectation


class Expectations:
    """A theme of expectations about a process instance."""

    def __init__(self, instance: Instance, timeout: float | None) -> None:
        self._instance = instance
        self._kit = instance.kit
        self._timeout = timeout

    def _fact(self) -> InstanceFact | None:
        return self._instance.fact()

    def _family(self) -> set[int]:
        """The instance and those that it called."""
        return set(self._kit.journal.descendants(self._instance.key))

    async def _check(self, *element_ids: str) -> None:
        await self._kit.check_element(self._instance, *element_ids)

    async def _until(self, holds: Callable[[], bool], expected: Callable[[], str]) -> None:
        await self._kit.ready()
        await self._kit.waiting.until(lambda: holds() or None, expected, instance=self._instance.key, timeout=self._timeout)

    async def _settled(self) -> None:
        await self._kit.settle()

    async def _now(self, holds: bool, expected: Callable[[], str]) -> None:
        if not holds:
            line = expected()
            raise ExpectationFailed(line, f"{line}\n\n{await text_of(self._kit.journal, self._instance.key)}")
