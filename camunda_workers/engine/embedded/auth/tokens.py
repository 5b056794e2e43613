"""Tokens of an OpenID Connect provider (RFC 6750, 7519, 8725)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from joserfc import jws, jwt
from joserfc.errors import JoseError

from camunda_workers.engine.embedded.auth.caller import MISSING, Caller
from camunda_workers.engine.issuer_keys import KeyRing
from camunda_workers.errors import ConfigurationError, Unauthenticated

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures that are taken, unless fewer are named. None can be made with a secret, so a public key is never mistaken for one."""
_TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
_LEEWAY: Final = 60
"""Seconds that the clocks of provider and engine may be apart, as Camunda has it."""
_MOST: Final = 16 * 1024
_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Claims:
    """Which claims say what; the names are those of Camunda's own settings.

    Attributes:
        username: the name of a user.
        client_id: the id of a machine; taken where the token has no username, or the first where it has both.
        groups: a list of groups.
    """

    username: str = "sub"
    client_id: str | None = None
    groups: str | None = "groups"


@dataclass(frozen=True, slots=True)
class _Checked:
    caller: Caller
    until: float
    generation: int


class TokenGuard:
    """Lets in who has a token of the issuer for this audience.

    Args:
        keys: the issuer's keys.
        issuer: who has to have made the token.
        audiences: for whom it has to be; one of them is enough.
        algorithms: signatures that are taken.
        claims: which claims say what.
    """

    challenge = 'Bearer realm="camunda"'

    def __init__(
        self, keys: KeyRing, *, issuer: str, audiences: Sequence[str], algorithms: Sequence[str] = ALGORITHMS, claims: Claims | None = None
    ) -> None:
        if not audiences:
            raise ConfigurationError("tokens need an audience: without one, a token that was given for another service would open this one")
        if unknown := sorted(set(algorithms) - set(ALGORITHMS)) or not algorithms:
            raise ConfigurationError(f"tokens cannot be signed with {unknown or 'nothing'}: {', '.join(ALGORITHMS)} are taken")
        self._keys = keys
        self._algorithms = list(algorithms)
        self._claims = claims or Claims()
        self._rules = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "values": list(audiences)},
            "exp": {"essential": True},
        }
        self._checked: dict[bytes, _Checked] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """Return who sends this header; see `Guard`."""
        if authorization is None:
            raise Unauthenticated(MISSING)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Expected authentication information to start with 'Bearer '")
        seal = hashlib.sha256(token.encode()).digest()
        before = self._checked.get(seal)
        if before is not None and before.until > time.time() and before.generation == self._keys.generation:
            return before.caller
        self._checked.pop(seal, None)
        said = await self._said(token.strip())
        caller = self._named(said)
        while len(self._checked) >= _REMEMBERED:
            del self._checked[next(iter(self._checked))]
        self._checked[seal] = _Checked(caller, float(said["exp"]) + _LEEWAY, self._keys.generation)
        return caller

    async def close(self) -> None:
        """Forget which tokens were good."""
        self._checked.clear()

    async def _said(self, token: str) -> dict[str, Any]:
        """Return a token's claims once its signature, its time, its issuer and its audience are right."""
        if len(token) > _MOST:
            raise Unauthenticated("Expected a valid token: it is too long")
        try:
            head = jws.extract_compact(token.encode()).headers()
            algorithm, kind, key_id = head.get("alg"), head.get("typ", "JWT"), head.get("kid")
            if algorithm not in self._algorithms:
                raise Unauthenticated("Expected a valid token: it is signed with an algorithm that is not taken")
            if not isinstance(kind, str) or kind.lower() not in _TYPES:
                raise Unauthenticated("Expected a valid token: it is of another type than an access token")
            if key_id is not None and not isinstance(key_id, str):
                raise Unauthenticated("Expected a valid token: its key id is no text")
            key = await self._keys.key(key_id, algorithm)
            said = jwt.decode(token, key, algorithms=[algorithm]).claims
            rules = cast("dict[str, Any]", self._rules)
            jwt.JWTClaimsRegistry(leeway=_LEEWAY, **rules).validate(said)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # Which claim, never what it says: the text goes to whoever sent the token.
            raise Unauthenticated(f"Expected a valid token: {error}") from error
        return said

    def _named(self, said: dict[str, Any]) -> Caller:
        names = self._claims
        username = _text(said.get(names.username))
        client = _text(said.get(names.client_id)) if names.client_id is not None else None
        name = client or username
        if name is None:
            raise Unauthenticated(
                f"Expected either a username (claim: {names.username}) or client ID (claim: {names.client_id}) on the token, "
                "but no matching claim found"
            )
        groups: Any = said.get(names.groups, []) if names.groups is not None else []
        listed = [groups] if isinstance(groups, str) else cast("list[Any]", groups if isinstance(groups, list) else [])
        return Caller(name, _text(said.get("name")) or name, _text(said.get("email")), tuple(str(group) for group in listed))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
