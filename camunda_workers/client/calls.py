"""gRPC calls with retries and our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from camunda_workers.client.auth import Authorization
from camunda_workers.client.mapping import from_grpc
from camunda_workers.client.retry import BackOff, Failure, Repeat
from camunda_workers.client.retrying import with_retries
from camunda_workers.client.stub import GatewayStub
from camunda_workers.errors import ConfigurationError, EngineError

R = TypeVar("R", bound=Message)


class GatewayCalls:
    """One gateway, called by RPC name.

    Args:
        channel: open; closed by whoever opened it.
        address: for error texts.
        back_off: the limits of repetition.
        timeout: seconds one attempt may take.
        authorization: sets a header on each call, where the channel does not do it.
    """

    def __init__(
        self, channel: grpc.aio.Channel, *, address: str, back_off: BackOff, timeout: float, authorization: Authorization | None = None
    ) -> None:
        self._stub = GatewayStub(channel)
        self._address = address
        self._back_off = back_off
        self._timeout = timeout
        self._authorization = authorization

    @property
    def timeout(self) -> float:
        """Seconds one attempt of a command may take."""
        return self._timeout

    async def call(
        self,
        name: str,
        request: Message,
        answer: type[R],
        *,
        repeat: Repeat,
        timeout: float | None = None,
        settled_by: tuple[type[EngineError], ...] = (),
    ) -> R | None:
        """Make a call with one answer.

        Args:
            name: the RPC.
            request: its message.
            answer: its answer's class.
            repeat: how it may be repeated.
            timeout: seconds one attempt may take, if not the usual.
            settled_by: errors that mean "already done" when an earlier attempt may have been executed.

        Returns:
            The answer; ``None`` only when ``settled_by`` says that it had been done.
        """
        method = getattr(self._stub, name)

        async def send() -> R:
            result: Any = await method(request, timeout=timeout or self._timeout, metadata=await self._metadata())
            assert isinstance(result, answer)
            return result

        return await with_retries(
            send, lambda error: self._failure(error, name), call=name, back_off=self._back_off, repeat=repeat, settled_by=settled_by
        )

    async def stream(self, name: str, request: Message, answer: type[R], *, timeout: float | None) -> AsyncGenerator[R, None]:
        """Make a call whose answer is a stream; never repeated.

        Closing the iterator cancels the call.

        Args:
            name: the RPC.
            request: its message.
            answer: the class of each answer.
            timeout: seconds the whole stream may last; ``None`` for as long as it lives.
        """
        stream: Any = None
        try:
            stream = getattr(self._stub, name)(request, timeout=timeout, metadata=await self._metadata())
            async for item in stream:
                assert isinstance(item, answer)
                yield item
        except Exception as error:
            failure = self._failure(error, name)
            if failure is None:
                raise
            raise failure.error from failure.error.__cause__
        finally:
            if stream is not None:
                stream.cancel()

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", await self._authorization.header()),) if self._authorization else ()

    def _failure(self, error: Exception, name: str) -> Failure | None:
        if isinstance(error, grpc.aio.AioRpcError):
            return from_grpc(error, call=name, address=self._address)
        if isinstance(error, EngineError):
            # From our own authorization: nothing was sent.
            return Failure(error, maybe_executed=False)
        if isinstance(error, grpc.aio.UsageError | asyncio.InvalidStateError):
            raise ConfigurationError(f"{name}: the client is closed; make calls inside 'async with Client(...)'") from error
        return None


def milliseconds(seconds: float) -> int:
    """Seconds as the whole milliseconds the gateway counts in."""
    return round(seconds * 1000)
