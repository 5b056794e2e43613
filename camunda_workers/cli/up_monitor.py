"""The monitor of ``camunda-workers up``: readiness and metrics over HTTP, as workers have them in production."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from camunda_workers.errors import MissingExtra
from camunda_workers.worker.probes import Probes, live, metrics, ready

if TYPE_CHECKING:
    from camunda_workers.worker import WorkerRunner
    from camunda_workers.worker.middlewares.metrics import Metrics


def job_metrics() -> Metrics | None:
    """A middleware that counts jobs; ``None`` where its library is not installed."""
    from camunda_workers.worker.middlewares.metrics import Metrics

    try:
        return Metrics()
    except MissingExtra:
        return None


@asynccontextmanager
async def monitored(
    runner: WorkerRunner, counted: Metrics | None, enforced: Callable[[], Awaitable[Mapping[str, str]]]
) -> AsyncGenerator[str]:
    """Serve what monitors ask meanwhile.

    Args:
        runner: the workers.
        counted: their metrics.
        enforced: whether the rules are.

    Yields:
        The line that says where it is.
    """
    endpoints = {"/livez": live(), "/readyz": ready(runner.problems, enforced)}
    if counted is not None:
        counted.watch(lambda: runner.stats, runner.problems)
        endpoints["/metrics"] = metrics(counted.text)
    async with Probes(endpoints, host="127.0.0.1", port=0) as probes:
        yield f"http://127.0.0.1:{probes.port}: {', '.join(sorted(endpoints))}"
