"""What every part of the kit stands on: one engine, its journal, and the rules of awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from camunda_workers.client import Client, Resource
from camunda_workers.errors import ConfigurationError, EngineUnavailable
from camunda_workers.testing.crew import Crew, Later
from camunda_workers.testing.diagrams import ProcessDiagram, read_processes
from camunda_workers.testing.embedded import EmbeddedGround
from camunda_workers.testing.facts import ElementFact
from camunda_workers.testing.failures import ExpectationFailed, is_expectation, unknown
from camunda_workers.testing.ground import Ground
from camunda_workers.testing.handles import Instance
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.story import text_of
from camunda_workers.testing.waiting import Waiting

__tracebackhide__ = is_expectation

T = TypeVar("T")

DEFAULT_TIMEOUT = 10.0
"""Seconds after which an expectation or a command gives up; Camunda Process Test waits as long."""


class Core:
    """One engine under test."""

    def __init__(
        self,
        ground: Ground | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        on_close: Callable[[Journal], None] | None = None,
        replace: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.ground: Ground = ground or EmbeddedGround()
        self.timeout = timeout
        self._on_close = on_close
        self._replace = replace or {}
        self._deployed: dict[str, Resource] = {}
        self._crew = Crew(self.ground.serves)
        self.waiting = Waiting(self.ground, self._crew.served, timeout)
        self._later: list[Later[Any]] = []
        self._recordings: list[Path] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def client(self) -> Client:
        """The client of the engine, for commands that the kit has no words for."""
        self._check()
        return self.ground.client

    @property
    def journal(self) -> Journal:
        """What the engine's records say; read as far as the last step of the test."""
        return self.ground.journal

    def now(self) -> datetime:
        """The engine's time (UTC)."""
        return self.ground.now()

    async def up_to_date(self) -> None:
        """Do what is pending and read the engine's records."""
        await self.ready()
        await self.waiting.look_around()

    def diagram_of(self, instance: int) -> ProcessDiagram | None:
        """The diagram of a process instance."""
        fact = self.journal.instances.get(instance)
        process = self.journal.processes.get(fact.definition) if fact is not None else None
        return read_processes(process.content).get(process.process_id) if process is not None else None

    async def settle(self) -> None:
        """Wait until nothing more happens by itself; an ExpectationFailed names the worker that does not let go."""
        await self.ready()
        await self.waiting.settled()

    async def check_element(self, instance: Instance, *element_ids: str) -> None:
        """Refuse ids that neither the instance's diagram nor one that it calls has.

        Raises:
            UnknownName: names near ones.
        """
        await self.ready()
        if instance.fact() is None:
            await self.waiting.look_around()
        known: dict[str, None] = {}
        for key in self.journal.descendants(instance.key):
            diagram = self.diagram_of(key)
            if diagram is None or not diagram.elements:
                return
            known.update(dict.fromkeys([*diagram.elements, *diagram.flows]))
        if any(one not in known for one in element_ids):
            await self.waiting.look_around()  # a called process may have begun since
            for key in self.journal.descendants(instance.key):
                if (diagram := self.diagram_of(key)) is not None:
                    known.update(dict.fromkeys([*diagram.elements, *diagram.flows]))
        for one in element_ids:
            if one not in known:
                raise unknown("element", one, f"process '{instance.process_id}'", known)

    async def active_element(self, instance: Instance, element_id: str) -> ElementFact:
        """The element instance that is active at an element, as soon as there is one."""
        await self.check_element(instance, element_id)

        def look() -> ElementFact | None:
            fact = instance.fact()
            return next((one for one in fact.active() if one.element_id == element_id), None) if fact is not None else None

        return await self.waiting.until(look, lambda: f"expected '{element_id}' to be active", instance=instance.key)

    async def do(self, command: Awaitable[T], instance: int | None) -> T:
        """Await a command, but not for ever."""
        await self.ready()
        return await self._timed(command, "the command", instance)

    def served(self) -> frozenset[str]:
        """Job types that the kit's workers and mocks do."""
        return self._crew.served()

    def _soon(self, do: Callable[[], Awaitable[T]]) -> Later[T]:
        self._check()
        later = Later(do)
        self._later.append(later)
        return later

    async def ready(self) -> None:
        """Do what is pending: deployments of mocks, workers that have yet to start."""
        self._check()
        while self._later:
            await self._later.pop(0)
        await self._crew.ready()

    async def _timed(self, command: Awaitable[T], what: str, instance: int | None = None) -> T:
        try:
            async with asyncio.timeout(self.timeout):
                return await command
        except TimeoutError:
            text = f"{what} got no answer within {self.timeout:g} s"
            story = f"\n\n{await text_of(self.journal, instance)}" if instance is not None else ""
            raise ExpectationFailed(text, text + story) from None

    def _check(self) -> None:
        if self._loop is None:
            raise EngineUnavailable("the test's engine has not been started: use 'async with CamundaTest() as camunda'")
        if asyncio.get_running_loop() is not self._loop:
            raise ConfigurationError(
                "this CamundaTest was started in another event loop: fixture and test need the same loop scope "
                "(asyncio_default_fixture_loop_scope and asyncio_default_test_loop_scope)"
            )
        if not self.ground.healthy():
            raise ExpectationFailed("the engine runs", "the engine was stopped in mid-test: nothing can be done with it any more")
