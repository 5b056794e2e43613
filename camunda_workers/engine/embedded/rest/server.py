"""The HTTP server of the REST face: loopback only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_workers.errors import ConfigurationError, MissingExtra
from camunda_workers.serving import Served, listen, serve

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.engine.embedded.rest.batch_runner import Batches

_WHAT = "The REST API of the embedded engine"


class RestServer:
    """A running server of the REST API."""

    def __init__(self, served: Served, batches: Batches) -> None:
        self._served = served
        self._batches = batches

    async def stop(self, grace: float | None) -> None:
        """Stop serving; requests under way are cut off after ``grace`` seconds (at once by default)."""
        await self._served.stop(at_once=not grace)
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
        from camunda_workers.engine.embedded.rest.app import create_app
    except ModuleNotFoundError:
        raise MissingExtra("embedded", _WHAT) from None
    try:
        listener = listen("127.0.0.1", port)
    except OSError as error:
        raise ConfigurationError(f"REST port {port} is taken: choose another one, or 0 for a free one") from error
    app = create_app(engine)
    served = await serve(app, listener, what=_WHAT, name="camunda-workers-rest", timeout_graceful_shutdown=1)
    return RestServer(served, app.state.batches), listener.getsockname()[1]
