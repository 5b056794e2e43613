"""The way out to a model endpoint: whom it may reach and how much it may bring back.

Tests switch remote models off once, as pydantic-ai does with ``ALLOW_MODEL_REQUESTS``; then only loopback addresses (scripted servers) answer, and
no test can spend money or leak a claim by accident. The check sits in the HTTP client, behind every library, so nothing goes around it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from camunda_workers.errors import ConfigurationError

MAX_REPLY_BYTES: Final = 1_048_576
"""A chat completion of the size we accept is a few kilobytes; whatever is larger is not read to its end."""


class ReplyRefused(Exception):
    """The endpoint's HTTP reply is not one we read: too large or encoded. Stays inside this package."""


@dataclass
class _RemoteModels:
    allowed: bool = True


# One switch for the whole Python process is the point of it: a test session turns it off before anything is constructed.
_remote: Final = _RemoteModels()


@contextmanager
def remote_models(*, allowed: bool) -> Generator[None]:
    """Allow or forbid model requests to other machines while the context lasts."""
    before = _remote.allowed
    _remote.allowed = allowed
    try:
        yield
    finally:
        _remote.allowed = before


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name; names that would have to be looked up are not."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _Capped(httpx.AsyncByteStream):
    """A reply's body that stops when it has become too large."""

    def __init__(self, inner: httpx.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._inner:
            read += len(chunk)
            if read > self._limit:
                raise ReplyRefused(f"the reply is larger than {self._limit} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _check_request(request: httpx.Request) -> None:
    if not _remote.allowed and not is_loopback(request.url.host):
        raise ConfigurationError(
            f"model requests to other machines are switched off here, so '{request.url.host}' is not asked: "
            "use a loopback address, or wrap the call in remote_models(allowed=True)"
        )


async def _check_response(response: httpx.Response) -> None:
    # Compressed replies are refused: a few kilobytes could unpack to gigabytes, and we asked for none.
    encoding = response.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise ReplyRefused(f"the reply is encoded ({encoding[:20]!r}) although none was asked for")
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Capped(response.stream, MAX_REPLY_BYTES)


def model_http_client(timeout: float) -> httpx.AsyncClient:
    """An HTTP client for model endpoints: guarded, size-limited, follows no redirects.

    Args:
        timeout: seconds for each of connecting, sending and waiting for bytes.
    """
    return httpx.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
        event_hooks={"request": [_check_request], "response": [_check_response]},
    )
