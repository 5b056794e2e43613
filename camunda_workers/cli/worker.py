"""``camunda-workers worker``: run a project's workers."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Run a project's workers.")


class Level(StrEnum):
    """The least severe level that is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


@app.callback()
def group() -> None:
    """Run a project's workers."""


@app.command()
def run(
    modules: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODULE:ROUTER]...", help="Routers to run; those of camunda-workers.toml when none is named."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="How many processes; each runs all workers.")] = 1,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve /livez, /readyz and /metrics here; 0 takes a free port.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where they listen; 0.0.0.0 in a container.")] = "127.0.0.1",
    drain: Annotated[
        float | None, typer.Option(min=0, help="Seconds running jobs get to end on SIGTERM; then they are given back. Default 10.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="For development: start anew when a Python file of the project changes.")
    ] = False,
    tracing: Annotated[bool, typer.Option("--tracing", help="Make OpenTelemetry spans (extra 'otel').")] = False,
    log_level: Annotated[Level, typer.Option(help="The least severe level that is logged.")] = Level.info,
    log_json: Annotated[bool, typer.Option("--log-json", help="One JSON object a line.")] = False,
) -> None:
    """Run workers until SIGTERM or Ctrl-C: running jobs are finished or given back, within the drain and a few seconds.

    Addresses and credentials come from the environment (ZEEBE_GRPC_ADDRESS, CAMUNDA_REST_ADDRESS, CAMUNDA_CLIENT_ID ...).
    """
    # Imported here: the help page does without.
    from camunda_workers.cli.worker_process import Options, project_of, routers_of, serve
    from camunda_workers.settings import Settings

    options = Options(
        modules=tuple(modules or ()),
        folder=str(Path.cwd()),
        host=host,
        port=port,
        drain=Settings().drain_seconds if drain is None else drain,
        log_level=log_level.value,
        log_json=log_json,
        tracing=tracing,
    )
    project = project_of(options)
    if processes == 1 and not reload:
        asyncio.run(serve(options))
        return
    from camunda_workers.cli.supervisor import Supervisor
    from camunda_workers.logs import configure_logging

    configure_logging(options.log_level, as_json=log_json)
    if not reload:
        # A slip is told once and at once; with --reload it may be corrected while this waits.
        routers_of(project, options.modules)
    sys.exit(asyncio.run(Supervisor(options, processes, reload=project.root if reload else None).run()))
