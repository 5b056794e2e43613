"""Who we are, as an ``Authorization`` header: OAuth client credentials or a user name and password.

One source for gRPC and REST. It is asked when a call is about to be sent, so that a call that waited does not carry a token that has expired
meanwhile. Time is the monotonic clock's: a machine whose clock is set does not keep an old token.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator
from ssl import SSLContext
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httpx

from camunda_workers.client.channel import is_loopback
from camunda_workers.client.tls import http_context
from camunda_workers.errors import EngineError, EngineUnavailable, Unauthenticated
from camunda_workers.settings import ConnectionSettings

LEEWAY = 60.0
"""Seconds before its end at which a token counts as expired (what pyzeebe's credentials use)."""

LONGEST_PAUSE = 2.0
"""A provider that has failed twice in a row is asked again after a pause that grows to so many seconds, however many calls want a token: 500
workers are not 500 requests to a provider that is in trouble."""

REFUSED_AGAIN = 5.0
"""Seconds a token is kept that was asked for because its predecessor was refused: if it is refused too, expiry is not the reason."""


class Authorization(Protocol):
    """Gives the header's value."""

    async def header(self, *, refused: str | None = None) -> str:
        """The header's value.

        Args:
            refused: a value the engine has just refused; it is not given again if another can be had.
        """
        ...


class Basic:
    """A user name and password."""

    def __init__(self, username: str, password: str) -> None:
        self._value = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")

    async def header(self, *, refused: str | None = None) -> str:
        """The header's value."""
        return self._value


class ClientCredentials:
    """A token from an identity provider, asked for when needed and kept until shortly before it expires (RFC 6749, 4.4).

    Args:
        url: where tokens are asked for.
        client_id: who asks.
        client_secret: the proof.
        audience: whom the token is for.
        scope: what it is for.
        verify: what TLS trusts.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        audience: str | None = None,
        scope: str | None = None,
        verify: SSLContext | bool = True,
    ) -> None:
        self._url = url
        self._verify = verify
        fields = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "audience": audience,
            "scope": scope,
        }
        self._form = {name: value for name, value in fields.items() if value}
        self._value = ""
        self._renew_at = self._dies_at = 0.0
        self._after_refusal: float | None = None
        self._failure: EngineError | None = None
        self._failures = 0
        self._failed_at = 0.0
        self._lock = asyncio.Lock()

    async def header(self, *, refused: str | None = None) -> str:
        """The header's value.

        Raises:
            Unauthenticated: the identity provider does not accept the credentials.
            EngineUnavailable: the identity provider does not answer, and there is no token that is still valid.
        """
        if self._fresh(refused):
            return self._value
        asked = time.monotonic()
        async with self._lock:
            if self._fresh(refused):
                return self._value
            # An attempt that failed while this call waited for it speaks for this call too.
            if self._failure is None or (self._failed_at < asked and time.monotonic() >= self._failed_at + self._pause()):
                await self._try_to_renew(refused)
            if self._failure is not None and time.monotonic() >= self._dies_at:
                raise self._failure
            # Asked for early, so there is time: a provider that is away for half a minute is no outage of ours.
            return self._value

    def _fresh(self, refused: str | None) -> bool:
        now = time.monotonic()
        if refused is not None and refused == self._value:
            return self._after_refusal is not None and now - self._after_refusal < REFUSED_AGAIN
        return bool(self._value) and now < self._renew_at

    def _pause(self) -> float:
        return 0.0 if self._failures < 2 else min(0.1 * 2.0 ** min(self._failures, 10), LONGEST_PAUSE)

    async def _try_to_renew(self, refused: str | None) -> None:
        was_refused = refused is not None and refused == self._value
        try:
            await self._renew()
        except EngineError as error:
            self._failure, self._failed_at = error, time.monotonic()
            self._failures += 1
            return
        self._failure, self._failures = None, 0
        self._after_refusal = time.monotonic() if was_refused else None

    async def _renew(self) -> None:
        # A proxy of the environment cannot reach this machine's own loopback.
        local = is_loopback(urlsplit(self._url).hostname or "")
        try:
            async with httpx.AsyncClient(timeout=10.0, verify=self._verify, trust_env=not local) as http:
                response = await http.post(self._url, data=self._form, headers={"accept": "application/json"})
        except httpx.TransportError as error:
            raise EngineUnavailable(f"the identity provider at {self._url} does not answer ({error or type(error).__name__})") from error
        if response.status_code >= 500 or response.status_code == 429:
            raise EngineUnavailable(f"the identity provider at {self._url} answers HTTP {response.status_code}")
        try:
            body = cast("dict[str, Any]", response.json())
            token, lifetime = str(body["access_token"]), float(body.get("expires_in") or 300)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unauthenticated(
                f"the identity provider at {self._url} gave no token (HTTP {response.status_code}{_reason(response)}): "
                "check CAMUNDA_OAUTH_URL, CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET and CAMUNDA_TOKEN_AUDIENCE"
            ) from error
        now = time.monotonic()
        self._value = f"Bearer {token}"
        self._dies_at = now + lifetime
        # A short-lived token is still used for half of its life, or every call would ask for a new one.
        self._renew_at = now + max(lifetime - LEEWAY, lifetime / 2)


def _reason(response: httpx.Response) -> str:
    """The provider's own word for it (RFC 6749, 5.2), where it gives one."""
    try:
        body: Any = response.json()
    except ValueError:
        return ""
    word = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    return f", {word}" if isinstance(word, str) else ""


class HttpAuth(httpx.Auth):
    """Sets the header on REST requests; after a 401 once more with a new token."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """httpx's protocol: yields requests, gets their responses."""
        value = await self._authorization.header()
        request.headers["authorization"] = value
        response = yield request
        if response.status_code == 401:
            other = await self._authorization.header(refused=value)
            if other != value:
                request.headers["authorization"] = other
                yield request


def authorization_from(settings: ConnectionSettings) -> Authorization | None:
    """What the settings say about who we are; ``None`` for an engine that asks nobody."""
    if settings.client_id and settings.client_secret and settings.oauth_url:
        return ClientCredentials(
            settings.oauth_url,
            settings.client_id,
            settings.client_secret.get_secret_value(),
            audience=settings.token_audience,
            scope=settings.token_scope,
            verify=http_context(settings),
        )
    if settings.basic_username and settings.basic_password:
        return Basic(settings.basic_username, settings.basic_password.get_secret_value())
    return None
