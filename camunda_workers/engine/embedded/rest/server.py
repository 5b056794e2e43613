"""The HTTP server of the REST face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.errors import MissingExtra
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


async def start_rest(engine: EmbeddedEngine, port: int, door: Door | None = None) -> tuple[RestServer, int]:
    """Serve the engine's REST API.

    Args:
        engine: what to serve.
        port: where to listen; 0 takes a free port.
        door: on which address, and for whom; loopback and everybody by default.

    Returns:
        The server and its port.

    Raises:
        ConfigurationError: the port is taken.
        MissingExtra: starlette or uvicorn is not installed.
    """
    try:
        from camunda_workers.engine.embedded.rest.app import create_app
        from camunda_workers.engine.embedded.rest.parsing import protocol
    except ModuleNotFoundError:
        raise MissingExtra("embedded", _WHAT) from None
    door = door or Door()
    listener = listen(door.host, port, what="REST port")
    try:
        app = create_app(engine)
        app.state.batches.go_on()
    except BaseException:
        listener.close()
        raise
    guarded: Any = app
    if door.guard is not None:
        from camunda_workers.engine.embedded.auth.faces import GuardedRest

        guarded = GuardedRest(app, door.guard)
    options: dict[str, Any] = {"timeout_graceful_shutdown": 1, "http": protocol()}
    if door.certificate is not None:
        options |= {"ssl_certfile": door.certificate, "ssl_keyfile": door.key}
    served = await serve(guarded, listener, what=_WHAT, name="camunda-workers-rest", **options)
    return RestServer(served, app.state.batches), listener.getsockname()[1]
