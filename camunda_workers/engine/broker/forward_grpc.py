"""The gRPC address in front of a broker's own: whoever is let in is passed on, message by message, as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.grpc_gateway.server import OPTIONS, listen_on

_WHOLE: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
"""How large a message may be was asked before it is passed on."""
_OF_ONE_CONNECTION: Final = ("authorization", "user-agent", "te", "content-type")
"""What is not the broker's business: who comes was asked here."""


class GrpcForward:
    """Listens where callers come, and passes their calls on to the broker.

    Args:
        door: on which address, and for whom.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._server: grpc.aio.Server | None = None
        self._channel: grpc.aio.Channel | None = None
        self._port = 0

    def open(self, port: int) -> None:
        """Take the port.

        Args:
            port: where `serve` will answer; 0 takes a free one.

        Raises:
            ConfigurationError: the port is taken.
        """
        interceptors: list[grpc.aio.ServerInterceptor] = []
        if self._door.guard is not None:
            from camunda_workers.engine.embedded.auth.faces import GuardedGrpc

            interceptors.append(GuardedGrpc(self._door.guard))
        self._server = grpc.aio.server(options=OPTIONS, interceptors=interceptors)
        self._port = listen_on(self._server, self._door, port)

    async def serve(self, broker: str) -> str:
        """Begin to answer; return the address.

        Args:
            broker: ``host:port`` of the broker's own gateway.
        """
        assert self._server is not None
        self._channel = grpc.aio.insecure_channel(broker, options=[*_WHOLE, ("grpc.enable_http_proxy", 0)])
        self._server.add_generic_rpc_handlers((_PassingOn(self._channel),))
        await self._server.start()
        return self._door.grpc_address(self._port)

    async def close(self) -> None:
        """Stop listening. Safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(0)
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


class _PassingOn(grpc.GenericRpcHandler):
    """Serves every method that has one request, whatever it is called; Camunda's gateway has no other ones.

    The request is sent together with the call. Sent after it, as grpc.aio does for streams, it may meet a call that the broker has refused
    meanwhile, and the refusal is lost ("Internal error from Core").
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel: Any = channel

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Return what passes a call of this method on."""
        called: Any = self._channel.unary_stream(handler_call_details.method)

        async def pass_on(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            request = await anext(messages, None)
            if request is None:
                await context.abort(grpc.StatusCode.INTERNAL, "Half-closed without a request")
            said = [(name, value) for name, value in context.invocation_metadata() or () if _is_passed_on(name)]
            call = called(request, metadata=said, timeout=context.time_remaining())
            try:
                async for answer in call:
                    await context.write(answer)
            except grpc.aio.AioRpcError as error:
                context.set_trailing_metadata(tuple(error.trailing_metadata()))
                await context.abort(error.code(), error.details() or "")
            finally:
                # Who asked may be gone: the broker must learn it, or it hands out jobs to nobody.
                call.cancel()

        return grpc.stream_stream_rpc_method_handler(pass_on)


def _is_passed_on(name: str) -> bool:
    return name not in _OF_ONE_CONNECTION and not name.startswith(("grpc-", ":"))
