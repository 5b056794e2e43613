"""The composition root: puts an engine, its event log, a client and a project's own code together."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import ProjectFile, Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from camunda_workers.client import Client
    from camunda_workers.clock import Clock
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.events import EventLog
    from camunda_workers.events.fact_writer import FactWriter
    from camunda_workers.worker import CallNext, JobContext, Middleware
    from camunda_workers.worker.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Local:
    """Everything that runs in this process.

    Attributes:
        engine: the embedded engine, serving gRPC and REST on loopback.
        client: a client of it.
        log: the event log that follows it.
    """

    engine: EmbeddedEngine
    client: Client
    log: EventLog


@asynccontextmanager
async def run_locally(settings: Settings, log_path: Path | str = ":memory:", *, data: Path | None = None) -> AsyncGenerator[Local]:
    """Run an embedded engine whose every record goes into a log of its own.

    Args:
        settings: where the engine's files are.
        log_path: where the log is written; it must be new, because a fresh engine begins at its first record.
        data: the folder of a durable engine, which goes on from there and has its log there too; then ``log_path`` is left out.

    Raises:
        SetupError: the engine's files are not there and cannot be fetched.
        ReadModelError: the log is there already, or cannot be written.
    """
    from camunda_workers.client import Client
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.events import EventLog

    if data is not None:
        async with (
            EmbeddedEngine(data=data, rest_port=0, settings=settings) as engine,
            Client(grpc_address=engine.grpc_address, rest_address=engine.rest_address) as client,
        ):
            assert engine.event_log is not None
            yield Local(engine, client, engine.event_log)
        return
    async with (
        EventLog.open(log_path) as log,
        EmbeddedEngine(state="rocksdb", rest_port=0, log=log, settings=settings) as engine,
        Client(grpc_address=engine.grpc_address, rest_address=engine.rest_address) as client,
    ):
        yield Local(engine, client, log)


def load_reference(project: ProjectFile, reference: str) -> Any:
    """Return what a project file refers to as ``package.module:name``, imported from the project's folder.

    Raises:
        ConfigurationError: there is no such module or name; the text names the project file and the reference.
    """
    module_name, _, attribute = reference.partition(":")
    root = str(project.root)
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise ConfigurationError(
                f"{project.path}: there is no module '{module_name}' (from '{reference}') below {project.root}"
            ) from error
        raise
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ConfigurationError(f"{project.path}: module '{module_name}' has no '{attribute}' (from '{reference}')") from None


@asynccontextmanager
async def work_recorded(log: EventLog, clock: Clock | None = None) -> AsyncGenerator[Middleware]:
    """What workers do as facts in the event log: a middleware for their runner; leave this after the runner has stopped.

    Each run is a ``WORKER_RUN``, written soon after; nobody waits for it. Each decision of an AI task is an ``AI_DECISION``, which is in the log
    before the job goes on.

    Args:
        log: where they go.
        clock: the engine's time, where that is not everybody's.
    """
    from camunda_workers.events.fact_writer import FactWriter

    async with FactWriter(log, clock=clock) as writer:
        yield _WorkRecorded(log, writer, clock)


class _WorkRecorded:
    def __init__(self, log: EventLog, writer: FactWriter, clock: Clock | None) -> None:
        self._log = log
        self._writer = writer
        self._clock = clock

    async def __call__(self, call_next: CallNext, context: JobContext) -> Outcome:
        from camunda_workers.events.own_facts import About, WorkerRun

        begun = time.monotonic()
        with self._decisions(context):
            outcome = await call_next(context)
        ended, more, message = _told(outcome)
        more = {"kind": context.kind.value, "bpmnProcessId": context.bpmn_process_id, "processVersion": context.process_version, **more}
        run = WorkerRun(context.type, context.worker, ended, time.monotonic() - begun, context.retries, more, message)
        about = About(context.business_id, context.process_instance_key, context.element_id, context.key)
        self._writer.put(run.fact(about, self._clock.now() if self._clock is not None else None))
        return outcome

    def _decisions(self, context: JobContext) -> AbstractContextManager[None]:
        # Whoever has an AI task has loaded this; nobody else is to pay for it.
        if "camunda_workers.ai.evidence" not in sys.modules:
            return nullcontext()
        from camunda_workers.ai.evidence import decisions_into
        from camunda_workers.ai.log_sink import LoggedDecisions

        return decisions_into(LoggedDecisions(self._log, clock=self._clock, element_id=context.element_id))


def _told(outcome: Outcome) -> tuple[Literal["completed", "failed", "bpmn_error", "denied"], dict[str, Any], str]:
    """How a run ended: in one word, what else is kept for ever, and the text, in which somebody's name may stand."""
    from camunda_workers.worker.outcome import Bpmn, Completed, Denied, Failed

    match outcome:
        case Completed():
            return "completed", {}, ""
        case Failed(message, retries):
            return "failed", {"triesLeft": retries}, message
        case Bpmn(code, message):
            return "bpmn_error", {"errorCode": code}, message
        case Denied(reason):
            return "denied", {}, reason
