"""``camunda-workers engine``: run a Camunda engine until interrupted, and look after its data."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.cli import engine_access, engine_data
from camunda_workers.cli.signals import stop_on_signals
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.engine.broker import BrokerEngine
    from camunda_workers.engine.embedded.auth.door import Door

app = typer.Typer(no_args_is_help=True, help="Run a Camunda engine for development.")
app.command()(engine_data.backup)
app.command()(engine_data.restore)
app.command()(engine_data.inspect)
app.command()(engine_access.user)


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
    auth: engine_access.Auth = None,
    users: engine_access.UsersFile = None,
    issuer: engine_access.Issuer = None,
    audience: engine_access.Audience = None,
    host: engine_access.Host = "127.0.0.1",
    allow_anyone: engine_access.AllowAnyone = False,
    tls_certificate: engine_access.Certificate = None,
    tls_key: engine_access.CertificateKey = None,
) -> None:
    """Serve an engine until Ctrl-C or SIGTERM; prints one JSON line when it is ready."""
    if engine is EngineKind.broker:
        if state is not None:
            raise typer.BadParameter("the broker keeps its state on disk: leave it out, or use --engine embedded", param_hint="--state")
        settings = engine_access.settings_of(None, auth, users, issuer, audience)
        folder = data or settings.data_dir / "broker"

        def broker_door() -> Door:
            return engine_access.door_of(settings, folder, host, allow_anyone, tls_certificate, tls_key)

        asyncio.run(_serve_broker(folder, grpc_port, rest_port, controlled_clock, version, settings, broker_door))
        return
    if controlled_clock:
        raise typer.BadParameter(
            "the embedded engine's time is moved from its own process: add --engine broker", param_hint="--controlled-clock"
        )
    if data is not None and state is StateKind.memory:
        raise typer.BadParameter("what is kept in a folder is not kept in memory: leave one of the two out", param_hint="--state")
    settings = engine_access.settings_of(version, auth, users, issuer, audience)

    def door() -> Door:
        return engine_access.door_of(settings, data, host, allow_anyone, tls_certificate, tls_key)

    asyncio.run(_serve_embedded(data, grpc_port, rest_port, state or StateKind.rocksdb, settings, snapshot_every, door))


async def _serve_embedded(
    data: Path | None, grpc_port: int, rest_port: int, state: StateKind, settings: Settings, snapshot_every: float, door: Callable[[], Door]
) -> None:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.logs import configure_logging
    from camunda_workers.worker.collector import calm_collector

    configure_logging()
    stop = stop_on_signals()
    engine = EmbeddedEngine(
        data=data,
        state=state.value,
        grpc_port=grpc_port,
        rest_port=rest_port,
        door=door(),
        snapshot_interval=snapshot_every,
        settings=settings,
    )
    async with engine:
        _print_ready(
            engine="embedded",
            version=settings.engine_version,
            state=state.value,
            data=str(data) if data else None,
            grpc=engine.grpc_address,
            rest=engine.rest_address,
            auth=settings.engine_auth,
        )
        with calm_collector():
            await stop.wait()


async def _serve_broker(
    data: Path, grpc_port: int, rest_port: int, controlled_clock: bool, version: str | None, settings: Settings, door: Callable[[], Door]
) -> None:
    from camunda_workers.cli.progress import Bars
    from camunda_workers.engine.broker import BrokerEngine

    stop = stop_on_signals()
    before = door()
    if before.guard is not None:
        typer.echo("the broker's own gRPC and REST (broker_grpc, broker_rest) ask nobody who comes; they stay on loopback", err=True)
    with Bars() as progress:
        engine = BrokerEngine(
            data,
            grpc_port=grpc_port,
            rest_port=rest_port,
            controlled_clock=controlled_clock,
            version=version,
            search=True,
            door=before,
            settings=settings,
            progress=progress,
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
            broker_rest=engine.broker_rest_address,
            broker_grpc=engine.broker_grpc_address,
            management=engine.management_address,
            data=str(engine.data),
            log=str(engine.log_file),
            broker_pid=engine.pid,
            auth=settings.engine_auth,
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
