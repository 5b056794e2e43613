"""What the connectors' workers share: idempotency keys, and which failures are final."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from camunda_workers import JobContext
from camunda_workers.errors import JobFailed
from connectors.errors import SystemRefused


def idempotency_key(job: JobContext) -> str:
    """The key under which a job's effect happens at most once.

    The job's own key would not do: the engine hands out a new one when the task is entered again after an incident was resolved by
    modification, and the element instance stays the same over every retry, time-out and redelivery.
    """
    return f"{job.process_instance_key}:{job.element_instance_key}"


@contextmanager
def refusals_are_final() -> Generator[None]:
    """Turns a system's refusal into a job without retries: the same request would be refused again, a person has to look."""
    try:
        yield
    except SystemRefused as refusal:
        raise JobFailed(str(refusal), retries=0) from refusal
