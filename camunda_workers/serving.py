"""An ASGI application, served in the event loop of whoever starts it: the REST API, the inbox, the exporter sink, the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Any

from camunda_workers.errors import ConfigurationError, MissingExtra

KEEP_ALIVE = 75
"""Seconds that a connection nobody uses stays open: longer than clients keep theirs (httpx 5 s, Node 4 s, proxies often 60 s), or a request
would now and then meet a connection that is being closed."""


def listen(host: str, port: int, *, what: str = "port") -> socket.socket:
    """Return a socket that is bound; port 0 takes a free one.

    Args:
        host: the address, as numbers.
        port: where to listen.
        what: how errors call the port.

    Raises:
        ConfigurationError: the port is taken, not for this user, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be named: asyncio switches Nagle's delay off only then, and answers would take 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"{what} {port} is taken: choose another one, or 0 for a free one") from error
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"{what} {port} at {host} cannot be listened on ({reason}): choose another one, or another address"
        ) from error
    return listener


class Served:
    """A running server."""

    def __init__(self, server: Any, serving: asyncio.Task[None]) -> None:
        self._server = server
        self._serving = serving

    async def stop(self, *, at_once: bool = False) -> None:
        """Stop serving; requests under way have the server's grace to end, or none."""
        self._server.should_exit = True
        self._server.force_exit = at_once
        await self._serving


async def serve(app: Any, listener: socket.socket, *, what: str, name: str, **options: Any) -> Served:
    """Serve an application on a socket that is bound.

    Args:
        app: the application.
        listener: from `listen`; closed with the server.
        what: how errors call it.
        name: of the task that serves.
        options: for uvicorn's configuration.

    Raises:
        MissingExtra: uvicorn is not installed.
        ConfigurationError: the server ended at once.
    """
    try:
        import uvicorn
    except ImportError as error:
        listener.close()
        raise MissingExtra("embedded", what) from error

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # the process's signals belong to whoever started it

    settings: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "ws": "none", "timeout_keep_alive": KEEP_ALIVE}
    settings["http"] = "h11"  # which bounds what a head may hold, whatever else is installed
    settings |= options
    server = Server(uvicorn.Config(app, **settings))
    serving = asyncio.create_task(server.serve([listener]), name=name)
    while not server.started:
        if serving.done():
            serving.result()
            raise ConfigurationError(f"{what} stopped at once")
        await asyncio.sleep(0.001)
    return Served(server, serving)
