"""REST API v2 calls with retries and our errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import httpx

from camunda_workers.client.auth import Authorization, HttpAuth
from camunda_workers.client.channel import is_loopback
from camunda_workers.client.mapping import from_http_response, from_http_transport
from camunda_workers.client.retry import BackOff, Failure, Repeat
from camunda_workers.client.retrying import with_retries
from camunda_workers.client.variables import plain_value
from camunda_workers.errors import EngineError, EngineFailure


class _Refused(Exception):
    """An answer with an error status, on its way to be mapped."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class RestCalls:
    """One REST API, called by method and path below ``/v2``.

    Args:
        base: its address, without ``/v2``.
        back_off: the limits of repetition.
        timeout: seconds one attempt may take.
        authorization: sets a header on each call.
        verify: what TLS trusts.
    """

    def __init__(
        self,
        base: str,
        *,
        back_off: BackOff,
        timeout: float,
        authorization: Authorization | None = None,
        verify: SSLContext | bool = True,
    ) -> None:
        self._base = base
        self._back_off = back_off
        host = urlsplit(base).hostname or ""
        self._http = httpx.AsyncClient(
            base_url=f"{base}/v2",
            timeout=timeout,
            auth=HttpAuth(authorization) if authorization else None,
            headers={"accept": "application/json"},
            verify=verify,
            # A proxy of the environment cannot reach this machine's own loopback.
            trust_env=not is_loopback(host),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(self, method: str, path: str, body: object = None, *, repeat: Repeat, timeout: float | None = None) -> Any:
        """Make a call.

        Args:
            method: the HTTP method.
            path: below ``/v2``, starting with a slash.
            body: sent as JSON; ``None`` sends none.
            repeat: how it may be repeated.
            timeout: seconds one attempt may take, if not the usual.

        Returns:
            The answer's JSON; ``None`` when it has no body.

        Raises:
            InvalidArgument: the body cannot be written as JSON.
            EngineError: as the engine or the way to it says.
        """
        name = f"{method} {path}"
        content = b"" if body is None else json.dumps(plain_value(body, what="body"), ensure_ascii=False, allow_nan=False).encode()
        headers = {"content-type": "application/json"} if content else {}

        async def send() -> Any:
            limit = timeout if timeout is not None else httpx.USE_CLIENT_DEFAULT
            response = await self._http.request(method, path, content=content or None, headers=headers, timeout=limit)
            if response.status_code >= 300:
                raise _Refused(response)
            if not response.content:
                return None
            try:
                return response.json()
            except ValueError as error:
                raise EngineFailure(f"{name}: {self._base} answered something that is not JSON; is CAMUNDA_REST_ADDRESS right?") from error

        return await with_retries(send, lambda error: self._failure(error, name), call=name, back_off=self._back_off, repeat=repeat)

    async def transfer(
        self,
        method: str,
        path: str,
        *,
        files: Mapping[str, tuple[str | None, bytes, str]] | None = None,
        params: Mapping[str, str] | None = None,
        repeat: Repeat,
        largest: int,
    ) -> bytes:
        """Send parts of a form, or nothing, and read the answer's bytes as they are.

        Args:
            method: see `call`.
            path: see `call`.
            files: parts by name: a file name (or none), the content and its type.
            params: the query.
            repeat: see `call`.
            largest: bytes of an answer that is still read.

        Raises:
            EngineError: as the engine or the way to it says, or the answer is larger than that.
        """
        name = f"{method} {path}"

        async def send() -> bytes:
            async with self._http.stream(method, path, files=files, headers={"accept": "*/*"}, params=params or None) as response:
                if response.status_code >= 300:
                    await response.aread()
                    raise _Refused(response)
                content = bytearray()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > largest:
                        raise EngineFailure(f"{name}: {self._base} answered more than {largest} bytes")
                return bytes(content)

        content = await with_retries(send, lambda error: self._failure(error, name), call=name, back_off=self._back_off, repeat=repeat)
        return content or b""

    def _failure(self, error: Exception, name: str) -> Failure | None:
        if isinstance(error, _Refused):
            return from_http_response(error.response, call=name)
        if isinstance(error, httpx.TransportError):
            return from_http_transport(error, call=name, address=self._base)
        if isinstance(error, EngineError):
            return Failure(error, maybe_executed=False)
        return None
