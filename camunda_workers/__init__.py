"""camunda-workers: the Python side of Camunda 8.

::

    from camunda_workers import Router, worker

    @worker("greet")
    async def greet(name: str) -> dict[str, str]:
        return {"greeting": f"Hello {name}"}

``camunda_workers.worker`` is the decorator. The package of the same name is there for ``from camunda_workers.worker import ...``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from camunda_workers.errors import (
    BackPressure,
    BadResource,
    BpmnError,
    CamundaWorkersError,
    ConfigurationError,
    DeadlineExceeded,
    EngineError,
    EngineFailure,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    JobFailed,
    JobOutcome,
    MissingExtra,
    NotFound,
    NotSupported,
    PermissionDenied,
    SetupError,
    Unauthenticated,
)
from camunda_workers.worker import Header, Provided, Variable, Worker, worker

if TYPE_CHECKING:
    from camunda_workers.client import Client
    from camunda_workers.worker import (
        ALL,
        ActivateElement,
        AdHoc,
        Bpmn,
        CallNext,
        Completed,
        Corrected,
        Denied,
        Deny,
        Failed,
        JobContext,
        JobKind,
        ListenerEvent,
        Middleware,
        Outcome,
        Polling,
        RetryPolicy,
        Router,
        WorkerRunner,
        current_job,
        run_workers,
    )

_FROM_WORKER = frozenset(
    {
        "ALL",
        "ActivateElement",
        "AdHoc",
        "Bpmn",
        "CallNext",
        "Completed",
        "Corrected",
        "Denied",
        "Deny",
        "Failed",
        "JobContext",
        "JobKind",
        "ListenerEvent",
        "Middleware",
        "Outcome",
        "Polling",
        "RetryPolicy",
        "Router",
        "WorkerRunner",
        "current_job",
        "run_workers",
    }
)

__all__ = [
    "ALL",
    "ActivateElement",
    "AdHoc",
    "BackPressure",
    "BadResource",
    "Bpmn",
    "BpmnError",
    "CallNext",
    "CamundaWorkersError",
    "Client",
    "Completed",
    "ConfigurationError",
    "Corrected",
    "DeadlineExceeded",
    "Denied",
    "Deny",
    "EngineError",
    "EngineFailure",
    "EngineUnavailable",
    "Failed",
    "Header",
    "InvalidArgument",
    "InvalidState",
    "JobContext",
    "JobFailed",
    "JobKind",
    "JobOutcome",
    "ListenerEvent",
    "Middleware",
    "MissingExtra",
    "NotFound",
    "NotSupported",
    "Outcome",
    "PermissionDenied",
    "Polling",
    "Provided",
    "RetryPolicy",
    "Router",
    "SetupError",
    "Unauthenticated",
    "Variable",
    "Worker",
    "WorkerRunner",
    "current_job",
    "run_workers",
    "worker",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: grpc, pydantic and structlog take longer than everything else together, and the command line wants neither.
    if name in _FROM_WORKER:
        value = getattr(importlib.import_module("camunda_workers.worker"), name)
    elif name == "Client":
        value = importlib.import_module("camunda_workers.client").Client
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
