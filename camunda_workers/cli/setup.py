"""``camunda-workers setup``: everything the embedded engine needs, fetched and prepared once."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer

from camunda_workers.errors import SetupError

app = typer.Typer()


@app.command()
def setup(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False) -> None:
    """Fetch the engine and prepare fast starts.

    Does only what is missing, goes on where it was broken off, and needs no network when everything is there.
    """
    from camunda_workers.cli.progress import Bars
    from camunda_workers.engine.embedded.jars import engine_folder, ensure_engine_jars
    from camunda_workers.engine.embedded.jvm import build_class_data_archive
    from camunda_workers.settings import Settings

    settings, began, archive = Settings(), time.monotonic(), ""
    with Bars() as progress:
        jars = ensure_engine_jars(settings.engine_version, settings.cache_dir, progress)
        try:
            archive = str(build_class_data_archive(settings, progress))
        except SetupError as error:
            # Not worth failing for: the engine only starts more slowly.
            print(f"warning: {error}", file=sys.stderr)
    folder = engine_folder(settings.engine_version, settings.cache_dir)
    size = sum(jar.stat().st_size for jar in jars)
    if as_json:
        result = {"engine": settings.engine_version, "folder": str(folder), "jars": len(jars), "bytes": size}
        print(json.dumps(result | {"class_data_archive": archive or None, "wall_seconds": round(time.monotonic() - began, 2)}))
        return
    print(f"Engine {settings.engine_version} is ready: {len(jars)} jars, {size / 1e6:.0f} MB in {folder}")
    print("Next: camunda-workers demo, or camunda-workers engine start")
