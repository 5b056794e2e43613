"""The HTTP server of the REST face: loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from camunda_workers.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.engine.embedded.rest.batch_runner import Batches


class RestServer:
    """A running uvicorn server in this event loop."""

    def __init__(self, server: Any, serving: asyncio.Task[None], batches: Batches) -> None:
        self._server = server
        self._serving = serving
        self._batches = batches

    async def stop(self, grace: float | None) -> None:
        """Stop serving; requests under way are cut off after ``grace`` seconds (at once by default)."""
        self._server.should_exit = True
        self._server.force_exit = not grace
        await self._serving
        await self._batches.close()


async def start_rest(engine: EmbeddedEngine, port: int) -> tuple[RestServer, int]:
    """Serve the engine's REST API.

    Args:
        engine: what to serve.
        port: where to listen; 0 takes a free port.

    Returns:
        The server and its port.

    Raises:
        ConfigurationError: the port is taken.
        MissingExtra: starlette or uvicorn is not installed.
    """
    try:
        import uvicorn

        from camunda_workers.engine.embedded.rest.app import create_app
    except ModuleNotFoundError:
        raise MissingExtra("embedded", "The REST API of the embedded engine") from None
    # The protocol must be named: asyncio switches Nagle's delay off only then, and answers would take 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"REST port {port} is taken: choose another one, or 0 for a free one") from error
    app = create_app(engine)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1)

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # the process's signals belong to whoever started the engine

    server = Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="camunda-workers-rest")
    while not server.started:
        if serving.done():
            serving.result()
            raise ConfigurationError("the REST server stopped at once")
        await asyncio.sleep(0.001)
    return RestServer(server, serving, app.state.batches), listener.getsockname()[1]
