"""The sandbox as something that runs: a real server on a real port, over its own file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from camunda_workers.serving import Served, listen, serve
from connectors.claims import Policy
from connectors.sandbox.faults import FaultPlan, Misbehaviour
from connectors.sandbox.store import Store
from connectors.sandbox.systems import build_app
from connectors.settings import ConnectorSettings


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
        self._served: Served | None = None
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
        listening = listen(*self._where, what="the sandbox's port")
        host, port = listening.getsockname()[:2]
        self.address = f"http://{host}:{port}"
        self._store = Store(self._database or ":memory:")
        await asyncio.to_thread(self._store.put_policies, self._policies)
        app = Misbehaviour(build_app(self._store, self.faults), self.faults)
        # One second: a call that was told never to be answered must not keep the sandbox from stopping.
        self._served = await serve(app, listening, what="the sandbox", name="sandbox", log_level="critical", timeout_graceful_shutdown=1)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._served is not None:
            await self._served.stop()
        if self._store is not None:
            self._store.close()
            self._store = None
