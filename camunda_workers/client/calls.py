"""gRPC calls with retries and our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

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

Header: TypeAlias = tuple[tuple[str, str], ...]
_NO_HEADER: Header = ()


class GatewayCalls:
    """One gateway, called by RPC name.

    Args:
        channel: open; closed by whoever opened it.
        address: for error texts.
        back_off: the limits of repetition.
        timeout: seconds one attempt may take.
        authorization: sets a header on each call, where the channel does not do it.
        push_channel: for jobs that are pushed; the same one when not given.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        address: str,
        back_off: BackOff,
        timeout: float,
        authorization: Authorization | None = None,
        push_channel: grpc.aio.Channel | None = None,
    ) -> None:
        self._stub = GatewayStub(channel)
        self._push_stub = GatewayStub(push_channel) if push_channel is not None else self._stub
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
            header = await self._header()
            try:
                result: Any = await method(request, timeout=timeout or self._timeout, metadata=header)
            except grpc.aio.AioRpcError as error:
                other = await self._other_header(error, header)
                if other == header:
                    raise
                result = await method(request, timeout=timeout or self._timeout, metadata=other)
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
            timeout: seconds the whole stream may last; ``None`` for one that lives on and pushes as things happen.
        """
        stream: Any = None
        header = _NO_HEADER
        try:
            header = await self._header()
            stub = self._push_stub if timeout is None else self._stub
            stream = getattr(stub, name)(request, timeout=timeout, metadata=header)
            async for item in stream:
                assert isinstance(item, answer)
                yield item
        except Exception as error:
            failure = self._failure(error, name)
            if failure is None:
                raise
            if isinstance(error, grpc.aio.AioRpcError):
                with suppress(EngineError):
                    # For whoever opens the next one.
                    await self._other_header(error, header)
            raise failure.error from failure.error.__cause__
        finally:
            if stream is not None:
                stream.cancel()

    async def _header(self) -> Header:
        return (("authorization", await self._authorization.header()),) if self._authorization else _NO_HEADER

    async def _other_header(self, error: grpc.aio.AioRpcError, refused: Header) -> Header:
        """Another header in the place of one that was refused, if one can be had; nothing was executed, so the call may be made again.

        Raises:
            EngineError: the identity provider is away, which is why the old one was still in use: that is what is wrong.
        """
        if self._authorization is None or not refused or error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            return refused
        return (("authorization", await self._authorization.header(refused=refused[0][1])),)

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
