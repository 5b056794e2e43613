"""Log lines that say which job they belong to."""

from __future__ import annotations

import time

import structlog

from camunda_workers.worker.context import JobContext
from camunda_workers.worker.middleware import CallNext
from camunda_workers.worker.outcome import Outcome

_log = structlog.get_logger("camunda_workers.job")


async def log_jobs(call_next: CallNext, context: JobContext) -> Outcome:
    """Binds the job's keys to every structlog line of this job, whoever writes it, and logs its start and its end.

    The keys are those of `JobContext.log_keys`: job type and key, process, process instance, element, element instance, business id. They
    reach functions in threads as well, and any logger whose processors include ``structlog.contextvars.merge_contextvars``.
    """
    with structlog.contextvars.bound_contextvars(**context.log_keys()):
        _log.debug("job.started", retries=context.retries)
        started = time.monotonic()
        outcome = await call_next(context)
        _log.info("job.ended", outcome=type(outcome).__name__.lower(), seconds=round(time.monotonic() - started, 4))
        return outcome
