"""``python -m connectors.sandbox [--port 8090] [--host H] [--database FILE]``: the four systems, until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from pathlib import Path

from camunda_workers.errors import ConfigurationError
from connectors.sandbox.dataset import load
from connectors.sandbox.server import Sandbox


async def serve(port: int, database: Path | None, host: str = "127.0.0.1") -> None:
    """Serves the sandbox with the policies of the data set; prints one JSON line when it is ready."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows' event loop has no signal handlers; there, an interrupt ends asyncio.run itself.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with Sandbox(load().policies, database=database, port=port, host=host) as sandbox:
        print(json.dumps({"address": sandbox.address, **sandbox.settings.model_dump()}), flush=True)
        await stop.wait()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m connectors.sandbox", description="Policy administration, payments, documents, notifications."
    )
    parser.add_argument("--port", type=int, default=8090, help="the port to listen on; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; 0.0.0.0 in a container. Nothing here asks who is calling")
    parser.add_argument("--database", type=Path, help="the SQLite file to keep; without it, everything is forgotten at the end")
    arguments = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(arguments.port, arguments.database, arguments.host))
    except ConfigurationError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
