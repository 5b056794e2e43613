"""Code around every job of a router or a runner: ``(call_next, context)``, outermost first.

A middleware sees the job before its function runs and the outcome after it; it may replace the outcome or not call the function at all.

::

    async def timed(call_next: CallNext, context: JobContext) -> Outcome:
        started = perf_counter()
        outcome = await call_next(context)
        context.logger.info("job.timed", seconds=perf_counter() - started)
        return outcome
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from camunda_workers.worker.context import JobContext
from camunda_workers.worker.outcome import Outcome

CallNext: TypeAlias = Callable[[JobContext], Awaitable[Outcome]]
Middleware: TypeAlias = Callable[[CallNext, JobContext], Awaitable[Outcome]]


def variables_needed(middleware: Middleware) -> tuple[str, ...]:
    """Process variables that a middleware reads, in its attribute ``variables``; they are fetched with those of the function."""
    return tuple(getattr(middleware, "variables", ()))


def chain(middleware: Sequence[Middleware], innermost: CallNext) -> CallNext:
    """One call through all of them; made once per worker, not per job."""
    call = innermost
    for layer in reversed(middleware):
        call = _around(layer, call)
    return call


def _around(layer: Middleware, inner: CallNext) -> CallNext:
    def call(context: JobContext) -> Awaitable[Outcome]:
        return layer(inner, context)

    return call
