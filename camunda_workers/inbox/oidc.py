"""Signing in at an OpenID Connect provider: authorization code with PKCE, checked ID tokens, renewal and sign-out.

What is checked of an ID token: the signature against the provider's published keys (asymmetric algorithms only), issuer, audience,
authorized party, expiry, nonce, and the hash that ties the access token to it (OpenID Connect Core 1.0, 3.1.3.7). A provider that cannot be
reached lets nobody in.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import quote_plus, urlencode

import httpx
from authlib.oauth2 import rfc6749, rfc7636
from authlib.oidc.core.util import create_half_hash
from joserfc import jws, jwt
from joserfc.errors import JoseError

from camunda_workers.engine.issuer_keys import KeyRing
from camunda_workers.errors import EngineUnavailable, Unauthenticated
from camunda_workers.inbox.logins import Begun, Login, SignInRefused, Tokens, claim_at, person_of
from camunda_workers.project_people import OidcSection

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Never ``none``, and never a shared secret: whoever can check such a token can make one."""

LEEWAY: Final = 60
"""Seconds by which clocks may differ."""

TIMEOUT: Final = 10.0
KEPT: Final = 3600.0
"""Seconds the provider's metadata are kept."""


class Provider:
    """The provider of ``[inbox.oidc]``.

    Args:
        section: where it is, and which claims mean what.
        secret: the inbox's secret there; ``None`` for a public client.
        now: Unix seconds; public, because whoever renews goes by the same clock.
        transport: instead of the network, for whoever needs a proxy or a certificate authority of their own.
    """

    def __init__(
        self,
        section: OidcSection,
        secret: str | None,
        *,
        now: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.section = section
        self._secret = secret
        self.now = now
        self._transport = transport
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[str, KeyRing] | None = None

    @property
    def name(self) -> str:
        """What people know it as."""
        return self.section.name or httpx.URL(self.section.issuer).host

    async def begin(self, redirect_uri: str, browser: str, to: str, at: float) -> tuple[str, Begun]:
        """Where to send the browser, and what to keep until it comes back."""
        metadata = await self.metadata()
        begun = Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), browser, to, at)
        address = str(
            cast("Any", rfc6749).parameters.prepare_grant_uri(
                str(metadata["authorization_endpoint"]),
                self.section.client_id,
                "code",
                redirect_uri,
                " ".join(self.section.scopes),
                begun.state,
                nonce=begun.nonce,
                code_challenge=cast("Any", rfc7636).create_s256_code_challenge(begun.verifier),
                code_challenge_method="S256",
            )
        )
        return address, begun

    async def finish(self, code: str, begun: Begun, redirect_uri: str) -> Login:
        """Turn the code that came back into somebody.

        Raises:
            SignInRefused: the code, or the token it was exchanged for, is not good.
            EngineUnavailable: the provider cannot be reached.
        """
        answer = await self._tokens("authorization_code", code=code, code_verifier=begun.verifier, redirect_uri=redirect_uri)
        return await self._login(answer, nonce=begun.nonce)

    async def renew(self, tokens: Tokens) -> Login:
        """Ask again who somebody is: whoever has left a group must not keep its rights.

        Raises:
            SignInRefused: the provider does not vouch for them any more.
            EngineUnavailable: the provider cannot be reached.
        """
        if tokens.refresh_token is None:
            raise SignInRefused("there is no refresh token: the person signs in again")
        answer = await self._tokens("refresh_token", refresh_token=tokens.refresh_token)
        answer.setdefault("refresh_token", tokens.refresh_token)
        if answer.get("id_token") is None:
            answer["id_token"] = tokens.id_token
            claims = await self._userinfo(str(answer.get("access_token", "")))
            login = self._person(claims, answer)
        else:
            login = await self._login(answer, nonce=None)
        if login.tokens.subject != tokens.subject:
            raise SignInRefused("the renewed token is somebody else's")
        return login

    async def sign_out_address(self, tokens: Tokens, back: str) -> str | None:
        """Where the browser ends the provider's own session (RP-Initiated Logout 1.0); ``None`` where there is no such place."""
        try:
            end = (await self.metadata()).get("end_session_endpoint")
        except (EngineUnavailable, SignInRefused):
            return None
        if not isinstance(end, str):
            return None
        query = {"id_token_hint": tokens.id_token, "client_id": self.section.client_id, "post_logout_redirect_uri": back}
        return f"{end}{'&' if '?' in end else '?'}{urlencode(query)}"

    async def metadata(self) -> Mapping[str, Any]:
        """The provider's discovery document."""
        if self._metadata is None or self.now() - self._metadata[0] > KEPT:
            found = await self._get(f"{self.section.issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self.section.issuer:
                raise SignInRefused(f"the provider calls itself {found.get('issuer')!r}, not '{self.section.issuer}'")
            if missing := {"authorization_endpoint", "token_endpoint", "jwks_uri"} - found.keys():
                raise SignInRefused(f"the provider's metadata lack {', '.join(sorted(missing))}")
            self._metadata = (self.now(), found)
        return self._metadata[1]

    async def _login(self, answer: Mapping[str, Any], nonce: str | None) -> Login:
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("the provider gave no ID token")
        claims = await self.claims_of(token, nonce=nonce, access_token=cast("str | None", answer.get("access_token")))
        if claim_at(claims, self.section.groups_claim) is None and isinstance(answer.get("access_token"), str):
            # Some providers keep long lists out of the token.
            more = await self._userinfo(str(answer["access_token"]))
            if more.get("sub") != claims["sub"]:
                raise SignInRefused("userinfo is about somebody else than the ID token")
            claims = {**more, **claims}
        return self._person(claims, answer)

    async def claims_of(self, token: str, *, nonce: str | None, access_token: str | None = None) -> Mapping[str, Any]:
        """What an ID token says, once everything about it is checked.

        Raises:
            SignInRefused: something is wrong with it.
        """
        issuer, keys = (await self.metadata())["issuer"], await self._key_ring()
        try:
            head = jws.extract_compact(token.encode()).headers()
            algorithm, key_id = head.get("alg"), head.get("kid")
            if algorithm not in ALGORITHMS:
                raise SignInRefused("the ID token is not good: it is signed with an algorithm that is not taken")
            key = await keys.key(key_id if isinstance(key_id, str) else None, algorithm)
            read = jwt.decode(token, key, algorithms=[algorithm])
            essential = {"essential": True}
            registry = jwt.JWTClaimsRegistry(
                now=int(self.now()),
                leeway=LEEWAY,
                iss=cast("Any", {"essential": True, "value": issuer}),
                aud=cast("Any", {"essential": True, "value": self.section.client_id}),
                sub=cast("Any", essential),
                exp=cast("Any", essential),
                iat=cast("Any", essential),
            )
            registry.validate(read.claims)
        except (JoseError, ValueError, TypeError, Unauthenticated) as error:
            raise SignInRefused(f"the ID token is not good: {error}") from error
        claims = read.claims
        audience: Any = claims["aud"]
        party = claims.get("azp")
        if (isinstance(audience, list) and len(cast("list[Any]", audience)) > 1 and party is None) or party not in (
            None,
            self.section.client_id,
        ):
            raise SignInRefused("the ID token was given to another application")
        if nonce is not None and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInRefused("the ID token belongs to another sign-in")
        half = claims.get("at_hash")
        if isinstance(half, str) and access_token is not None:
            made = create_half_hash(access_token, str(read.header["alg"]))
            if made is not None and not hmac.compare_digest(half.encode(), made):
                raise SignInRefused("the access token is not the ID token's")
        return claims

    def _person(self, claims: Mapping[str, Any], answer: Mapping[str, Any]) -> Login:
        if not isinstance(claims.get("sub"), str):
            raise SignInRefused("the provider does not say whom it means: there is no 'sub'")
        person = person_of(self.section, claims)
        given = answer.get("expires_in")
        lifetime = float(given) if isinstance(given, int | float) and given > 0 else 300.0
        refresh = answer.get("refresh_token")
        tokens = Tokens(str(claims["sub"]), str(answer["id_token"]), refresh if isinstance(refresh, str) else None, self.now() + lifetime)
        return Login(person, tokens)

    async def _userinfo(self, access_token: str) -> Mapping[str, Any]:
        address = (await self.metadata()).get("userinfo_endpoint")
        if not isinstance(address, str):
            return {}
        return await self._get(address, {"Authorization": f"Bearer {access_token}"})

    async def _key_ring(self) -> KeyRing:
        metadata = await self.metadata()
        issuer, address = str(metadata["issuer"]), str(metadata["jwks_uri"])
        if self._keys is None or self._keys[0] != address:
            self._keys = address, KeyRing(issuer, jwks_url=address, transport=self._transport, now=self.now)
        return self._keys[1]

    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        async with self._http() as http:
            try:
                answer = await http.get(address, headers=dict(headers or {}))
                answer.raise_for_status()
                found: object = answer.json()
            except (httpx.HTTPError, ValueError) as error:
                raise EngineUnavailable(f"the identity provider does not answer as it should: {error}") from error
        if not isinstance(found, dict):
            raise EngineUnavailable(f"the identity provider's answer at {address} is no JSON object")
        return cast("dict[str, Any]", found)

    async def _tokens(self, grant: str, **given: str) -> dict[str, Any]:
        """What the token endpoint gives for a grant.

        Raises:
            SignInRefused: it gives nothing.
            EngineUnavailable: it does not answer.
        """
        address = str((await self.metadata())["token_endpoint"])
        form = {"grant_type": grant, **given}
        auth: httpx.Auth = httpx.Auth()
        if self._secret is None:
            form["client_id"] = self.section.client_id
        else:
            # Encoded as forms are, before they become a header (RFC 6749, 2.3.1).
            auth = httpx.BasicAuth(quote_plus(self.section.client_id), quote_plus(self._secret))
        async with self._http() as http:
            try:
                answer = await http.post(address, data=form, auth=auth, headers={"Accept": "application/json"})
                found: object = answer.json() if answer.status_code < 500 else None
            except (httpx.HTTPError, ValueError) as error:
                raise EngineUnavailable(f"the identity provider does not answer as it should: {error}") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise EngineUnavailable(f"the identity provider answered {answer.status_code}")
        if answer.is_error or not isinstance(found, dict):
            problem = cast("dict[str, Any]", found).get("error") if isinstance(found, dict) else answer.status_code
            raise SignInRefused(f"the identity provider refused: {str(problem)[:100]}")
        return cast("dict[str, Any]", found)

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT, transport=self._transport)
