"""Middleware that comes with the package: logging, tracing, metrics, redaction. Give them to a `Router` or to the runner, outermost first."""

from __future__ import annotations

from camunda_workers.worker.middlewares.logging import log_jobs
from camunda_workers.worker.middlewares.redaction import Redaction

__all__ = ["Redaction", "log_jobs"]
