"""An ASGI application on a free port of the loopback interface, plain or behind TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.support.certificates import Pair


@asynccontextmanager
async def serving(app: Any, tls: Pair | None = None, *, clients: Any = None) -> AsyncGenerator[str]:
    """Serve until the block ends; yields the address.

    Args:
        app: the application.
        tls: the server's certificate; plain without.
        clients: the authority whose certificates clients must show, if any.
    """
    options: dict[str, Any] = {}
    if tls is not None:
        options = {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
        if clients is not None:
            options |= {"ssl_ca_certs": str(clients.certificate), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", **options)
    server = uvicorn.Server(config)
    # Signals belong to the test runner.
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.005)
            assert not task.done()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://localhost:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
