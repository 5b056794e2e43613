"""What ``import camunda_workers`` offers is a promise: a change here is a line in CHANGELOG.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

import camunda_workers

# fmt: off
PUBLIC = {
    # workers
    "worker", "Worker", "Router", "Header", "Provided", "Variable", "ALL", "JobContext", "JobKind", "ListenerEvent", "current_job",
    "WorkerRunner", "run_workers", "RetryPolicy", "Polling", "Middleware", "CallNext",
    # how a job ends
    "Outcome", "Completed", "Failed", "Bpmn", "Denied", "Deny", "Corrected", "AdHoc", "ActivateElement",
    # the client
    "Client",
    # errors
    "CamundaWorkersError", "ConfigurationError", "MissingExtra", "SetupError", "BadResource", "EngineError", "EngineUnavailable",
    "BackPressure", "DeadlineExceeded", "NotFound", "InvalidArgument", "InvalidState", "PermissionDenied", "Unauthenticated",
    "NotSupported", "EngineFailure", "JobOutcome", "BpmnError", "JobFailed",
}
# fmt: on


def test_the_public_names_are_these() -> None:
    assert set(camunda_workers.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(camunda_workers, name) is not None
    assert name in dir(camunda_workers)


def test_the_import_is_light() -> None:
    heavy = ("grpc", "jpype", "sqlalchemy", "semantic_kernel", "numpy", "typer", "rich")
    code = f"import sys, camunda_workers; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
