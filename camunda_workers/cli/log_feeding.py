"""``camunda-workers log sink|poll|import``: where the log's records come from."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from camunda_workers.cli.log_options import DataDir, Key, Log, open_log, signer_of
from camunda_workers.cli.signals import stop_on_signals
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
    from camunda_workers.events import Follower
    from camunda_workers.events.chain.signing import configured_notary
    from camunda_workers.events.partitions import EveryPartition
    from camunda_workers.events.sources.sink import ExporterSink
    from camunda_workers.worker.collector import calm_collector

    stop = stop_on_signals()
    async with open_log(data_dir, target, create=True, durable=True) as log:
        notary = configured_notary(log, Settings(), signer=signer_of(log, key, data_dir)) if sign else None
        followers: list[Follower] = [EveryPartition(log), *([notary] if notary is not None else [])]
        async with (
            notary.running() if notary is not None else nullcontext(),
            ExporterSink(log, username=username, password=password, host=host, port=port, followers=followers) as running,
        ):
            print(json.dumps({"sink": running.address, "log": log.database.name, "pid": os.getpid()}), flush=True)
            with calm_collector():
                await stop.wait()


def poll(
    every: Annotated[float, typer.Option(min=1, help="Seconds between two polls.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Poll once and end.")] = False,
    cannot_see: Annotated[bool, typer.Option("--cannot-see", help="List what polling does not see, and end.")] = False,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Ask a cluster's REST API what there is, where no exporter can be added (SaaS). Needs a log of its own: name one with --log."""
    from camunda_workers.events.sources.rest_poll import CANNOT_SEE

    if cannot_see:
        print("\n".join(f"- {one}" for one in CANNOT_SEE))
        return
    asyncio.run(_poll(every, once, data_dir, log))


async def _poll(every: float, once: bool, data_dir: Path | None, target: str | None) -> None:
    from camunda_workers.events import ReadModel
    from camunda_workers.events.sources.rest_poll import RestPoll, rest_caller

    stop = stop_on_signals()
    async with open_log(data_dir, target, create=True) as log, rest_caller(Settings()) as call:
        source, model = RestPoll(call, log), ReadModel(log)
        while not stop.is_set():
            added = await source.catch_up()
            await model.catch_up()
            print(json.dumps({"added": added, "records": await log.size()}), flush=True)
            if once:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await stop.wait()


def import_(
    address: Annotated[str, typer.Argument(help="Of Elasticsearch or OpenSearch, http://host:9200 for example.")],
    indices: Annotated[str, typer.Option(help="The exporter's indices.")] = "zeebe-record*",
    username: Annotated[str | None, typer.Option(help="The password is asked for.")] = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="Take what there is, also where records in between are gone.")] = False,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Copy the records that a broker's exporter has put into Elasticsearch or OpenSearch; run again, it goes on where it ended."""
    password = typer.prompt("password", hide_input=True) if username is not None else None
    asyncio.run(_import(address, indices, username, password, gaps, data_dir, log))


async def _import(
    address: str, indices: str, username: str | None, password: str | None, gaps: bool, data_dir: Path | None, target: str | None
) -> None:
    from camunda_workers.events import Pump
    from camunda_workers.events.partitions import EveryPartition
    from camunda_workers.events.sources.elasticsearch import RecordIndices

    async with open_log(data_dir, target, create=True) as log:
        async with RecordIndices(address, username=username, password=password, indices=indices) as source:
            partitions = await source.partitions()
        for partition in partitions:
            async with RecordIndices(
                address, partition=partition, username=username, password=password, indices=indices, gaps=gaps
            ) as source:
                added = await Pump(source, log, partition=partition).catch_up()
                print(json.dumps({"partition": partition, "added": added, "position": await log.position(partition)}), flush=True)
        await EveryPartition(log).catch_up()


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {"sink": sink, "poll": poll, "import": import_}
