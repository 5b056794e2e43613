"""The inbox's HTTP server, in the event loop of whoever starts it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import uvicorn

from camunda_workers.errors import ConfigurationError
from camunda_workers.inbox.app import create_inbox
from camunda_workers.inbox.parts import Parts


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
    # The protocol must be named: asyncio switches Nagle's delay off only then.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"port {port} is taken: choose another one with --port, or 0 for a free one") from error
    app = create_inbox(parts)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", server_header=False, timeout_graceful_shutdown=3
    )

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # the process's signals belong to whoever started the inbox

    server = Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="camunda-workers-inbox")
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise ConfigurationError("the inbox stopped at once")
            await asyncio.sleep(0.005)
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        # Streams are told to end, so that the server need not wait for browsers that stay.
        app.state.site.changes.close()
        server.should_exit = True
        await serving
