"""What a worker has done so far: plain counters that logs, tests and metrics read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class WorkerStats:
    """Counters of one worker.

    Attributes:
        activated: jobs taken from the engine.
        running: jobs whose function runs or whose outcome is being sent.
        most_running: the most that ran at once.
        completed: jobs ended well.
        failed: failed tries.
        bpmn_errors: business errors thrown.
        denied: user-task changes refused.
        returned: jobs given back because the worker stopped.
        already_resolved: outcomes the engine no longer wanted: the job had timed out, been superseded or cancelled.
        refused: outcomes the engine would not take as they were.
        unreported: outcomes that could not be sent before the job's deadline.
        pushed: jobs that came through the stream, of those activated.
        late: outcomes that came after the job's deadline and were dropped.
        expired: jobs that waited for a place until their deadline and were not started.
        duplicates: jobs that were delivered while they were running here.
        extended: timeouts that were extended while a job ran.
        replayed: jobs whose outcome was stored by an earlier delivery.
        streams: how often a stream was opened.
        polls: answered requests for jobs.
        failed_polls: requests for jobs that ended in an error.
        last_poll: when a request was last answered, by the monotonic clock; 0.0 is never.
    """

    activated: int = 0
    running: int = 0
    most_running: int = 0
    completed: int = 0
    failed: int = 0
    bpmn_errors: int = 0
    denied: int = 0
    returned: int = 0
    already_resolved: int = 0
    refused: int = 0
    unreported: int = 0
    pushed: int = 0
    late: int = 0
    expired: int = 0
    duplicates: int = 0
    extended: int = 0
    replayed: int = 0
    streams: int = 0
    polls: int = 0
    failed_polls: int = 0
    last_poll: float = 0.0
