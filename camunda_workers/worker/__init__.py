"""The worker runtime: functions become workers, jobs become calls, returns become variables.

Import from `camunda_workers` or from here; the modules inside may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_workers.lazy import lazily
from camunda_workers.worker.decorate import Worker, worker
from camunda_workers.worker.markers import Header, Provided, Variable

if TYPE_CHECKING:
    from camunda_workers.worker.context import JobContext, current_job
    from camunda_workers.worker.definition import ALL, Definition
    from camunda_workers.worker.gateway import JobGateway
    from camunda_workers.worker.kinds import JobKind, ListenedUserTask, ListenerEvent
    from camunda_workers.worker.middleware import CallNext, Middleware
    from camunda_workers.worker.outcome import ActivateElement, AdHoc, Bpmn, Completed, Corrected, Denied, Deny, Failed, Outcome
    from camunda_workers.worker.polling import Polling
    from camunda_workers.worker.retry import RetryDecision, RetryPolicy
    from camunda_workers.worker.router import Router
    from camunda_workers.worker.run import run_workers
    from camunda_workers.worker.runner import WorkerRunner

_LAZY = {
    "ALL": "definition",
    "ActivateElement": "outcome",
    "AdHoc": "outcome",
    "Bpmn": "outcome",
    "CallNext": "middleware",
    "Completed": "outcome",
    "Corrected": "outcome",
    "Definition": "definition",
    "Denied": "outcome",
    "Deny": "outcome",
    "Failed": "outcome",
    "JobContext": "context",
    "JobGateway": "gateway",
    "JobKind": "kinds",
    "ListenedUserTask": "kinds",
    "ListenerEvent": "kinds",
    "Middleware": "middleware",
    "Outcome": "outcome",
    "Polling": "polling",
    "RetryDecision": "retry",
    "RetryPolicy": "retry",
    "Router": "router",
    "WorkerRunner": "runner",
    "current_job": "context",
    "run_workers": "run",
}

__all__ = [
    "ALL",
    "ActivateElement",
    "AdHoc",
    "Bpmn",
    "CallNext",
    "Completed",
    "Corrected",
    "Definition",
    "Denied",
    "Deny",
    "Failed",
    "Header",
    "JobContext",
    "JobGateway",
    "JobKind",
    "ListenedUserTask",
    "ListenerEvent",
    "Middleware",
    "Outcome",
    "Polling",
    "Provided",
    "RetryDecision",
    "RetryPolicy",
    "Router",
    "Variable",
    "Worker",
    "WorkerRunner",
    "current_job",
    "run_workers",
    "worker",
]


__getattr__ = lazily(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
