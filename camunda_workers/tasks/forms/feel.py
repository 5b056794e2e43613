"""FEEL on the server: the engine's own FEEL engine (feel-scala) in the JVM, behind a small protocol.

There is no well-kept FEEL library for Python (2026), and a wrong answer to "is this field hidden?" lets somebody write what they must not.
So nothing is guessed: where no evaluator is available, a form that needs one is refused with a clear error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from camunda_workers.engine.embedded.feel import Feel
from camunda_workers.errors import CamundaWorkersError, DeadlineExceeded, MissingExtra
from camunda_workers.settings import Settings

T = TypeVar("T")

LONGEST = 5.0
"""Seconds all expressions of one submission may take together."""

MOST_STUCK: Final = 6
"""Evaluations that do not end and are left behind. With more of them, forms that need FEEL are refused rather than the machine be lost."""

_THREADS: Final = MOST_STUCK + 2


@runtime_checkable
class FeelEvaluator(Protocol):
    """Evaluates FEEL. Blocking: called from the thread that `run` provides."""

    def evaluate(self, expression: str, context: Mapping[str, Any]) -> Any:
        """The value of an expression (with or without its leading ``=``), as JSON has it.

        Raises:
            InvalidArgument: it is not FEEL, or cannot be evaluated.
            CamundaWorkersError: there is no evaluator here.
        """
        ...

    def problem(self, expression: str) -> str | None:
        """Why an expression is not FEEL; ``None`` when it is."""
        ...

    async def run(self, work: Callable[[], T]) -> T:
        """Do work that evaluates expressions without blocking the event loop.

        Raises:
            DeadlineExceeded: it took too long.
        """
        ...


class NoFeel:
    """Where nothing can evaluate FEEL: says so, for every expression."""

    def __init__(self, reason: CamundaWorkersError | None = None) -> None:
        self._reason = reason or MissingExtra("embedded", "Evaluating FEEL (conditions and expressions in forms)")

    def evaluate(self, expression: str, context: Mapping[str, Any]) -> Any:
        """Raises the reason."""
        raise self._reason

    def problem(self, expression: str) -> str | None:
        """Raises the reason: a check that was not made must not pass."""
        raise self._reason

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread."""
        return await asyncio.to_thread(work)


class EngineFeel:
    """The FEEL engine on the embedded engine's class path, the one that evaluates the diagrams' expressions.

    Args:
        settings: which engine version, and where its jars are.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._feel = Feel(settings)
        # Not the engine's own few threads for Java: a slow form must not hold up the engine. They stay, because Java keeps every thread it has seen.
        self._threads = ThreadPoolExecutor(_THREADS, "camunda-workers-feel")
        self._stuck = 0

    def evaluate(self, expression: str, context: Mapping[str, Any]) -> Any:
        """See `FeelEvaluator.evaluate`."""
        return self._feel.evaluate(expression, context)

    def problem(self, expression: str) -> str | None:
        """See `FeelEvaluator.problem`."""
        return self._feel.problem(expression)

    async def run(self, work: Callable[[], T]) -> T:
        """See `FeelEvaluator.run`."""
        if self._stuck >= MOST_STUCK:
            raise DeadlineExceeded(f"{self._stuck} forms' expressions have not ended yet: one of the forms never does")
        working = self._threads.submit(work)
        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.wrap_future(working)
        except TimeoutError as error:
            if not working.cancel() and not working.done():
                self._left_behind(working)
            raise DeadlineExceeded(f"the form's expressions took more than {LONGEST:g} seconds") from error

    def _left_behind(self, working: Future[Any]) -> None:
        """Nothing ends an evaluation in Java: what does not end by itself keeps its thread, and others' forms go on in the ones that are left."""
        self._stuck += 1

        def ended(_: Future[Any]) -> None:
            self._stuck -= 1

        working.add_done_callback(ended)


def feel_here(settings: Settings | None = None) -> FeelEvaluator:
    """The evaluator that this installation has: the engine's, or none (which refuses forms that need one)."""
    try:
        from camunda_workers.engine.embedded.jvm import import_jpype

        import_jpype()
    except MissingExtra as error:
        return NoFeel(error)
    return EngineFeel(settings)
