"""The gRPC server, made from the table of the protocol's calls."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from camunda_workers.client.stub import METHODS, SERVICE
from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.bridge import Bridge
from camunda_workers.engine.embedded.grpc_gateway.calls import Calls
from camunda_workers.engine.embedded.grpc_gateway.jobs import Jobs
from camunda_workers.engine.embedded.grpc_gateway.status import status_of
from camunda_workers.engine.embedded.job_push import JobDispatch
from camunda_workers.errors import ConfigurationError, EngineError

_health: Any = health  # they ship no types
_health_grpc: Any = health_pb2_grpc
_log = logging.getLogger(__name__)

OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a second listener
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),  # as the real gateway: the engine's own limit is 4 MB a command
    ("grpc.keepalive_permit_without_calls", 1),
    # How often a client pings is its own affair: one that is hung up on ("too many pings") loses the polls and streams it had.
    ("grpc.http2.max_ping_strikes", 0),
)


async def start_gateway(bridge: Bridge, dispatch: JobDispatch, port: int, door: Door) -> tuple[grpc.aio.Server, int]:
    """Start the gateway.

    Args:
        bridge: takes the commands.
        dispatch: knows who waits for jobs.
        port: where to listen; 0 takes a free port.
        door: on which address, and for whom.

    Returns:
        The server and its port.

    Raises:
        ConfigurationError: the port is taken.
    """
    interceptors: list[grpc.aio.ServerInterceptor] = []
    if door.guard is not None:
        from camunda_workers.engine.embedded.auth.faces import GuardedGrpc

        interceptors.append(GuardedGrpc(door.guard))
    server = grpc.aio.server(options=OPTIONS, interceptors=interceptors)
    bound = port
    calls = Calls(bridge, lambda: bound).by_name()
    jobs = Jobs(bridge, dispatch)
    streams = {"ActivateJobs": jobs.activate, "StreamActivatedJobs": jobs.stream}
    handlers = {
        method.name: (
            _streaming(streams[method.name], method.request, method.response)
            if method.streaming
            else _unary(calls[method.name], method.request, method.response)
        )
        for method in METHODS.values()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    healthy: Any = _health.aio.HealthServicer()
    _health_grpc.add_HealthServicer_to_server(healthy, server)
    for service in ("", SERVICE):
        await healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
    bound = listen_on(server, door, port)
    await server.start()
    return server, bound


def listen_on(server: grpc.aio.Server, door: Door, port: int) -> int:
    """Let a server listen where the door is; return the port.

    Raises:
        ConfigurationError: the port is taken.
    """
    address = f"[{door.host}]:{port}" if ":" in door.host else f"{door.host}:{port}"
    try:
        if door.certificate is None or door.key is None:
            return server.add_insecure_port(address)
        pair = [(door.key.read_bytes(), door.certificate.read_bytes())]
        return server.add_secure_port(address, grpc.ssl_server_credentials(pair))
    except RuntimeError as error:
        raise ConfigurationError(f"gRPC port {port} is taken: choose another one, or 0 for a free one") from error


async def _read(request: type[Message], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
    """Return a call's one message.

    Every call is served as a stream of requests, which is the same on the wire: of a unary one that ends without a message grpc's server
    never says anything to the caller, and bytes that are no message it calls an unknown error.
    """
    raw: Any = await context.read()
    if raw is grpc.aio.EOF:
        await context.abort(grpc.StatusCode.INTERNAL, "Half-closed without a request")
    try:
        return request.FromString(raw)
    except DecodeError:
        await context.abort(grpc.StatusCode.INTERNAL, "Invalid protobuf byte sequence")


def _unary(call: Callable[[Any], Awaitable[Message]], request: type[Message], response: type[Message]) -> grpc.RpcMethodHandler[Any, Any]:
    async def handle(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        message = await _read(request, context)
        try:
            return await call(message)
        except EngineError as error:
            await context.abort(status_of(error), str(error))
        except Exception as error:
            _log.exception("gateway call failed")
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        raise AssertionError  # abort always raises

    return grpc.stream_unary_rpc_method_handler(handle, None, response.SerializeToString)


def _streaming(
    call: Callable[[Any], AsyncIterator[Message]], request: type[Message], response: type[Message]
) -> grpc.RpcMethodHandler[Any, Any]:
    async def handle(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        answers = call(await _read(request, context))
        try:
            async for answer in answers:
                try:
                    await context.write(answer)
                except BaseException as error:
                    await answers.athrow(error)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
                    raise
        except EngineError as error:
            await context.abort(status_of(error), str(error))
        finally:
            await answers.aclose()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    return grpc.stream_stream_rpc_method_handler(handle, None, response.SerializeToString)
