"""``camunda-workers engine``: run Camunda's engine in this process until interrupted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from enum import StrEnum
from typing import Annotated, Any

import typer

from camunda_workers.logs import configure_logging
from camunda_workers.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Run a Camunda engine for development.")


class EngineKind(StrEnum):
    """Which engine to run."""

    embedded = "embedded"


class StateKind(StrEnum):
    """Where the embedded engine keeps its state."""

    memory = "memory"
    rocksdb = "rocksdb"


@app.callback()
def group() -> None:
    """Run a Camunda engine for development."""


@app.command()
def start(
    engine: Annotated[EngineKind, typer.Option(help="Which engine to run.")] = EngineKind.embedded,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the gRPC gateway; 0 takes a free one.")] = 26500,
    rest_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the REST API; 0 takes a free one.")] = 8080,
    state: Annotated[StateKind, typer.Option(help="rocksdb stays fast with thousands of open instances; memory starts faster.")] = StateKind.rocksdb,
) -> None:
    """Serve an engine on loopback until Ctrl-C or SIGTERM; prints one JSON line when it is ready."""
    configure_logging()
    asyncio.run(_serve(engine, grpc_port, rest_port, state))


async def _serve(kind: EngineKind, grpc_port: int, rest_port: int, state: StateKind) -> None:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine

    settings = Settings()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    async with EmbeddedEngine(state=state.value, grpc_port=grpc_port, rest_port=rest_port, settings=settings) as engine:
        ready: dict[str, Any] = {
            "engine": kind.value,
            "version": settings.engine_version,
            "state": state.value,
            "grpc": engine.grpc_address,
            "rest": engine.rest_address,
            "pid": os.getpid(),
        }
        print(json.dumps(ready), flush=True)
        await stop.wait()
