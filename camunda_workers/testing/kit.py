"""The kit: one fresh engine and everything that a test does with it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from camunda_workers.errors import ConfigurationError
from camunda_workers.events.recording import save_recording
from camunda_workers.testing.failures import is_expectation
from camunda_workers.testing.kit_steps import Steps
from camunda_workers.testing.kit_work import Work

if TYPE_CHECKING:
    from camunda_workers.testing.explore import Exploration, Options

__tracebackhide__ = is_expectation


class CamundaTest(Steps, Work):
    """A test's engine: an async context manager, and what the fixture ``camunda`` gives.

    ::

        async with CamundaTest() as camunda:
            await camunda.deploy("order.bpmn")
            camunda.mock_job("price", returns={"amount": 120})
            order = await camunda.start("order", customer="Ada")
            await expect(order).to_be_completed()

    Args:
        ground: the engine; a fresh embedded one by default.
        timeout: seconds after which an expectation or a command gives up.
        on_close: told the journal when the test is over (coverage, recordings).
        replace: contents of resources to deploy instead of others (mutants of diagrams).
    """

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            raise ConfigurationError("a CamundaTest is used once: make a new one for a fresh engine")
        self._loop = asyncio.get_running_loop()
        await self.ground.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the workers and the engine. Whatever state the test left behind, nothing of it reaches the next one."""
        complaints = await self._crew.stop()
        try:
            if (self._on_close is not None or self._recordings) and self.ground.healthy():
                await self.journal.catch_up()
                for path in self._recordings:
                    save_recording(self.journal.lines, path)
                if self._on_close is not None:
                    self._on_close(self.journal)
        finally:
            await self.ground.stop()
        for complaint in complaints:
            warnings.warn(complaint, ResourceWarning, stacklevel=2)

    def record(self, path: Path | str) -> None:
        """Save this test's records to a file when it ends, however it ends; ``camunda-workers case show --from`` opens it as a timeline."""
        self._recordings.append(Path(path))

    async def explore(self, process_id: str, **options: Unpack[Options]) -> Exploration:
        """Look for a story of a deployed process that ends in an incident, a dead wait or a broken invariant.

        Every story runs on a fresh engine with what was deployed here. What happens is drawn by Hypothesis from what can happen: a job
        completes or throws an error that the diagram catches, a user task is completed, an awaited message or signal arrives, time passes
        until the next timer. A failure is shrunk to the shortest story.

        Args:
            process_id: the process.
            options: ``inputs``, ``jobs`` (by type), ``tasks`` (by element id), ``messages`` (by name): strategies of variables, or variables;
                ``invariant``: a function of the instance and its variables, called after every move; ``setup``: a function of each fresh kit,
                for mocks and workers; ``stories`` and ``longest``: how many, and how many moves; ``seed``.

        Raises:
            ExplorationFailed: a story went wrong; its text is the story, its ``steps`` the moves.
        """
        from camunda_workers.testing.explore import explore

        await self.ready()
        return await explore(self, process_id, **options)

    @asynccontextmanager
    async def sibling(self) -> AsyncGenerator[CamundaTest]:
        """Another kit on a fresh engine, with the same deployed."""
        async with CamundaTest(self.ground.fresh(), timeout=self.timeout, on_close=self._on_close, replace=self._replace) as other:
            if self._deployed:
                await other.deploy(*self._deployed.values())
            yield other
