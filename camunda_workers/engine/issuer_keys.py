"""An identity provider's keys: fetched when they are needed, kept while it is away, asked for again when a token names one that is not known."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from camunda_workers.client.channel import is_loopback
from camunda_workers.errors import EngineUnavailable, Unauthenticated

_log = logging.getLogger(__name__)

COOLDOWN: Final = 10.0
"""Seconds between two requests for keys: whoever makes up key ids makes nobody ask more often."""
_MOST_AGE: Final = 900.0
_MOST_BYTES: Final = 512 * 1024
_LEAST_RSA_BITS: Final = 2048


class KeyRing:
    """The keys that an issuer signs with.

    Args:
        issuer: as its discovery document and its tokens name it.
        jwks_url: where its keys are; found by discovery where it is not given.
        authority: PEM file of who signed its certificate, where the machine does not know it.
        transport: instead of the network, for whoever needs a proxy of their own.
        now: seconds; from where they are counted does not matter.
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None = None,
        authority: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._authority = authority
        self._transport = transport
        self._now = now
        self._keys: dict[str | None, list[Key]] = {}
        self._asked_at: float | None = None
        self._fetched_at: float | None = None
        self._problem = ""
        self._asking = asyncio.Lock()
        self.generation = 0
        """How often the keys were fetched: what was checked with older ones is to be checked again."""

    async def key(self, key_id: str | None, algorithm: str) -> Key:
        """Return the key that a token was signed with.

        Raises:
            Unauthenticated: the issuer has no such key.
            EngineUnavailable: its keys are not known, because it does not answer.
        """
        if self._fetched_at is not None and self._now() - self._fetched_at > _MOST_AGE:
            await self._refresh()
        found = self._find(key_id, algorithm)
        if not found:
            await self._refresh()
            found = self._find(key_id, algorithm)
        if self._fetched_at is None:
            raise EngineUnavailable(f"the keys of {self._issuer} cannot be fetched: {self._problem}")
        if len(found) != 1:
            raise Unauthenticated("Expected a valid token: it is signed with a key that the issuer does not have")
        return found[0]

    def _find(self, key_id: str | None, algorithm: str) -> list[Key]:
        # A token that names no key is taken only where there is no choice.
        candidates = [key for keys in self._keys.values() for key in keys] if key_id is None else self._keys.get(key_id, [])
        return [key for key in candidates if key.alg in (None, algorithm) and _fits(key, algorithm)]

    async def _refresh(self) -> None:
        before = self._asked_at
        async with self._asking:
            if self._asked_at != before:
                return  # somebody else has just asked
            if before is not None and self._now() - before < COOLDOWN:
                return
            self._asked_at = self._now()
            try:
                self._keys = await self._fetch()
            except (httpx.HTTPError, JoseError, ValueError, TypeError, KeyError) as error:
                self._problem = str(error) or type(error).__name__
                # What was valid a moment ago still is: an outage of the provider is not one of the engine.
                _log.warning("the keys of %s cannot be fetched: %s", self._issuer, self._problem)
                return
            self._fetched_at = self._asked_at
            self.generation += 1

    async def _fetch(self) -> dict[str | None, list[Key]]:
        verify: Any = True if self._authority is None else ssl.create_default_context(cafile=str(self._authority))
        local = is_loopback(urlsplit(self._issuer).hostname or "")
        options: dict[str, Any] = {"timeout": 5.0, "verify": verify, "follow_redirects": False, "trust_env": not local}
        async with httpx.AsyncClient(**options, transport=self._transport) as http:
            if self._jwks_url is None:
                document = await _get(http, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if document["issuer"] != self._issuer:
                    raise ValueError(f"it calls itself {document['issuer']!r}: name it exactly so")
                url = str(document["jwks_uri"])
            else:
                url = self._jwks_url
            return _read(await _get(http, url))


async def _get(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"{url} is not https: whoever is in between could put keys of their own there")
    content = b""
    async with http.stream("GET", url) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > _MOST_BYTES:
                raise ValueError(f"{url} answers with more than {_MOST_BYTES // 1024} KB")
    read = json.loads(content)
    if not isinstance(read, dict):
        raise ValueError(f"{url} answers with something else than a JSON object")
    return cast("dict[str, Any]", read)


def _read(document: dict[str, Any]) -> dict[str | None, list[Key]]:
    keys: dict[str | None, list[Key]] = {}
    for entry in document["keys"]:
        # Secrets (oct) are never taken: a public document has none, and with one everybody could sign.
        if entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, KeyError):
            continue  # of a kind that is not known here
        keys.setdefault(entry.get("kid"), []).append(key)
    return keys


def _fits(key: Key, algorithm: str) -> bool:
    if algorithm.startswith(("RS", "PS")):
        return isinstance(key, RSAKey) and key.raw_value.key_size >= _LEAST_RSA_BITS
    if algorithm.startswith("ES"):
        return isinstance(key, ECKey)
    return isinstance(key, OKPKey)
