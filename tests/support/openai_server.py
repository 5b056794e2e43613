"""A scripted server that speaks OpenAI's chat completions. It is a FAKE: there is no model behind it, every reply was written by a test.

It is a real HTTP server on a loopback port, so that everything on our side of the wire is the real thing. It checks requests as the real service does (strict
JSON schemas must be closed and require every property) and remembers them. Each request takes the next step of the script; the last one repeats.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

FAKE = "fake-openai-server-for-tests"
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True)
class Answer:
    """A well-formed completion with any content.

    Attributes:
        content: text, or a mapping that is sent as JSON text.
        usage: reported input and output tokens; ``None`` reports none.
    """

    content: str | Mapping[str, Any]
    usage: tuple[int, int] | None = (400, 60)
    finish_reason: str = "stop"
    refusal: str | None = None
    delay: float = 0.0


@dataclass(frozen=True)
class Status:
    """An error reply, or a redirect when ``location`` is given."""

    status: int
    location: str | None = None
    code: str = "scripted"


@dataclass(frozen=True)
class Raw:
    """Any bytes as the body of a 200 reply."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class HangUp:
    """The connection is closed without a reply."""


Step = Answer | Status | Raw | HangUp


class FakeOpenAi:
    """The running server."""

    def __init__(self, script: Sequence[Step]) -> None:
        self._script = list(script)
        self._open: set[asyncio.StreamWriter] = set()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base address."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request after the other."""
        self._open.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def close(self) -> None:
        """Hangs up on everybody."""
        for writer in self._open:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if (method, path) != ("POST", "/v1/chat/completions"):
            return await _send(writer, 404, _error(f"{FAKE} has no {method} {path}", "not_found"))
        request = cast("dict[str, Any]", json.loads(body))
        self.headers.append(headers)
        self.requests.append(request)
        if (fault := _fault(request)) is not None:
            return await _send(writer, 400, _error(fault, "invalid_request"))
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        match step:
            case Answer():
                await asyncio.sleep(step.delay)
                return await _send(writer, 200, _completion(step, request["model"]))
            case Status():
                extra = {"location": step.location} if step.location else {"retry-after-ms": "1"}
                return await _send(writer, step.status, _error("scripted error", step.code), extra)
            case Raw():
                return await _send(writer, 200, step.body, step.headers)
            case HangUp():
                return False


def _fault(request: Mapping[str, Any]) -> str | None:
    """What the real service would refuse."""
    if not request.get("model") or not request.get("messages"):
        return "model and messages are required"
    schema_format = request.get("response_format", {})
    if schema_format.get("type") != "json_schema" or not schema_format["json_schema"].get("strict"):
        return "this server speaks strict json_schema only"
    schema = schema_format["json_schema"]["schema"]
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false"
    if sorted(schema.get("required", [])) != sorted(schema["properties"]):
        return "'required' is required to be supplied and to include every key in properties"
    if "maxLength" in json.dumps(schema):
        return "'maxLength' is not permitted"
    return None


def _completion(step: Answer, model: str) -> bytes:
    content = step.content if isinstance(step.content, str) else json.dumps(step.content)
    message = {"role": "assistant", "content": None if step.refusal else content, "refusal": step.refusal}
    reply: dict[str, Any] = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "system_fingerprint": FAKE,
        "choices": [{"index": 0, "message": message, "finish_reason": step.finish_reason, "logprobs": None}],
    }
    if step.usage is not None:
        read, written = step.usage
        reply["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return json.dumps(reply).encode()


def _error(message: str, code: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "scripted", "param": None, "code": code}}).encode()


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bool:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}", f"server: {FAKE}", f"content-length: {len(body)}"]
    lines += ["content-type: application/json", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    return True


@asynccontextmanager
async def fake_openai(*script: Step) -> AsyncGenerator[FakeOpenAi]:
    """A scripted server on a free loopback port."""
    fake = FakeOpenAi(script)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield fake
        finally:
            fake.close()
