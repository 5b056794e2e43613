"""The inbox's HTTP server, in the event loop of whoever starts it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from camunda_workers.inbox.app import create_inbox
from camunda_workers.inbox.parts import Parts
from camunda_workers.serving import listen, serve


@asynccontextmanager
async def serve_inbox(parts: Parts, *, port: int = 0, host: str = "127.0.0.1") -> AsyncGenerator[str]:
    """Serve the inbox meanwhile.

    Args:
        parts: what it is put together from.
        port: where to listen; 0 takes a free port.
        host: loopback, unless a proxy with TLS stands before it.

    Yields:
        Its address.

    Raises:
        ConfigurationError: the port is taken.
    """
    listener = listen(host, port)
    app = create_inbox(parts)
    served = await serve(
        app,
        listener,
        what="the inbox",
        name="camunda-workers-inbox",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        # Streams are told to end, so that the server need not wait for browsers that stay.
        app.state.site.changes.close()
        await served.stop()
