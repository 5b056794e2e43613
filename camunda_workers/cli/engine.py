"""``camunda-workers engine``: run a Camunda engine until interrupted, and look after its data."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.cli import engine_data
from camunda_workers.cli.signals import stop_on_signals
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.engine.broker import BrokerEngine

app = typer.Typer(no_args_is_help=True, help="Run a Camunda engine for development.")
app.command()(engine_data.backup)
app.command()(engine_data.restore)
app.command()(engine_data.inspect)


class EngineKind(StrEnum):
    """Which engine to run."""

    embedded = "embedded"
    broker = "broker"


class StateKind(StrEnum):
    """Where the embedded engine keeps its state."""

    memory = "memory"
    rocksdb = "rocksdb"


@app.callback()
def group() -> None:
    """Run a Camunda engine for development."""


@app.command()
def start(
    engine: Annotated[
        EngineKind, typer.Option(help="embedded: in this process. broker: a stock Zeebe broker as a process of its own.")
    ] = EngineKind.embedded,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the gRPC gateway; 0 takes a free one.")] = 26500,
    rest_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the REST API; 0 takes a free one.")] = 8080,
    version: Annotated[str | None, typer.Option(help="Version of the engine; by default the tested one.")] = None,
    state: Annotated[
        StateKind | None,
        typer.Option(
            help="Embedded without --data only. rocksdb (default) stays fast with thousands of open instances; memory starts faster."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where its data is kept. By default the embedded engine keeps nothing, the broker all."),
    ] = None,
    snapshot_every: Annotated[
        float,
        typer.Option(min=0.1, help="Embedded with --data only. Seconds between snapshots: a restart after a kill replays at most this."),
    ] = 300.0,
    controlled_clock: Annotated[
        bool, typer.Option("--controlled-clock", help="Broker only. Let its time be moved forward through its management API.")
    ] = False,
) -> None:
    """Serve an engine on loopback until Ctrl-C or SIGTERM; prints one JSON line when it is ready."""
    if engine is EngineKind.broker:
        if state is not None:
            raise typer.BadParameter("the broker keeps its state on disk: leave it out, or use --engine embedded", param_hint="--state")
        asyncio.run(_serve_broker(data, grpc_port, rest_port, controlled_clock, version))
        return
    if controlled_clock:
        raise typer.BadParameter(
            "the embedded engine's time is moved from its own process: add --engine broker", param_hint="--controlled-clock"
        )
    if data is not None and state is StateKind.memory:
        raise typer.BadParameter("what is kept in a folder is not kept in memory: leave one of the two out", param_hint="--state")
    asyncio.run(_serve_embedded(data, grpc_port, rest_port, state or StateKind.rocksdb, version, snapshot_every))


async def _serve_embedded(
    data: Path | None, grpc_port: int, rest_port: int, state: StateKind, version: str | None, snapshot_every: float
) -> None:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.logs import configure_logging

    configure_logging()
    settings = Settings(engine_version=version) if version else Settings()
    stop = stop_on_signals()
    engine = EmbeddedEngine(
        data=data, state=state.value, grpc_port=grpc_port, rest_port=rest_port, snapshot_interval=snapshot_every, settings=settings
    )
    async with engine:
        _print_ready(
            engine="embedded",
            version=settings.engine_version,
            state=state.value,
            data=str(data) if data else None,
            grpc=engine.grpc_address,
            rest=engine.rest_address,
        )
        await stop.wait()


async def _serve_broker(data: Path | None, grpc_port: int, rest_port: int, controlled_clock: bool, version: str | None) -> None:
    from camunda_workers.cli.progress import Bars
    from camunda_workers.engine.broker import BrokerEngine

    stop = stop_on_signals()
    with Bars() as progress:
        engine = BrokerEngine(
            data, grpc_port=grpc_port, rest_port=rest_port, controlled_clock=controlled_clock, version=version, progress=progress
        )
        starting, stopping = asyncio.ensure_future(engine.start()), asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():  # told to end while it was starting
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            return
        await starting
    try:
        _print_ready(
            engine="broker",
            version=engine.version,
            grpc=engine.grpc_address,
            rest=engine.rest_address,
            management=engine.management_address,
            data=str(engine.data),
            log=str(engine.log_file),
            broker_pid=engine.pid,
        )
        await _until_stopped(engine, stopping)
    finally:
        await engine.stop()


async def _until_stopped(engine: BrokerEngine, stopping: asyncio.Future[Any]) -> None:
    ended = asyncio.ensure_future(engine.wait())
    await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        await ended  # says why
    ended.cancel()


def _print_ready(**facts: Any) -> None:
    print(json.dumps({**facts, "pid": os.getpid()}), flush=True)
