"""The client: every command to an engine, wherever it runs."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import grpc.aio

from camunda_workers.client.auth import authorization_from
from camunda_workers.client.calls import GatewayCalls
from camunda_workers.client.channel import HELD_BACK, open_channel
from camunda_workers.client.documents import DocumentCommands
from camunda_workers.client.jobs import JobCommands
from camunda_workers.client.operations import OperationCommands
from camunda_workers.client.processes import ProcessCommands
from camunda_workers.client.rest import RestCalls
from camunda_workers.client.retry import BackOff
from camunda_workers.client.tls import http_context
from camunda_workers.client.user_tasks import UserTaskCommands
from camunda_workers.errors import ConfigurationError, NotSupported
from camunda_workers.settings import ConnectionSettings, Settings


class Client(ProcessCommands, OperationCommands, JobCommands, UserTaskCommands, DocumentCommands):
    """A connection to one engine: gRPC for processes and jobs, REST v2 for user tasks and searches.

    ::

        async with Client("127.0.0.1:26500") as client:
            await client.deploy("bpmn/", "forms/")
            await client.start("claim", {"claim": {...}}, business_id="CLM-000123")

    Calls are repeated with jittered back-off when the engine is busy or away, unless the command may have been executed and must not be
    executed twice: then the caller gets the error and decides.

    Args:
        grpc_address: ``host:port``; otherwise as the settings say.
        rest_address: the REST API's base, without ``/v2``; empty for an engine without one; otherwise as the settings say.
        settings: addresses and credentials; read from the environment when not given.
        channel: an open gRPC channel to use instead of an own one, with its own credentials (one of pyzeebe's, for example); not closed here.
        back_off: the limits of repetition.
    """

    def __init__(
        self,
        grpc_address: str | None = None,
        rest_address: str | None = None,
        *,
        settings: ConnectionSettings | None = None,
        channel: grpc.aio.Channel | None = None,
        back_off: BackOff | None = None,
    ) -> None:
        chosen = settings or Settings()
        changes: dict[str, Any] = {
            name: value for name, value in (("grpc_address", grpc_address), ("rest_address", rest_address)) if value is not None
        }
        # Made anew, not copied, so that the addresses are checked as those of the environment are.
        self._settings = type(chosen)(**{**dict(chosen), **changes}) if changes else chosen
        self._back_off = back_off or BackOff()
        self._given_channel = channel
        self._own_channels: list[grpc.aio.Channel] = []
        self._grpc_calls: GatewayCalls | None = None
        self._rest_calls: RestCalls | None = None

    @property
    def settings(self) -> ConnectionSettings:
        """Addresses, tenants and timeouts in use."""
        return self._settings

    async def __aenter__(self) -> Self:
        if self._grpc_calls is not None:
            raise ConfigurationError("this client is open already: open one with 'async with Client(...)' once and hand it on")
        settings = self._settings
        authorization = authorization_from(settings)
        channel = self._given_channel
        push_channel = None
        if channel is None:
            # The second one connects when jobs are first pushed.
            channel, push_channel = open_channel(settings), open_channel(settings, HELD_BACK)
            self._own_channels = [channel, push_channel]
        self._grpc_calls = GatewayCalls(
            channel,
            address=settings.grpc_address,
            back_off=self._back_off,
            timeout=settings.request_timeout,
            # A channel from elsewhere brings its own credentials.
            authorization=authorization if self._own_channels else None,
            push_channel=push_channel,
        )
        if settings.rest_address:
            self._rest_calls = RestCalls(
                settings.rest_address,
                back_off=self._back_off,
                timeout=settings.request_timeout,
                authorization=authorization,
                verify=http_context(settings),
            )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        rest, channels = self._rest_calls, self._own_channels
        self._grpc_calls = self._rest_calls = None
        self._own_channels = []
        try:
            if rest is not None:
                await rest.close()
        finally:
            for channel in channels:
                await channel.close()

    def _gateway(self) -> GatewayCalls:
        if self._grpc_calls is None:
            raise ConfigurationError("the client is not open: make calls inside 'async with Client(...) as client'")
        return self._grpc_calls

    def _rest(self) -> RestCalls:
        self._gateway()
        if self._rest_calls is None:
            raise NotSupported("this engine has no REST API: user tasks and searches need one (give the client its rest_address)")
        return self._rest_calls
