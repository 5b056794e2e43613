"""The provider that our tests log in at speaks the protocol: authlib's own client gets through, and what is wrong is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.support.oidc_provider import OidcProvider, oidc_provider

_Client: Any = AsyncOAuth2Client
"""authlib has no types."""
BACK = "http://127.0.0.1:1/callback"


async def _log_in(provider: OidcProvider, client: Any, *, password: str = "ann's own", **asked: str) -> httpx.Response:
    """Do as a browser does, up to the address that the application would be called back at."""
    made: tuple[str, str] = client.create_authorization_url(f"{provider.issuer}/authorize", nonce="n-1", **asked)
    url, _ = made
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(url)
        assert 'name="password"' in page.text
        filled = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return await browser.post(f"{provider.issuer}/authorize", data={**filled, "username": "ann", "password": password})


async def test_a_public_client_logs_somebody_in() -> None:
    async with oidc_provider() as provider:
        provider.add_person("ann", "ann's own", groups=("claims-assessors",))
        provider.add_client("inbox", redirect_uris=(BACK,), post_logout_redirect_uris=("http://127.0.0.1:1/bye",))
        async with (
            _Client(
                "inbox",
                scope="openid groups",
                redirect_uri=BACK,
                code_challenge_method="S256",
                token_endpoint_auth_method="none",
                trust_env=False,
            ) as client,
            httpx.AsyncClient(base_url=provider.issuer, trust_env=False) as http,
        ):
            metadata = (await http.get("/.well-known/openid-configuration")).json()
            assert metadata["issuer"] == provider.issuer
            verifier = generate_token(48)
            sent = (await _log_in(provider, client, code_verifier=verifier)).headers["location"]
            tokens = await client.fetch_token(metadata["token_endpoint"], authorization_response=sent, code_verifier=verifier)
            keys = KeySet.import_key_set((await http.get(metadata["jwks_uri"])).json())
            said = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
            assert (said["sub"], said["aud"], said["nonce"], said["groups"]) == ("ann", "inbox", "n-1", ["claims-assessors"])
            assert (await client.get(metadata["userinfo_endpoint"])).json()["email"] == "ann@example.com"
            before = tokens["refresh_token"]
            provider.rotate()
            await client.refresh_token(metadata["token_endpoint"], before)
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.refresh_token(metadata["token_endpoint"], before)
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.fetch_token(metadata["token_endpoint"], authorization_response=sent, code_verifier=verifier)
            query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "http://127.0.0.1:1/bye", "state": "s"}
            left = await http.get(metadata["end_session_endpoint"], params=query)
            assert left.headers["location"] == "http://127.0.0.1:1/bye?state=s"


async def test_what_is_wrong_gets_no_code_and_no_token() -> None:
    async with oidc_provider() as provider:
        provider.add_person("ann", "ann's own")
        provider.add_client("inbox", redirect_uris=(BACK,))
        async with _Client(
            "inbox", scope="openid", redirect_uri=BACK, code_challenge_method="S256", token_endpoint_auth_method="none", trust_env=False
        ) as client:
            assert (await _log_in(provider, client, password="guessed", code_verifier=generate_token(48))).status_code == 401
            sent = (await _log_in(provider, client, code_verifier=generate_token(48))).headers["location"]
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.fetch_token(provider.token_url, authorization_response=sent, code_verifier=generate_token(48))
        async with httpx.AsyncClient(base_url=provider.issuer, trust_env=False) as http:
            asked = {"client_id": "inbox", "redirect_uri": BACK, "response_type": "code", "state": "s"}
            assert "PKCE" in (await http.get("/authorize", params=asked)).headers["location"]
            elsewhere = await http.get("/authorize", params={**asked, "redirect_uri": "http://evil.example.com/"})
            assert elsewhere.status_code == 400
            assert "location" not in elsewhere.headers


async def test_machines_get_tokens_for_whom_they_ask() -> None:
    async with oidc_provider() as provider:
        provider.add_client("workers", "a secret of workers")
        for method in ("client_secret_basic", "client_secret_post"):
            async with _Client("workers", "a secret of workers", token_endpoint_auth_method=method, trust_env=False) as client:
                tokens = await client.fetch_token(provider.token_url, grant_type="client_credentials", audience="somebody-else")
                assert provider.claims_of(tokens["access_token"])["aud"] == "somebody-else"
        async with _Client("workers", "wrong", trust_env=False) as client:
            with pytest.raises(OAuthError, match="invalid_client"):
                await client.fetch_token(provider.token_url, grant_type="client_credentials")
