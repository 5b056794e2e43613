"""The search API beside a broker: its exporter fills our event log, the read model answers, everything else goes to the broker."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.errors import MissingExtra
from camunda_workers.serving import Served, listen, serve

if TYPE_CHECKING:
    from camunda_workers.engine.broker.config import Properties
    from camunda_workers.engine.broker.forward import Forward
    from camunda_workers.engine.broker.forward_grpc import GrpcForward
    from camunda_workers.events import EventLog, ReadModel
    from camunda_workers.events.sources.sink import ExporterSink

_WHAT: Final = "The search API beside the broker"
_EAGER: Final = {"bulk.size": 500, "bulk.delay": 0}
"""When the exporter sends. Its patience is counted in whole seconds; 0 lets it look about every millisecond whether there is something to send, and send
all of it: one record at once while little happens, as many as came meanwhile under load. It costs a hundredth of a core while nothing happens."""


class SearchBeside:
    """The event log, the sink that fills it and the REST API in front of the broker's own.

    Args:
        data: the broker's folder; the log is kept there.
        door: on which address, and for whom; loopback and everybody by default. Another one stands before gRPC as well; the broker's own ports
            have none.
    """

    def __init__(self, data: Path, door: Door | None = None) -> None:
        self._data = data
        self._door = door or Door()
        self._log: EventLog | None = None
        self._sink: ExporterSink | None = None
        self._model: ReadModel | None = None
        self._forward: Forward | None = None
        self.before_grpc = door is not None and (door.guard is not None or door.certificate is not None or not door.is_local)
        """Whether callers of gRPC come to us first, too."""
        self._grpc: GrpcForward | None = None
        self._listener: socket.socket | None = None
        self._served: Served | None = None

    async def open(self, port: int, grpc_port: int = 0) -> Properties:
        """Open the log and the sink and take the ports; return the configuration with which the broker fills the log.

        Args:
            port: where `serve` will listen for REST; 0 takes a free one.
            grpc_port: and for gRPC, where callers of it come to us first.

        Raises:
            ConfigurationError: a port is taken.
        """
        try:
            from camunda_workers.events import DEFAULT_FILE, EventLog, ReadModel
            from camunda_workers.events.sources.sink import ExporterSink, exporter_properties
        except ModuleNotFoundError:
            raise MissingExtra("embedded", _WHAT) from None
        self._listener = listen(self._door.host, port, what="REST port")
        if self.before_grpc:
            from camunda_workers.engine.broker.forward_grpc import GrpcForward

            self._grpc = GrpcForward(self._door)
            self._grpc.open(grpc_port)
        # The broker forgets what it was told is stored.
        self._log = await asyncio.to_thread(EventLog.open, self._data / DEFAULT_FILE, durable=True)
        self._model = ReadModel(self._log)
        password = secrets.token_urlsafe(24)
        self._sink = ExporterSink(self._log, password=password, followers=[self._model])
        await self._sink.start()
        eager: Properties = {f"zeebe.broker.exporters.records.args.{name}": value for name, value in _EAGER.items()}
        return {**exporter_properties(self._sink.address, password=password), **eager}

    async def serve(self, broker: str, broker_grpc: str, healthy: Callable[[], Awaitable[bool]]) -> tuple[str, str]:
        """Serve on the ports that were taken; return the addresses for REST and gRPC.

        Args:
            broker: the address of the broker's own REST API.
            broker_grpc: and of its gRPC gateway.
            healthy: says whether the broker works.
        """
        from camunda_workers.engine.broker.forward import Forward, create_app

        listener, self._listener = self._listener, None
        assert listener is not None
        door = self._door
        self._forward = Forward(broker, knocked=door.guard is not None)
        app: Any = create_app(self, self._forward, healthy)
        if door.guard is not None:
            from camunda_workers.engine.embedded.auth.faces import GuardedRest

            app = GuardedRest(app, door.guard)
        options: dict[str, Any] = {"timeout_graceful_shutdown": 1}
        if door.certificate is not None:
            options |= {"ssl_certfile": door.certificate, "ssl_keyfile": door.key}
        self._served = await serve(app, listener, what=_WHAT, name="camunda-workers-broker-search", **options)
        grpc_address = broker_grpc if self._grpc is None else await self._grpc.serve(broker_grpc)
        return door.rest_address(listener.getsockname()[1]), grpc_address

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
        gateway, self._grpc = self._grpc, None
        if gateway is not None:
            await gateway.close()
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
