"""``camunda-workers inbox``: the inbox for people who sign in at a provider, beside a cluster."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from camunda_workers.errors import MissingExtra
from camunda_workers.settings import Settings, load_project

app = typer.Typer(add_completion=False)


@app.command()
def inbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 8088,
    host: Annotated[str, typer.Option(help="Loopback, unless a proxy on another machine stands before it and adds TLS.")] = "127.0.0.1",
) -> None:
    """Serve the inbox until Ctrl-C or SIGTERM; people sign in at the identity provider that the project file names."""
    asyncio.run(_serve(port, host))


async def _serve(port: int, host: str) -> None:
    try:
        from camunda_workers.inbox import serve_inbox
        from camunda_workers.inbox.production import open_parts
    except ModuleNotFoundError as error:
        raise MissingExtra("inbox", f"'camunda-workers inbox' ({error.name})") from error
    from camunda_workers.cli.log_options import open_log
    from camunda_workers.cli.signals import stop_on_signals
    from camunda_workers.worker.collector import calm_collector

    stop = stop_on_signals()
    settings, project = Settings(), load_project()
    async with (
        open_log(None, None) as log,
        open_parts(project, settings, log) as parts,
        serve_inbox(parts, port=port, host=host) as address,
    ):
        print(f"inbox     {address}, for people at {settings.inbox_url}", flush=True)
        if problems := await parts.tasks.problems():
            for name, text in problems.items():
                print(f"warning   {name}: {text}", flush=True)
        with calm_collector():
            await stop.wait()
