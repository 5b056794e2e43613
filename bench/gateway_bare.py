"""What gRPC and HTTP cost by themselves: two servers whose handlers do nothing but call the bridge."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import SERVICE
from camunda_workers.serving import listen, serve


@asynccontextmanager
async def bare(command: Callable[[], Awaitable[None]]) -> AsyncGenerator[tuple[str, str]]:
    """Serve the command over both, in this event loop; their addresses."""
    answer = pb.CreateProcessInstanceResponse(processDefinitionKey=1, bpmnProcessId="warm-up", version=1, processInstanceKey=2)

    async def create(request: pb.CreateProcessInstanceRequest, context: Any) -> pb.CreateProcessInstanceResponse:
        await command()
        return answer

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await command()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    response: Any = pb.CreateProcessInstanceResponse.SerializeToString
    handler = grpc.unary_unary_rpc_method_handler(create, pb.CreateProcessInstanceRequest.FromString, response)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"CreateProcessInstance": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    listener = listen("127.0.0.1", 0)
    served = await serve(application, listener, what="The bare server", name="bench-bare")
    try:
        yield f"127.0.0.1:{port}", f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await served.stop(at_once=True)
        await server.stop(None)
