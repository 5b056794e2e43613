"""An OpenID Connect provider for tests that speaks the whole protocol over real HTTP.

Discovery, keys with rotation, the authorization code flow with PKCE (S256) behind a login form, refresh tokens that are good for one use,
client credentials, userinfo and RP-initiated logout. What it signs is signed with real keys; what it refuses is refused as the RFCs say
(6749, 7636, OpenID Connect Core 1.0 and RP-Initiated Logout 1.0).

Beside the protocol it has levers that a test needs: `OidcProvider.mint` signs any claims, `rotate` changes the key, `outage` makes it fail.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.certificates import Pair
from tests.support.http_server import serving
from tests.support.oidc_parts import AUDIENCE, Grant, OAuthError, Person, RegisteredClient, basic_credentials, login_page, refusal, s256

__all__ = ["AUDIENCE", "OAuthError", "OidcProvider", "Person", "RegisteredClient", "oidc_provider"]


class OidcProvider:
    """Knows people and clients and signs tokens; `oidc_provider` runs one.

    Attributes:
        issuer: its address, once it runs.
        people: who can log in, by name.
        clients: the applications, by id.
        lifetime: seconds a token lives.
        outage: an HTTP status to answer every request with; 0 for none.
        counts: how often each path was asked for.
        granted: how often tokens were given.
    """

    def __init__(self, *, lifetime: float = 300.0) -> None:
        self.issuer = ""
        self.people: dict[str, Person] = {}
        self.clients: dict[str, RegisteredClient] = {}
        self.lifetime = lifetime
        self.outage = 0
        self.counts: dict[str, int] = {}
        self.granted = 0
        self._keys: list[RSAKey] = []
        self._codes: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._sessions: dict[str, Person] = {}
        self.rotate()

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return f"{self.issuer}/token"

    def add_person(self, name: str, password: str, *, groups: tuple[str, ...] = (), email: str = "", display_name: str = "") -> Person:
        """Let somebody log in."""
        self.people[name] = Person(name, password, email, display_name, groups)
        return self.people[name]

    def add_client(
        self,
        client_id: str,
        secret: str | None = None,
        *,
        redirect_uris: tuple[str, ...] = (),
        post_logout_redirect_uris: tuple[str, ...] = (),
        audience: str = AUDIENCE,
    ) -> RegisteredClient:
        """Register an application."""
        self.clients[client_id] = RegisteredClient(client_id, secret, redirect_uris, post_logout_redirect_uris, audience)
        return self.clients[client_id]

    def rotate(self, *, forget: bool = False) -> None:
        """Sign with a new key from now on; the old ones stay published for what they have signed, unless ``forget``."""
        key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"}, private=True)
        self._keys = [key] if forget else [key, *self._keys]

    @property
    def key(self) -> RSAKey:
        """The key that signs now."""
        return self._keys[0]

    def mint(self, claims: dict[str, Any] | None = None, *, header: dict[str, Any] | None = None, key: Any = None) -> str:
        """Sign a token with any claims, good ones by default; a claim that is ``None`` is left out.

        Args:
            claims: what is to be different from a good access token.
            header: what is to be different in the header.
            key: what to sign with, instead of our own key.
        """
        now = int(time.time())
        # Whoever checks it cuts fractions off.
        end = math.ceil(time.time() + self.lifetime)
        good = {"iss": self.issuer, "sub": "somebody", "aud": AUDIENCE, "iat": now, "nbf": now, "exp": end}
        said = {name: value for name, value in {**good, "jti": secrets.token_hex(8), **(claims or {})}.items() if value is not None}
        head = {"alg": "RS256", "typ": "JWT", "kid": self.key.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, said, key or self.key, algorithms=[head["alg"]])

    @property
    def asked(self) -> int:
        """How often tokens were asked for."""
        return self.counts.get("/token", 0)

    def claims_of(self, token: str, audience: str | None = None) -> dict[str, Any]:
        """What one of our own tokens says, checked as a resource server does.

        Raises:
            OAuthError: it is not ours, its time is over, or it is for somebody else.
        """
        wanted: Any = {"iss": {"essential": True, "value": self.issuer}}
        if audience is not None:
            wanted["aud"] = {"essential": True, "value": audience}
        try:
            read = jwt.decode(token, KeySet([*self._keys]), algorithms=["RS256"])
            jwt.JWTClaimsRegistry(**wanted).validate(read.claims)
        except Exception as error:
            raise OAuthError("invalid_token", str(error), 401) from error
        return read.claims

    # The protocol.

    async def discover(self, request: Request) -> Response:
        """The provider's metadata."""
        at = self.issuer
        document = {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": self.token_url,
            "jwks_uri": f"{at}/jwks",
            "userinfo_endpoint": f"{at}/userinfo",
            "end_session_endpoint": f"{at}/end_session",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "claims_supported": ["sub", "name", "preferred_username", "email", "groups"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(document)

    async def jwks(self, request: Request) -> Response:
        """The public keys."""
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self._keys]})

    async def authorize(self, request: Request) -> Response:
        """Show the login form, or, when it is filled in well, send the browser back with a code (RFC 6749, 4.1)."""
        form = await request.form() if request.method == "POST" else FormData()
        asked: dict[str, str] = {name: str(value) for name, value in (form if form else request.query_params).items()}
        client = self.clients.get(asked.get("client_id", ""))
        if client is None or asked.get("redirect_uri") not in client.redirect_uris:
            # Never send anybody to an address that was not registered.
            return HTMLResponse("<h1>Unknown application or address to go back to</h1>", 400)
        if problem := refusal(asked, client):
            return self._back(asked, problem)
        session = request.cookies.get("provider_session", "")
        person = self._sessions.get(session)
        if form:
            person = self.people.get(asked.get("username", ""))
            if person is None or not secrets.compare_digest(person.password, asked.get("password", "")):
                return HTMLResponse(login_page(asked, wrong=True), 401)
        elif person is None or asked.get("prompt") == "login":
            if asked.get("prompt") == "none":
                return self._back(asked, {"error": "login_required"})
            return HTMLResponse(login_page(asked))
        code, session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        scope, nonce, challenge = (asked.get(name, "") for name in ("scope", "nonce", "code_challenge"))
        self._codes[code] = Grant(client, person, scope, asked["redirect_uri"], challenge, nonce, time.time() + 60)
        self._sessions[session] = person
        answer = self._back(asked, {"code": code})
        answer.set_cookie("provider_session", session, httponly=True, samesite="lax")
        return answer

    def _back(self, asked: dict[str, str], said: dict[str, str]) -> Response:
        said = {**said, "iss": self.issuer} | ({"state": asked["state"]} if "state" in asked else {})
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        return RedirectResponse(asked["redirect_uri"] + joint + urlencode(said), 302)

    async def token(self, request: Request) -> Response:
        """Give tokens, or say why not."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        client = self._client(request, form)
        match form.get("grant_type"):
            case "authorization_code":
                answer = self._redeem(form, client)
            case "refresh_token":
                grant = self._refresh.pop(form.get("refresh_token", ""), None)
                if grant is None or grant.client is not client:
                    raise OAuthError("invalid_grant", "no such refresh token, or it was used before")
                answer = self._tokens(grant)
            case "client_credentials" if client.secret is not None:
                audience = form.get("audience") or client.audience
                said = {"sub": client.client_id, "client_id": client.client_id, "azp": client.client_id, "aud": audience}
                token = self.mint({**said, "scope": form.get("scope", "")})
                answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.lifetime)}
            case "client_credentials":
                raise OAuthError("unauthorized_client", "a public client has no credentials")
            case _:
                raise OAuthError("unsupported_grant_type")
        self.granted += 1
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _client(self, request: Request, form: dict[str, str]) -> RegisteredClient:
        sent = basic_credentials(request.headers.get("authorization", ""))
        name, secret = sent or (form.get("client_id", ""), form.get("client_secret", ""))
        client = self.clients.get(name)
        if client is None or (client.secret is not None and not secrets.compare_digest(client.secret, secret)):
            raise OAuthError("invalid_client", status=401)
        return client

    def _redeem(self, form: dict[str, str], client: RegisteredClient) -> dict[str, Any]:
        grant = self._codes.get(form.get("code", ""))
        if grant is None or grant.client is not client or grant.expires < time.time() or grant.redirect_uri != form.get("redirect_uri"):
            raise OAuthError("invalid_grant", "no such code for this client and address, or its time is over")
        if grant.used:
            # Somebody else may have the code: nothing that came from it is good any more (RFC 6749, 4.1.2).
            for token in grant.refresh_tokens:
                self._refresh.pop(token, None)
            raise OAuthError("invalid_grant", "the code was used before")
        grant.used = True
        verifier = form.get("code_verifier", "")
        if grant.challenge and s256(verifier) != grant.challenge:
            raise OAuthError("invalid_grant", "the code verifier is not the challenge's")
        return self._tokens(grant)

    def _tokens(self, grant: Grant) -> dict[str, Any]:
        # As they are now: groups change, and people leave.
        client, person = grant.client, self.people.get(grant.person.name)
        if person is None:
            raise OAuthError("invalid_grant", "there is no such person any more")
        said = {"sub": person.name, "azp": client.client_id, **person.claims()}
        refresh = secrets.token_urlsafe(32)
        grant.refresh_tokens.append(refresh)
        self._refresh[refresh] = grant
        answer = {
            "access_token": self.mint({**said, "aud": client.audience, "scope": grant.scope}),
            "token_type": "Bearer",
            "expires_in": int(self.lifetime),
            "refresh_token": refresh,
            "scope": grant.scope,
        }
        if "openid" in grant.scope.split():
            nonce = grant.nonce or None
            answer["id_token"] = self.mint({**said, "aud": client.client_id, "nonce": nonce, "auth_time": int(time.time())})
        return answer

    async def userinfo(self, request: Request) -> Response:
        """Who the access token is about."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        person = self.people.get(self.claims_of(token)["sub"]) if scheme.lower() == "bearer" else None
        if person is None:
            raise OAuthError("invalid_token", status=401)
        return JSONResponse({"sub": person.name, **person.claims()})

    async def end_session(self, request: Request) -> Response:
        """Log out here, and send the browser back where its application may be."""
        asked = (
            dict(request.query_params) if request.method == "GET" else {name: str(value) for name, value in (await request.form()).items()}
        )
        client = self.clients.get(asked.get("client_id", ""))
        if client is None and "id_token_hint" in asked:
            client = self.clients.get(str(self.claims_of(asked["id_token_hint"])["aud"]))
        self._sessions.pop(request.cookies.get("provider_session", ""), None)
        back = asked.get("post_logout_redirect_uri")
        if client is not None and back in client.post_logout_redirect_uris:
            state = f"?{urlencode({'state': asked['state']})}" if "state" in asked else ""
            answer: Response = RedirectResponse(f"{back}{state}", 302)
        else:
            answer = HTMLResponse("<h1>You are logged out</h1>")
        answer.delete_cookie("provider_session")
        return answer

    def app(self) -> Starlette:
        """The provider as an application."""

        def counted(handle: Any) -> Any:
            async def answer(request: Request) -> Response:
                path = request.url.path
                self.counts[path] = self.counts.get(path, 0) + 1
                if self.outage:
                    raise HTTPException(self.outage)
                return await handle(request)

            return answer

        async def refused(request: Request, error: Exception) -> Response:
            assert isinstance(error, OAuthError)
            body = {"error": error.error} | ({"error_description": error.description} if error.description else {})
            headers = {"www-authenticate": f'Bearer error="{error.error}"'} if error.status == 401 else None
            return JSONResponse(body, error.status, headers=headers)

        routes = [
            Route("/.well-known/openid-configuration", counted(self.discover)),
            Route("/jwks", counted(self.jwks)),
            Route("/authorize", counted(self.authorize), methods=["GET", "POST"]),
            Route("/token", counted(self.token), methods=["POST"]),
            Route("/userinfo", counted(self.userinfo), methods=["GET", "POST"]),
            Route("/end_session", counted(self.end_session), methods=["GET", "POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={OAuthError: refused})


@asynccontextmanager
async def oidc_provider(tls: Pair | None = None, *, lifetime: float = 300.0) -> AsyncGenerator[OidcProvider]:
    """Run a provider on a free port until the block ends."""
    provider = OidcProvider(lifetime=lifetime)
    async with serving(provider.app(), tls) as address:
        provider.issuer = address
        yield provider
