"""The composition root: puts an engine, its event log, a client and a project's own code together."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import ProjectFile, Settings

if TYPE_CHECKING:
    from camunda_workers.client import Client
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.events import EventLog


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
