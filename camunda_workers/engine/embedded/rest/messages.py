"""Messages, signals and the engine's clock."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Int64, Tenant, Text
from camunda_workers.engine.embedded.rest.context import bridge_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.errors import InvalidArgument


class CorrelateMessage(Body):
    """The message."""

    name: Text
    correlation_key: str = ""
    variables: Document = EMPTY
    tenant_id: Tenant = ""


class PublishMessage(CorrelateMessage):
    """The message, and how long (milliseconds) it waits for whoever it correlates with."""

    time_to_live: Int64 = 0
    message_id: str = ""


async def publish_message(request: Request, body: PublishMessage) -> Response:
    """Publish a message."""
    if body.time_to_live < 0:
        raise InvalidArgument(f"The value for timeToLive is '{body.time_to_live}' but must not be negative.")
    command = commands.publish_message(body.name, body.correlation_key, body.time_to_live, body.message_id, body.variables, body.tenant_id)
    answer = await bridge_of(request).execute(command)
    return JSONResponse({"tenantId": answer.value["tenantId"], "messageKey": str(answer.key)})


async def correlate_message(request: Request, body: CorrelateMessage) -> Response:
    """Correlate a message now: answers with the process instance that took it, or 404."""
    command = commands.correlate_message(body.name, body.correlation_key, body.variables, body.tenant_id)
    answer = await bridge_of(request).execute(command)
    value = answer.value
    shown = {
        "tenantId": value["tenantId"],
        "messageKey": str(value["messageKey"]),
        "processInstanceKey": str(value["processInstanceKey"]),
    }
    return JSONResponse(shown)


class BroadcastSignal(Body):
    """The signal."""

    signal_name: Text
    variables: Document = EMPTY
    tenant_id: Tenant = ""


async def broadcast_signal(request: Request, body: BroadcastSignal) -> Response:
    """Broadcast a signal."""
    answer = await bridge_of(request).execute(commands.broadcast_signal(body.signal_name, body.variables, body.tenant_id))
    return JSONResponse({"tenantId": answer.value["tenantId"], "signalKey": str(answer.key)})


class PinClock(Body):
    """Where to hold it, in milliseconds since 1970."""

    timestamp: int = Field(ge=0, lt=2**53)


async def pin_clock(request: Request, body: PinClock) -> Response:
    """Hold the clock that processes see (due dates, ``now()``) at a moment."""
    await bridge_of(request).execute(commands.pin_clock(body.timestamp))
    return Response(status_code=204)


async def reset_clock(request: Request) -> Response:
    """Let the clock run again."""
    await bridge_of(request).execute(commands.reset_clock())
    return Response(status_code=204)


OPERATIONS = [
    Operation("POST", "/messages/publication", publish_message, PublishMessage, refusals=(404, 409)),
    Operation("POST", "/messages/correlation", correlate_message, CorrelateMessage, refusals=(404, 409)),
    Operation("POST", "/signals/broadcast", broadcast_signal, BroadcastSignal, refusals=(404,)),
    Operation("PUT", "/clock", pin_clock, PinClock, (204,)),
    Operation("POST", "/clock/reset", reset_clock, None, (204,)),
]
