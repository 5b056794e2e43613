"""Puts one worker together from its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from camunda_workers.worker.definition import Definition, Run
from camunda_workers.worker.executor import Executor
from camunda_workers.worker.gateway import JobGateway
from camunda_workers.worker.jobs import Jobs, Runs
from camunda_workers.worker.middleware import Middleware
from camunda_workers.worker.poller import Poller
from camunda_workers.worker.polling import Polling
from camunda_workers.worker.pulse import Pulse
from camunda_workers.worker.reporter import Reporter
from camunda_workers.worker.slots import Slots
from camunda_workers.worker.stats import WorkerStats
from camunda_workers.worker.threads import Threads

if TYPE_CHECKING:
    from camunda_workers.worker.idempotency import IdempotencyStore
    from camunda_workers.worker.processes import Processes


@dataclass(frozen=True, slots=True)
class Assembled:
    """A worker that is ready to run.

    Attributes:
        poller: fetches its jobs, with a stream beside it.
        jobs: runs them.
        pools: threads and processes to close when it has stopped.
    """

    poller: Poller
    jobs: Jobs
    pools: Sequence[Threads | Processes]


def assemble(
    definition: Definition,
    *,
    gateway: JobGateway,
    resources: Mapping[str, Any],
    middleware: Sequence[Middleware],
    stats: WorkerStats,
    name: str,
    polling: Polling,
    max_result: int,
    store: IdempotencyStore | None,
    pulse: Pulse,
) -> Assembled:
    """Makes a worker's parts.

    Args:
        definition: the worker.
        gateway: the way to the engine.
        resources: parameter name to the open resource.
        middleware: around each job, outermost first.
        stats: counts what happens.
        name: the worker's name for the engine.
        polling: how jobs are fetched.
        max_result: bytes of JSON the engine takes.
        store: where outcomes of idempotent workers are kept.
        pulse: knows when this process has not been looking.
    """
    threads = Threads(definition.job_type, definition.max_running) if definition.run is Run.THREAD else None
    processes = None
    if definition.run is Run.PROCESS:
        # Imported here: few workers need it.
        from camunda_workers.worker.processes import Processes

        processes = Processes(definition.job_type, definition.max_running)
    executor: Runs = Executor(
        definition, resources=resources, middleware=middleware, threads=threads, processes=processes, max_result=max_result
    )
    if definition.idempotent and store is not None:
        from camunda_workers.worker.idempotency import Idempotent

        executor = Idempotent(executor, store, definition, stats)
    slots = Slots(definition.max_running)
    jobs = Jobs(definition, executor=executor, reporter=Reporter(gateway, stats), gateway=gateway, slots=slots, stats=stats)
    poller = Poller(definition, gateway=gateway, jobs=jobs, slots=slots, stats=stats, name=name, polling=polling, pulse=pulse)
    return Assembled(poller, jobs, [pool for pool in (threads, processes) if pool is not None])
