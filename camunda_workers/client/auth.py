"""Who we are, as an ``Authorization`` header: OAuth client credentials or a user name and password."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator
from typing import Any, Protocol, cast

import httpx

from camunda_workers.errors import EngineUnavailable, Unauthenticated
from camunda_workers.settings import ConnectionSettings

LEEWAY = 60.0
"""Seconds before its end at which a token counts as expired (what pyzeebe's credentials use)."""


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
    """A token from an identity provider, asked for when needed and kept until shortly before it expires (RFC 6749, 4.4)."""

    def __init__(self, url: str, client_id: str, client_secret: str, *, audience: str | None = None, scope: str | None = None) -> None:
        self._url = url
        fields = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "audience": audience,
            "scope": scope,
        }
        self._form = {name: value for name, value in fields.items() if value}
        self._value = ""
        self._expires = 0.0
        self._lock = asyncio.Lock()

    async def header(self, *, refused: str | None = None) -> str:
        """The header's value.

        Raises:
            Unauthenticated: the identity provider does not accept the credentials.
            EngineUnavailable: the identity provider does not answer.
        """
        async with self._lock:
            if not self._value or self._value == refused or time.monotonic() >= self._expires:
                await self._renew()
            return self._value

    async def _renew(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=10.0) as http:
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
                f"the identity provider at {self._url} gave no token (HTTP {response.status_code}): "
                "check CAMUNDA_OAUTH_URL, CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET and CAMUNDA_TOKEN_AUDIENCE"
            ) from error
        self._value = f"Bearer {token}"
        # A short-lived token is still used for half of its life, or every call would ask for a new one.
        self._expires = time.monotonic() + max(lifetime - LEEWAY, lifetime / 2)


class HttpAuth(httpx.Auth):
    """Sets the header on REST requests; after a 401 once more with a new token."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """httpx's protocol: yields requests, gets their responses."""
        value = await self._authorization.header()
        request.headers["authorization"] = value
        response = yield request
        if response.status_code == 401 and isinstance(self._authorization, ClientCredentials):
            request.headers["authorization"] = await self._authorization.header(refused=value)
            yield request


def authorization_from(settings: ConnectionSettings) -> Authorization | None:
    """What the settings say about who we are; ``None`` for an engine that asks nobody."""
    if settings.client_id and settings.client_secret and settings.oauth_url:
        secret = settings.client_secret.get_secret_value()
        return ClientCredentials(
            settings.oauth_url, settings.client_id, secret, audience=settings.token_audience, scope=settings.token_scope
        )
    if settings.basic_username and settings.basic_password:
        return Basic(settings.basic_username, settings.basic_password.get_secret_value())
    return None
