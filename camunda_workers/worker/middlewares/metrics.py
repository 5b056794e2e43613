"""Prometheus metrics of the workers of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from camunda_workers.errors import MissingExtra
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.middleware import CallNext
from camunda_workers.worker.outcome import Outcome
from camunda_workers.worker.stats import WorkerStats

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

# What WorkerStats counts -> the metric's label "outcome".
_OUTCOMES: Final = {
    "completed": "completed",
    "failed": "failed",
    "bpmn_errors": "bpmn_error",
    "denied": "denied",
    "returned": "returned",
    "already_resolved": "already_resolved",
    "refused": "refused",
    "unreported": "unreported",
    "late": "late",
    "expired": "expired",
    "duplicates": "duplicate",
    "replayed": "replayed",
}
_COUNTERS: Final = {
    "activated": "Jobs taken from the engine.",
    "pushed": "Jobs that came through the stream.",
    "extended": "Timeouts that were extended while a job ran.",
    "polls": "Answered requests for jobs.",
    "failed_polls": "Requests for jobs that ended in an error.",
    "streams": "Streams that were opened.",
}


class Metrics:
    """A middleware that times jobs, and a collector that shows what the runner counts.

    Args:
        registry: where metrics are registered; one of its own when not given.

    Raises:
        MissingExtra: the extra ``metrics`` is not installed.
    """

    def __init__(self, registry: Any = None) -> None:
        try:
            import prometheus_client as prometheus
        except ModuleNotFoundError:
            raise MissingExtra("metrics", "Metrics") from None
        self._registry: Any = registry or prometheus.CollectorRegistry()
        self._stats: Callable[[], Mapping[str, WorkerStats]] = dict
        self._problems: Callable[[], Mapping[str, str]] = dict
        self._seconds: Any = prometheus.Histogram(
            "camunda_job_seconds",
            "How long functions took, by outcome.",
            ["job_type", "outcome"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(self)

    def watch(self, stats: Callable[[], Mapping[str, WorkerStats]], problems: Callable[[], Mapping[str, str]]) -> None:
        """Says where counters and problems are read: ``metrics.watch(lambda: runner.stats, runner.problems)``."""
        self._stats, self._problems = stats, problems

    async def __call__(self, call_next: CallNext, context: JobContext) -> Outcome:
        """See `camunda_workers.worker.middleware`."""
        started = time.perf_counter()
        outcome = await call_next(context)
        self._seconds.labels(context.type, type(outcome).__name__.lower()).observe(time.perf_counter() - started)
        return outcome

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def collect(self) -> Iterator[Any]:
        """Prometheus' protocol: counters are read when they are asked for, so that counting them costs nothing more."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        stats = self._stats()
        ended = CounterMetricFamily("camunda_jobs", "Jobs by how they ended.", labels=["job_type", "outcome"])
        running = GaugeMetricFamily("camunda_jobs_running", "Jobs that run now.", labels=["job_type"])
        ready = GaugeMetricFamily("camunda_worker_ready", "Whether the engine answers this worker.", labels=["job_type"])
        problems = self._problems()
        for job_type, one in stats.items():
            for field, outcome in _OUTCOMES.items():
                ended.add_metric([job_type, outcome], getattr(one, field))
            running.add_metric([job_type], one.running)
            ready.add_metric([job_type], float(job_type not in problems and "" not in problems))
        yield from (ended, running, ready)
        for field, about in _COUNTERS.items():
            counter = CounterMetricFamily(f"camunda_worker_{field}", about, labels=["job_type"])
            for job_type, one in stats.items():
                counter.add_metric([job_type], getattr(one, field))
            yield counter
