"""An identity provider that speaks OpenID Connect as far as machines use it: discovery, keys, client credentials, signed tokens."""

from __future__ import annotations

import base64
import math
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.certificates import Pair
from tests.support.http_server import serving


class IdentityProvider:
    """Knows clients and signs tokens for them; `identity_provider` runs one.

    Attributes:
        clients: id to secret.
        lifetime: seconds a token lives.
        outage: an HTTP status to answer with instead of tokens; 0 for none.
        granted: how many tokens were given.
        asked: how many were asked for.
    """

    def __init__(self, *, lifetime: float = 300.0) -> None:
        self.issuer = ""
        self.clients: dict[str, str] = {"workers": "a secret of workers"}
        self.lifetime = lifetime
        self.outage = 0
        self.granted = 0
        self.asked = 0
        self.rotate()

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return f"{self.issuer}/protocol/token"

    def rotate(self) -> None:
        """Sign with a new key from now on; tokens signed with the old one are worth nothing."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = uuid.uuid4().hex

    def claims_of(self, token: str, audience: str) -> dict[str, Any]:
        """What a token says, checked as a resource server does.

        Raises:
            jwt.PyJWTError: it is expired, for somebody else, from somebody else, or not signed by us.
        """
        header = jwt.get_unverified_header(token)
        if header.get("kid") != self._key_id:
            raise jwt.InvalidKeyError("signed with a key that is not valid any more")
        return jwt.decode(token, self._key.public_key(), algorithms=["RS256"], audience=audience, issuer=self.issuer)

    async def discover(self, request: Request) -> Response:
        """The provider's metadata."""
        return JSONResponse(
            {
                "issuer": self.issuer,
                "token_endpoint": self.token_url,
                "jwks_uri": f"{self.issuer}/keys",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            }
        )

    async def keys(self, request: Request) -> Response:
        """The public key, as a JSON web key set."""
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**key, "kid": self._key_id, "use": "sig", "alg": "RS256"}]})

    async def token(self, request: Request) -> Response:
        """Give a token, or say why not (RFC 6749, 4.4 and 5.2)."""
        self.asked += 1
        if self.outage:
            return JSONResponse({"error": "temporarily_unavailable"}, status_code=self.outage)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            client, _, secret = base64.b64decode(basic).decode().partition(":")
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        if not client or self.clients.get(client) != secret:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        self.granted += 1
        now = time.time()
        claims = {
            "iss": self.issuer,
            "sub": client,
            "client_id": client,
            "aud": form.get("audience", "nobody"),
            "iat": now,
            # Whoever checks it cuts fractions off.
            "exp": math.ceil(now + self.lifetime),
            "jti": uuid.uuid4().hex,
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime})

    def app(self) -> Starlette:
        """The provider as an application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discover),
                Route("/keys", self.keys),
                Route("/protocol/token", self.token, methods=["POST"]),
            ]
        )


@asynccontextmanager
async def identity_provider(tls: Pair | None = None, *, lifetime: float = 300.0) -> AsyncGenerator[IdentityProvider]:
    """Run an identity provider."""
    provider = IdentityProvider(lifetime=lifetime)
    async with serving(provider.app(), tls) as address:
        provider.issuer = address
        yield provider
