"""Property-based tests of a process: random but valid stories on fresh engines, shrunk to the shortest that goes wrong.

Hypothesis draws the inputs, which of the possible moves happens next, and with which values; the engine says after each move what is possible
then. A story that ends in an incident, a dead wait or a broken invariant is a failure, and Hypothesis looks for a shorter one.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar

from camunda_workers.errors import CamundaWorkersError, MissingExtra
from camunda_workers.testing.failures import ExpectationFailed
from camunda_workers.testing.moves import Move, moves
from camunda_workers.testing.story import text_of, value_text

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject, SearchStrategy

    from camunda_workers.testing.handles import Instance
    from camunda_workers.testing.kit import CamundaTest

T = TypeVar("T")

Values: TypeAlias = "SearchStrategy[Mapping[str, Any]] | Mapping[str, Any]"
"""Where values come from: a strategy of variables, or always the same variables."""

Invariant: TypeAlias = Callable[["Instance", dict[str, Any]], Any]
"""Called after every move with the instance and its variables: breaks by raising AssertionError or returning False."""

Setup: TypeAlias = Callable[["CamundaTest"], Awaitable[None] | None]
"""Called on every fresh engine before the start: mocks and workers whose jobs are then not moves of the exploration."""

_LONGEST_SHRINK = 60.0


class Options(TypedDict, total=False):
    """How to explore; see `CamundaTest.explore`."""

    inputs: Values | None
    jobs: Mapping[str, Values] | None
    tasks: Mapping[str, Values] | None
    messages: Mapping[str, Values] | None
    invariant: Invariant | None
    setup: Setup | None
    stories: int
    longest: int
    seed: int | None


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration saw.

    Attributes:
        stories: how many were told; ``ended`` how many of them to the end.
        elements: ids of the elements that were entered.
    """

    stories: int
    ended: int
    elements: frozenset[str]


class ExplorationFailed(ExpectationFailed):
    """A story went wrong; ``steps`` is the shortest that was found."""

    def __init__(self, why: str, text: str, steps: tuple[str, ...]) -> None:
        super().__init__(why, text)
        self.steps = steps


@dataclass(slots=True)
class _Tally:
    stories: int = 0
    ended: int = 0
    elements: set[str] = field(default_factory=set[str])
    shortest: ExplorationFailed | None = None
    found_at: float = 0.0


async def explore(
    kit: CamundaTest,
    process_id: str,
    *,
    inputs: Values | None = None,
    jobs: Mapping[str, Values] | None = None,
    tasks: Mapping[str, Values] | None = None,
    messages: Mapping[str, Values] | None = None,
    invariant: Invariant | None = None,
    setup: Setup | None = None,
    stories: int = 50,
    longest: int = 25,
    seed: int | None = None,
) -> Exploration:
    """Look for a story of a process that goes wrong; see `CamundaTest.explore`."""
    try:
        import hypothesis
        from hypothesis import strategies
    except ModuleNotFoundError:
        raise MissingExtra("testing", "Exploring processes") from None
    loop = asyncio.get_running_loop()
    tally = _Tally()
    given = {**{("job", n): v for n, v in (jobs or {}).items()}, **{("task", n): v for n, v in (tasks or {}).items()}}
    given |= {("message", n): v for n, v in (messages or {}).items()}
    values: dict[tuple[str, str], Values] = {("start", ""): inputs if inputs is not None else {}, **given}

    def wait(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    def one_story(data: DataObject) -> None:
        if tally.shortest is not None and time.monotonic() - tally.found_at > _LONGEST_SHRINK:
            return
        told = _Story(kit, process_id, values, invariant, setup, longest, tally)
        try:
            wait(told.begin(_draw(data, values["start", ""])))
            while (possible := wait(told.possible())) is not None:
                chosen = possible[data.draw(strategies.integers(0, len(possible) - 1)) if len(possible) > 1 else 0]
                wait(told.do(chosen, {**chosen.example, **_draw(data, values.get(chosen.values or ("", ""), {}))}))
        except ExplorationFailed as failure:
            if tally.shortest is None or len(failure.steps) <= len(tally.shortest.steps):
                tally.shortest = failure
            tally.found_at = tally.found_at or time.monotonic()
            raise
        finally:
            wait(told.end())

    health: Any = list(hypothesis.HealthCheck)
    phases = (hypothesis.Phase.generate, hypothesis.Phase.shrink)
    run = hypothesis.given(strategies.data())(one_story)
    run = hypothesis.settings(
        max_examples=stories, deadline=None, database=None, suppress_health_check=health, phases=phases, print_blob=False
    )(run)
    if seed is not None:
        run = hypothesis.seed(seed)(run)
    try:
        await asyncio.to_thread(run)
    except Exception:
        if tally.shortest is None:
            raise
    if tally.shortest is not None:
        raise tally.shortest.with_traceback(None) from None
    return Exploration(tally.stories, tally.ended, frozenset(tally.elements))


def _draw(data: DataObject, source: Values) -> dict[str, Any]:
    return dict(source if isinstance(source, Mapping) else data.draw(source))


class _Story:
    """One story on an engine of its own."""

    def __init__(
        self,
        parent: CamundaTest,
        process_id: str,
        values: Mapping[tuple[str, str], Values],
        invariant: Invariant | None,
        setup: Setup | None,
        longest: int,
        tally: _Tally,
    ) -> None:
        self._parent, self._process_id, self._values = parent, process_id, values
        self._invariant, self._setup, self._longest, self._tally = invariant, setup, longest, tally
        self._stack = AsyncExitStack()
        self._steps: list[str] = []
        self._kit: Any = None
        self._instance: Any = None

    async def begin(self, variables: Mapping[str, Any]) -> None:
        """Start the instance on a fresh engine."""
        self._kit = await self._stack.enter_async_context(self._parent.sibling())
        if self._setup is not None and inspect.isawaitable(prepared := self._setup(self._kit)):
            await prepared
        self._steps.append(f"'{self._process_id}' starts" + (f" with {value_text(variables)}" if variables else ""))
        self._instance = await self._kit.start(self._process_id, variables)

    async def possible(self) -> list[Move] | None:
        """What can happen next; ``None`` when the story is at its end.

        Raises:
            ExplorationFailed: it went wrong.
        """
        kit, instance = self._kit, self._instance
        try:
            await kit.settle()
        except ExpectationFailed as error:
            await self._failed(str(error).splitlines()[0])
        incident = next(iter(kit.journal.of_instance(instance.key)), None)
        if incident is not None:
            await self._failed(
                f"an incident: {incident.value['errorType']} at '{incident.value['elementId']}': {incident.value['errorMessage']}"
            )
        await self._check_invariant()
        state = instance.fact().state
        if state != "active" or len(self._steps) > self._longest:
            self._tally.ended += state != "active"
            return None
        found = moves(kit, instance, kit.served())
        if not found:
            await self._failed("a dead wait: the instance is active, and nothing that anybody can do moves it on")
        return found

    async def do(self, move: Move, values: Mapping[str, Any]) -> None:
        """Let a move happen."""
        self._steps.append(move.text + (f" with {value_text(values)}" if values else ""))
        try:
            await move.do(values)
        except (CamundaWorkersError, ExpectationFailed) as error:
            await self._failed(f"the engine refuses it: {error}")

    async def end(self) -> None:
        """Let go of the engine."""
        self._tally.stories += 1
        if self._kit is not None:
            self._tally.elements.update(e.element_id for one in self._kit.journal.instances.values() for e in one.elements.values())
        await self._stack.aclose()

    async def _check_invariant(self) -> None:
        if self._invariant is None:
            return
        variables = dict(self._kit.journal.variables.get(self._instance.key, {}))
        try:
            held = self._invariant(self._instance, variables)
            if inspect.isawaitable(held):
                held = await held
        except AssertionError as error:
            await self._failed(f"a broken invariant: {error or 'an assertion'}")
        else:
            if held is False:
                await self._failed("a broken invariant")

    async def _failed(self, why: str) -> None:
        steps = "\n".join(f"  {number}. {step}" for number, step in enumerate(self._steps, start=1))
        story = await text_of(self._kit.journal, self._instance.key)
        raise ExplorationFailed(why, f"{why}\nthe shortest story that was found:\n{steps}\n\n{story}", tuple(self._steps))
