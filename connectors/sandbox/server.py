"""The sandbox as something that runs: a real server on a real port, over its own file."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from connectors.claims import Policy
from connectors.sandbox.faults import FaultPlan, Misbehaviour
from connectors.sandbox.store import Store
from connectors.sandbox.systems import build_app
from connectors.settings import ConnectorSettings


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the process belongs to whoever starts the sandbox."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Sandbox:
    """The four systems on one port. An async context manager: inside it, they are there.

    Args:
        policies: what the policy administration knows.
        database: the SQLite file; without it, memory.
        port: 0 takes a free one.
        host: loopback unless somebody really wants otherwise; nothing here asks who is calling.
        seed: of the faults that hit only a share of the calls.

    Attributes:
        faults: what the systems do wrong now; the same as ``/admin/faults``.
    """

    def __init__(
        self, policies: Iterable[Policy] = (), *, database: Path | None = None, port: int = 0, host: str = "127.0.0.1", seed: int = 0
    ) -> None:
        self.faults = FaultPlan(seed)
        self._policies = [(policy.number, policy.model_dump_json()) for policy in policies]
        self._database = database
        self._where = (host, port)
        self._store: Store | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.address = ""

    @property
    def settings(self) -> ConnectorSettings:
        """Connector settings that lead here."""
        return ConnectorSettings.at(self.address)

    @property
    def store(self) -> Store:
        """What the systems remember."""
        if self._store is None:
            raise RuntimeError("the sandbox is not running: use it inside 'async with'")
        return self._store

    async def __aenter__(self) -> Self:
        listening = _listen(*self._where)
        host, port = listening.getsockname()[:2]
        self.address = f"http://{host}:{port}"
        self._store = Store(self._database or ":memory:")
        await asyncio.to_thread(self._store.put_policies, self._policies)
        app = Misbehaviour(build_app(self._store, self.faults), self.faults)
        # One second: a call that was told never to be answered must not keep the sandbox from stopping.
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]), name="sandbox")
        while not self._server.started:
            if self._serving.done():
                self._serving.result()
                raise RuntimeError("the sandbox's server ended before it had started")
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        if self._store is not None:
            self._store.close()
            self._store = None


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio turns off Nagle's algorithm only where it is: without that, every answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise OSError(
            error.errno, f"the sandbox cannot listen on {host}:{port} ({error.strerror}): choose another port, or 0 for a free one"
        ) from error
    return listening
