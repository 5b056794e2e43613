"""A list of gRPC calls, good and bad, that can be made on any gateway, and their outcomes in a form that can be compared.

Keys differ from engine to engine: a call refers to earlier answers by name (``$instance``), and outcomes show keys as ``<key>``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import grpc.aio
from google.protobuf import json_format

from camunda_workers.client.stub import METHODS, GatewayStub

_KEY = re.compile(r"\b\d{16,19}\b")
_PARSER = re.compile(r"\n at \[.*", re.DOTALL)
_VOLATILE = {"deadline", "port", "host", "gatewayVersion"}
_NEWER = {"listenerEventType", "decisionEvaluationKey", "decisionEvaluationInstanceKey"}
"""Fields of the 8.8 protocol that an older gateway does not fill."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        name: what it is called in the comparison.
        method: the RPC.
        request: the request in JSON form; a text ``$name`` is replaced by what was kept under that name.
        keep: names under which parts of the answer are kept, with their path (``jobs.0.key``).
        until: repeat until this path is in the answer: what an earlier call started happens a moment later.
    """

    name: str
    method: str
    request: Mapping[str, Any]
    keep: Mapping[str, str] = field(default_factory=dict[str, str])
    until: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gateway answered: the status code, and the message or the response."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


async def make_all(address: str, calls: list[Call]) -> dict[str, Outcome]:
    """Make the calls one after the other and return their outcomes by name."""
    outcomes: dict[str, Outcome] = {}
    kept: dict[str, Any] = {}
    async with grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]) as channel:
        stub = GatewayStub(channel)
        for call in calls:
            outcomes[call.name] = await _make(stub, call, kept)
    return outcomes


async def _make(stub: GatewayStub, call: Call, kept: dict[str, Any]) -> Outcome:
    for attempt in range(100):
        try:
            request = json_format.ParseDict(_filled(call.request, kept), METHODS[call.method].request())
            answer = await _answer(stub, call.method, request)
        except grpc.aio.AioRpcError as error:
            if call.until and attempt < 99:
                await asyncio.sleep(0.05)
                continue
            return Outcome(error.code().name, _PARSER.sub("", _KEY.sub("<key>", error.details() or "")))
        if call.until and _at(answer, call.until) is None:
            await asyncio.sleep(0.05)
            continue
        break
    else:
        return Outcome("NEVER", f"{call.until} did not show up")
    for name, path in call.keep.items():
        kept[name] = _at(answer, path)
    return Outcome("OK", json.dumps(_normal(answer), sort_keys=True))


async def _answer(stub: GatewayStub, method: str, request: Any) -> Any:
    call = getattr(stub, method)(request, timeout=20)
    if not METHODS[method].streaming:
        return json_format.MessageToDict(await call)
    return {"jobs": [job async for one in call for job in json_format.MessageToDict(one).get("jobs", [])]}


def _filled(value: Any, kept: Mapping[str, Any]) -> Any:
    match value:
        case dict():
            return {name: _filled(one, kept) for name, one in cast("dict[str, Any]", value).items()}
        case list():
            return [_filled(one, kept) for one in cast("list[Any]", value)]
        case str() if value.startswith("$"):
            return kept.get(value[1:], "2251799813888888")
        case _:
            return value


def _at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        try:
            answer = answer[int(part)] if part.isdigit() else answer[part]
        except (LookupError, TypeError):
            return None
    return answer


def _normal(value: Any) -> Any:
    match value:
        case dict():
            return {name: _normal(one) for name, one in cast("dict[str, Any]", value).items() if name not in _VOLATILE | _NEWER}
        case list():
            return [_normal(one) for one in cast("list[Any]", value)]
        case str():
            # Variables are JSON in a text: the order of their names means nothing.
            return json.dumps(json.loads(value), sort_keys=True) if value.startswith("{") else _KEY.sub("<key>", value)
        case _:
            return value
