"""The one way this application talks to a system of record: JSON over HTTP, nothing believed unchecked.

A server can be down, slow, or wrong while it says 200. Only an answer with the right status, the right media type and exactly the
expected types becomes a result; everything else is one of :mod:`connectors.errors`. Nothing is retried here: the engine retries jobs, with
a back-off that people can see and stop.
"""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import BadAnswer, SystemRefused, SystemUnavailable

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""More than any of the four systems has to say; a longer answer is cut off, not read."""


class Answer(BaseModel):
    """Base of what a system may answer: exact types (``"4500"`` is no amount), unknown fields ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class ErrorAnswer(Answer):
    """The body with which a system says no."""

    error: str
    message: str = ""


A = TypeVar("A", bound=Answer)


class SystemClient:
    """A connection to one system of record. Use it as an async context manager.

    Args:
        base_url: the system's address, such as ``http://127.0.0.1:8090/payments``.
        timeout: seconds for one call, from connecting to the last byte.
        transport: for tests: what carries the requests instead of the network.
    """

    system: ClassVar[str] = "system"

    def __init__(self, base_url: str, *, timeout: float = 10.0, transport: httpx.AsyncBaseTransport | None = None) -> None:
        # Joined by hand: httpx's own base address would make ".../payments" into ".../payments/", which is another resource.
        self._base = base_url.rstrip("/")
        # Redirects stay off: a payment must not follow a stranger's "Location".
        self._http = httpx.AsyncClient(
            timeout=timeout,
            transport=transport,
            follow_redirects=False,
            headers={"Accept": "application/json"},
            # A proxy of the environment cannot reach this machine's own loopback.
            trust_env=httpx.URL(base_url).host not in ("127.0.0.1", "localhost", "::1"),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def _get(self, path: str, answer: type[A], *, params: dict[str, str] | None = None) -> A:
        return await self._call(self._http.build_request("GET", self._base + path, params=params), answer)

    async def _post(self, path: str, answer: type[A], *, body: BaseModel, key: str) -> A:
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await self._call(
            self._http.build_request("POST", self._base + path, content=body.model_dump_json(), headers=headers), answer
        )

    def _bad(self, reason: str) -> BadAnswer:
        return BadAnswer(self.system, reason)

    async def _call(self, request: httpx.Request, answer: type[A]) -> A:
        response, content = await self._exchange(request)
        said = f"{request.method} {request.url.path} answered {response.status_code}"
        if response.status_code == 429:
            raise SystemUnavailable(self.system, f"{said}: too many requests", reached=False)
        if response.status_code >= 500:
            raise SystemUnavailable(self.system, f"{said}{_words(content)}")
        if response.status_code >= 400:
            problem = _error_of(response, content)
            if problem is None:
                # A proxy's "404 Not Found" page is not the system saying that a policy does not exist.
                raise self._bad(f"{said} in a form that is not the system's own{_words(content)}")
            raise SystemRefused(self.system, response.status_code, f"{problem.error} {problem.message}".strip())
        if response.status_code not in (200, 201):
            raise self._bad(f"{said}, which it never should")
        if not _is_json(response):
            kind = response.headers.get("content-type", "no content type")
            raise self._bad(f"{said} with {kind} instead of JSON{_words(content)}")
        try:
            return answer.model_validate_json(content)
        except ValidationError as wrong:
            problem = _error_of(response, content)
            if problem is not None:
                raise self._bad(f"{said} but reports an error: {problem.error} {problem.message}".strip()) from wrong
            raise self._bad(f"{said} with an unusable body: {_first(wrong)}") from wrong

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        try:
            response = await self._http.send(request, stream=True)
            try:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise self._bad(f"{request.method} {request.url.path} answered more than {MAX_ANSWER_BYTES} bytes")
                return response, bytes(content)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise SystemUnavailable(self.system, f"not reachable ({_name(error)})", reached=False) from error
        except httpx.TransportError as error:
            raise SystemUnavailable(self.system, f"no complete answer to {request.method} {request.url.path} ({_name(error)})") from error
        except httpx.RequestError as error:
            raise self._bad(f"unreadable answer to {request.method} {request.url.path} ({_name(error)})") from error


def _is_json(response: httpx.Response) -> bool:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _error_of(response: httpx.Response, content: bytes) -> ErrorAnswer | None:
    if not _is_json(response):
        return None
    try:
        return ErrorAnswer.model_validate_json(content)
    except ValidationError:
        return None


def _words(content: bytes) -> str:
    """The beginning of a body, for an error text: one line, never more than people read."""
    text = " ".join(content[:300].decode("utf-8", errors="replace").split())
    return f": {text[:120]}" if text else ""


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
