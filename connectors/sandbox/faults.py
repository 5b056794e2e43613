"""How a system misbehaves on command: slow, failing or lying, in a way that can be repeated."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.sandbox.chance import draw

SYSTEMS = ("policies", "payments", "documents", "notifications")


class Fault(BaseModel):
    """What one system does wrong (``POST /admin/faults/{system}``).

    Attributes:
        kind: ``slow`` answers rightly, but late · ``status`` answers with ``status`` and does nothing · ``html`` shows a proxy's error page
            with 200 and does nothing · ``error-in-200`` reports an error with 200 and does nothing · ``timeout`` never answers and does nothing ·
            ``malformed`` does it and answers half a JSON document · ``wrong`` does it and answers with other values · ``lost-reply`` does it
            and drops the connection.
        rate: share of calls that it hits, 0 to 1.
        calls: how many calls it hits before it is over; without it, until it is cleared.
        method: hits only calls with this HTTP method; without it, every call.
        seconds: delay before anything else happens.
        values: for ``wrong``: what to answer instead, by field; without it every number at the top level is one too high.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["slow", "status", "html", "error-in-200", "timeout", "malformed", "wrong", "lost-reply"]
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    calls: Annotated[int | None, Field(ge=1)] = None
    method: Literal["GET", "POST"] | None = None
    status: Annotated[int, Field(ge=300, le=599)] = 503
    seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    values: dict[str, Any] = {}


class FaultPlan:
    """Which system has which faults now. The n-th call of a system has the same fate in every run.

    Args:
        seed: another number, another fate.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._faults: dict[str, list[Fault]] = {system: [] for system in SYSTEMS}
        self._calls: defaultdict[str, int] = defaultdict(int)

    def add(self, system: str, fault: Fault) -> None:
        """Adds a fault; of several, the first that hits a call decides it.

        Raises:
            KeyError: no such system.
        """
        self._faults[system].append(fault.model_copy())

    def clear(self, system: str | None = None) -> None:
        """Repairs one system, or all."""
        for name in SYSTEMS if system is None else (system,):
            self._faults[name].clear()

    def active(self) -> dict[str, list[Fault]]:
        """The faults that are left, by system."""
        return {system: list(faults) for system, faults in self._faults.items()}

    def next(self, system: str, method: str = "GET") -> Fault | None:
        """Decides the next call of a system and counts it."""
        self._calls[system] += 1
        for fault in self._faults[system]:
            if fault.method not in (None, method):
                continue
            if draw(self._seed, system, fault.kind, self._calls[system]) >= fault.rate:
                continue
            if fault.calls is not None:
                fault.calls -= 1
                if fault.calls == 0:
                    self._faults[system].remove(fault)
            return fault
        return None


class Misbehaviour:
    """ASGI middleware that carries out a :class:`FaultPlan`."""

    def __init__(self, app: ASGIApp, plan: FaultPlan) -> None:
        self._app = app
        self._plan = plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, well or badly."""
        system = str(scope.get("path", "")).strip("/").partition("/")[0]
        fault = self._plan.next(system, scope["method"]) if scope["type"] == "http" and system in SYSTEMS else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        match fault.kind:
            case "slow":
                await self._app(scope, receive, send)
            case "status":
                await _answer(send, fault.status, b'{"error": "out_of_order", "message": "told to fail"}')
            case "html":
                await _answer(send, 200, b"<html><body><h1>Please sign in</h1></body></html>", "text/html; charset=utf-8")
            case "error-in-200":
                await _answer(send, 200, b'{"error": "internal", "message": "something went wrong"}')
            case "timeout":
                await _until_hung_up(receive)
            case "malformed":
                status, body = await self._done(scope, receive)
                await _answer(send, status, body[: len(body) // 2])
            case "wrong":
                status, body = await self._done(scope, receive)
                await _answer(send, status, _other(body, fault.values))
            case "lost-reply":
                status, body = await self._done(scope, receive)
                # Headers that promise a body which never comes: the server then closes the connection, as a broken network would.
                await send(_start(status, len(body), "application/json"))

    async def _done(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Lets the system do what it was asked, and keeps its answer."""
        status, body = 500, bytearray()

        async def keep(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))

        await self._app(scope, receive, keep)
        return status, bytes(body)


def _start(status: int, length: int, media_type: str) -> Message:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(length).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _answer(send: Send, status: int, body: bytes, media_type: str = "application/json") -> None:
    await send(_start(status, len(body), media_type))
    await send({"type": "http.response.body", "body": body})


async def _until_hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _other(body: bytes, values: dict[str, Any]) -> bytes:
    truth: object = json.loads(body)
    if not isinstance(truth, dict):
        return b'{"answer": 42}'
    lie = dict(cast("dict[str, Any]", truth))
    lie.update(values or {name: value + 1 for name, value in lie.items() if isinstance(value, int) and not isinstance(value, bool)})
    return json.dumps(lie).encode()
