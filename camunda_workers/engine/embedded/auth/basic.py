"""Names and passwords (RFC 7617)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from camunda_workers.engine.embedded.auth.caller import MISSING, Caller
from camunda_workers.engine.embedded.auth.passwords import hashed, matches
from camunda_workers.engine.embedded.auth.users import Users
from camunda_workers.errors import ConfigurationError, EngineUnavailable, Unauthenticated

_WRONG: Final = "Invalid credentials"
_REMEMBERED: Final = 1024
_AT_ONCE: Final = 2
"""Passwords that are looked into at the same time: each takes 32 MB and a tenth of a second, whoever sends it."""
_MOST: Final = 4096


class BasicGuard:
    """Lets users in by name and password.

    A password that was right is remembered, as a keyed hash of a key that ends with the process, so that only the first request pays for scrypt.

    Args:
        users: who may come in.
    """

    challenge = 'Basic realm="camunda", charset="UTF-8"'

    def __init__(self, users: Users) -> None:
        self._users = users
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, str] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._nobody = hashed(secrets.token_urlsafe())

    async def caller(self, authorization: str | None) -> Caller:
        """Return who sends this header; see `Guard`."""
        if authorization is None:
            raise Unauthenticated(MISSING)
        name, password = _credentials(authorization)
        try:
            user = self._users.get(name)
        except ConfigurationError as error:
            raise EngineUnavailable(str(error)) from error
        # A name that is not known costs as much as a wrong password: the time tells nothing.
        kept = self._nobody if user is None else user.password
        seal = hmac.digest(self._key, f"{name}\0{password}".encode(), hashlib.sha256)
        if self._right.get(seal) != kept:
            async with self._turn:
                right = await asyncio.to_thread(matches, password, kept)
            if not right or user is None:
                raise Unauthenticated(_WRONG)
            while len(self._right) >= _REMEMBERED:
                del self._right[next(iter(self._right))]
            self._right[seal] = kept
        if user is None:
            raise Unauthenticated(_WRONG)
        return Caller(user.name, user.name, None, user.groups)

    async def close(self) -> None:
        """Forget who came in."""
        self._right.clear()


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Unauthenticated("Expected authentication information to start with 'Basic '")
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Unauthenticated(_WRONG) from None
    if not colon or len(value) > _MOST:
        raise Unauthenticated(_WRONG)
    return name, password
