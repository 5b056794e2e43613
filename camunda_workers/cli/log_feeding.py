"""``camunda-workers log sink``: where the log's records come from."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from camunda_workers.cli.log_options import DataDir, Key, Log, open_log, signer_of
from camunda_workers.settings import Settings


def sink(
    host: Annotated[str, typer.Option(help="Where to listen; anything but loopback needs CAMUNDA_WORKERS_SINK_PASSWORD.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="On which port; 0 takes a free one.")] = 9200,
    show_configuration: Annotated[bool, typer.Option("--show-configuration", help="Print what the broker needs, and end.")] = False,
    sign: Annotated[bool, typer.Option("--sign/--no-sign", help="Sign checkpoints as records come.")] = True,
    key: Key = None,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Take what a broker's Elasticsearch exporter pushes, until Ctrl-C or SIGTERM; prints one JSON line when it is ready."""
    settings = Settings()
    password = settings.sink_password.get_secret_value() if settings.sink_password is not None else None
    if show_configuration:
        from camunda_workers.events.sources.sink import exporter_properties

        secret = "${CAMUNDA_WORKERS_SINK_PASSWORD}" if password is not None else None
        for name, value in exporter_properties(f"http://{host}:{port}", username=settings.sink_username, password=secret).items():
            print(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
        return
    asyncio.run(_sink(host, port, settings.sink_username, password, sign, key, data_dir, log))


async def _sink(
    host: str, port: int, username: str, password: str | None, sign: bool, key: Path | None, data_dir: Path | None, target: str | None
) -> None:
    from camunda_workers.events import Follower, ReadModel
    from camunda_workers.events.chain.notary import Notary
    from camunda_workers.events.sources.sink import ExporterSink

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    async with open_log(data_dir, target, create=True, durable=True) as log:
        notary = Notary(log, signer_of(log, key, data_dir)) if sign else None
        followers: list[Follower] = [ReadModel(log), *([notary] if notary is not None else [])]
        async with ExporterSink(log, username=username, password=password, host=host, port=port, followers=followers) as running:
            print(json.dumps({"sink": running.address, "log": log.database.name, "pid": os.getpid()}), flush=True)
            await stop.wait()
        if notary is not None and await log.size():
            await notary.sign()


COMMANDS: Final[tuple[Callable[..., None], ...]] = (sink,)
