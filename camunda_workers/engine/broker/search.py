"""The search API beside a broker: its exporter fills our event log, the read model answers, everything else goes to the broker."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from camunda_workers.errors import ConfigurationError, MissingExtra
from camunda_workers.serving import Served, listen, serve

if TYPE_CHECKING:
    from camunda_workers.engine.broker.config import Properties
    from camunda_workers.engine.broker.forward import Forward
    from camunda_workers.events import EventLog, ReadModel
    from camunda_workers.events.sources.sink import ExporterSink

_WHAT: Final = "The search API beside the broker"
BULK: Final = 5
"""Records that the exporter sends at once; what makes up less it sends after a second, its shortest patience. Each request costs some 10 ms on a
busy machine, so 1 is quick for one case (0.1 s) and far behind after hundreds, 20 the other way round (1.4 s for one case)."""


class SearchBeside:
    """The event log, the sink that fills it and the REST API in front of the broker's own.

    Args:
        data: the broker's folder; the log is kept there.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._log: EventLog | None = None
        self._sink: ExporterSink | None = None
        self._model: ReadModel | None = None
        self._forward: Forward | None = None
        self._listener: socket.socket | None = None
        self._served: Served | None = None

    async def open(self, port: int) -> Properties:
        """Open the log and the sink and take the port; return the configuration with which the broker fills the log.

        Args:
            port: where `serve` will listen; 0 takes a free one.

        Raises:
            ConfigurationError: the port is taken.
        """
        try:
            from camunda_workers.events import DEFAULT_FILE, EventLog, ReadModel
            from camunda_workers.events.sources.sink import ExporterSink, exporter_properties
        except ModuleNotFoundError:
            raise MissingExtra("embedded", _WHAT) from None
        try:
            self._listener = listen("127.0.0.1", port)
        except OSError as error:
            raise ConfigurationError(f"REST port {port} is taken: choose another one, or 0 for a free one") from error
        # The broker forgets what it was told is stored.
        self._log = await asyncio.to_thread(EventLog.open, self._data / DEFAULT_FILE, durable=True)
        self._model = ReadModel(self._log)
        password = secrets.token_urlsafe(24)
        self._sink = ExporterSink(self._log, password=password, followers=[self._model])
        await self._sink.start()
        return {**exporter_properties(self._sink.address, password=password), "zeebe.broker.exporters.records.args.bulk.size": BULK}

    async def serve(self, broker: str, healthy: Callable[[], Awaitable[bool]]) -> str:
        """Serve on the port that was taken; return the address.

        Args:
            broker: the address of the broker's own REST API.
            healthy: says whether the broker works.
        """
        from camunda_workers.engine.broker.forward import Forward, create_app

        listener, self._listener = self._listener, None
        assert listener is not None
        self._forward = Forward(broker)
        app = create_app(self, self._forward, healthy)
        self._served = await serve(app, listener, what=_WHAT, name="camunda-workers-broker-search", timeout_graceful_shutdown=1)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def log(self) -> EventLog | None:
        """The event log, while it is open."""
        return self._log

    async def read_model(self) -> ReadModel:
        """Return what searches are answered from, with everything that the broker's exporter has sent."""
        assert self._model is not None
        await self._model.catch_up()
        return self._model

    async def close(self) -> None:
        """Stop serving and close the log. Safe to call twice."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        served, self._served = self._served, None
        if served is not None:
            await served.stop(at_once=True)
        forward, self._forward = self._forward, None
        if forward is not None:
            await forward.close()
        sink, self._sink = self._sink, None
        if sink is not None:
            await sink.stop()
        log, self._log, self._model = self._log, None, None
        if log is not None:
            await log.close()
