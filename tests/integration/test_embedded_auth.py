"""The gateway asks who comes: passwords and tokens, over REST and gRPC, with our client, Camunda's SDK and pyzeebe."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from camunda_orchestration_sdk import CamundaAsyncClient
from grpc_health.v1 import health_pb2, health_pb2_grpc
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr
from pyzeebe import ZeebeClient, create_oauth2_client_credentials_channel

from camunda_workers.client import Client
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import METHODS
from camunda_workers.engine.embedded.auth.basic import BasicGuard
from camunda_workers.engine.embedded.auth.caller import Guard
from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.auth.tokens import TokenGuard
from camunda_workers.engine.embedded.auth.users import Users, set_user
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.issuer_keys import KeyRing
from camunda_workers.errors import ConfigurationError, EngineUnavailable, Unauthenticated
from camunda_workers.settings import Settings
from tests.support.certificates import Authority
from tests.support.oidc_provider import AUDIENCE, OidcProvider, oidc_provider

pytestmark = pytest.mark.engine


@asynccontextmanager
async def _engine(guard: Guard, **door: Any) -> AsyncGenerator[tuple[EmbeddedEngine, httpx.AsyncClient]]:
    async with (
        EmbeddedEngine(rest_port=0, door=Door(guard=guard, **door)) as engine,
        httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False, timeout=60) as http,
    ):
        yield engine, http


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with oidc_provider() as running:
        running.add_client("workers", "a secret of workers")
        yield running


def _guard(provider: OidcProvider, **more: Any) -> TokenGuard:
    return TokenGuard(KeyRing(provider.issuer, **more), issuer=provider.issuer, audiences=[AUDIENCE])


async def _grpc(address: str, authorization: str | None) -> tuple[grpc.StatusCode, str]:
    method = METHODS["Topology"]
    sent = () if authorization is None else (("authorization", authorization),)
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(method.path, pb.TopologyRequest.SerializeToString, pb.TopologyResponse.FromString)
        try:
            await call(pb.TopologyRequest(), metadata=sent, timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""


async def test_names_and_passwords(tmp_path: Path) -> None:
    file = tmp_path / "users"
    set_user(file, "ann", "ann: her own", ("claims-assessors",))
    async with _engine(BasicGuard(Users(file))) as (engine, http):
        refused = await http.get("/topology")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["www-authenticate"].startswith("Basic ")
        said = refused.json()
        assert (said["type"], said["title"], said["status"], said["instance"]) == ("about:blank", "Unauthorized", 401, "/v2/topology")
        for wrong in (("ann", "wrong"), ("bob", "ann: her own"), ("ann", "")):
            assert (await http.get("/topology", auth=wrong)).status_code == 401
        me = (await http.get("/authentication/me", auth=("ann", "ann: her own"))).json()
        assert (me["username"], me["groups"]) == ("ann", ["claims-assessors"])
        # What is open everywhere is open here, with whatever credentials.
        for path, status in (("/status", 204), ("/license", 200)):
            assert (await http.get(path)).status_code == (await http.get(path, auth=("ann", "wrong"))).status_code == status
        assert (await http.get(f"{engine.rest_address}/actuator/health")).status_code == 200
        assert (await _grpc(engine.grpc_address, None))[0] is grpc.StatusCode.UNAUTHENTICATED
        # Somebody who comes later may come in at once, and a new password ends the old one.
        await asyncio.to_thread(set_user, file, "bob", "bob's own")
        await asyncio.to_thread(set_user, file, "ann", "another one")
        assert (await http.get("/topology", auth=("bob", "bob's own"))).status_code == 200
        assert (await http.get("/topology", auth=("ann", "ann: her own"))).status_code == 401
        settings = Settings(
            basic_username="bob", basic_password=SecretStr("bob's own"), grpc_address=engine.grpc_address, rest_address=engine.rest_address
        )
        async with Client(settings=settings) as client:
            assert (await client.topology()).brokers
            assert (await client.search_user_tasks()).total == 0
        configuration: Any = {
            "CAMUNDA_REST_ADDRESS": f"{engine.rest_address}/v2",
            "CAMUNDA_AUTH_STRATEGY": "BASIC",
            "CAMUNDA_BASIC_AUTH_USERNAME": "bob",
            "CAMUNDA_BASIC_AUTH_PASSWORD": "bob's own",
        }
        async with CamundaAsyncClient(configuration=configuration) as sdk:
            assert (await sdk.get_authentication()).username == "bob"


async def test_tokens_over_rest_and_grpc(provider: OidcProvider) -> None:
    async with _engine(_guard(provider)) as (engine, http):
        refused = await http.get("/topology")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="camunda"')
        assert await _grpc(engine.grpc_address, None) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "Expected authentication information at header with key [authorization], but found nothing",
        )
        me = await http.get(
            "/authentication/me", headers={"authorization": f"Bearer {provider.mint({'sub': 'ann', 'groups': ['a', 'b']})}"}
        )
        assert (me.json()["username"], me.json()["groups"]) == ("ann", ["a", "b"])
        provider.rotate()  # a new key, and the old one stays published
        assert (await _grpc(engine.grpc_address, f"Bearer {provider.mint()}"))[0] is grpc.StatusCode.UNAUTHENTICATED  # asked too often
        async with grpc.aio.insecure_channel(engine.grpc_address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def test_clients_as_people_set_them(provider: OidcProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # what pyzeebe asks with takes https only
    async with _engine(_guard(provider)) as (engine, _):
        settings = Settings(
            client_id="workers", client_secret=SecretStr("a secret of workers"), oauth_url=provider.token_url, token_audience=AUDIENCE,
            grpc_address=engine.grpc_address, rest_address=engine.rest_address,
        )  # fmt: skip
        async with Client(settings=settings) as client:
            assert (await client.topology()).brokers
            assert (await client.search_user_tasks()).total == 0
        channel = create_oauth2_client_credentials_channel(
            grpc_address=engine.grpc_address, client_id="workers", client_secret="a secret of workers",
            authorization_server=provider.token_url, audience=AUDIENCE, channel_credentials=grpc.local_channel_credentials(),
        )  # fmt: skip
        assert (await ZeebeClient(channel).topology()).brokers
        await channel.close()
        configuration: Any = {
            "CAMUNDA_REST_ADDRESS": f"{engine.rest_address}/v2",
            "CAMUNDA_AUTH_STRATEGY": "OAUTH",
            "CAMUNDA_CLIENT_ID": "workers",
            "CAMUNDA_CLIENT_SECRET": "a secret of workers",
            "CAMUNDA_OAUTH_URL": provider.token_url,
            "CAMUNDA_TOKEN_AUDIENCE": AUDIENCE,
        }
        async with CamundaAsyncClient(configuration=configuration) as sdk:
            assert (await sdk.get_topology()).brokers


def _with_the_public_key(provider: OidcProvider) -> str:
    """A token that verifies for whoever lets its header choose between secrets and public keys. By hand: the libraries refuse to make it."""
    head, body, _ = provider.mint(header={"alg": "HS256"}, key=OctKey.generate_key(256)).split(".")
    secret = provider.key.as_pem(private=False)
    return f"{head}.{body}.{base64.urlsafe_b64encode(hmac.digest(secret, f'{head}.{body}'.encode(), 'sha256')).decode().rstrip('=')}"


async def _refused(guard: TokenGuard, token: str, what: str) -> None:
    caller = await guard.caller(f"Bearer {token}")
    pytest.fail(f"a token {what} let {caller} in")


async def test_tokens_that_are_not_good(provider: OidcProvider) -> None:
    guard = _guard(provider)
    bad = {
        "of another issuer": provider.mint({"iss": "http://localhost:1"}),
        "for somebody else": provider.mint({"aud": "somebody-else"}),
        "for nobody": provider.mint({"aud": None}),
        "long over": provider.mint({"exp": 1_000_000}),
        "without an end": provider.mint({"exp": None}),
        "not yet": provider.mint({"nbf": 4_000_000_000}),
        "about nobody": provider.mint({"sub": None}),
        "signed with the public key as a secret": _with_the_public_key(provider),
        "signed with another key": provider.mint(key=RSAKey.generate_key(2048)),
        "signed with a key that is not there": provider.mint(header={"kid": "made-up"}, key=RSAKey.generate_key(2048)),
        "of another type": provider.mint(header={"typ": "logout+jwt"}),
        "not signed": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.",
        "cut off": provider.mint()[:-6],
        "no token": "x" * 40_000,
    }
    for what, token in bad.items():
        with pytest.raises(Unauthenticated):
            await _refused(guard, token, what)
    assert provider.counts["/jwks"] == 1  # made-up key ids make nobody ask again
    assert (await guard.caller(f"Bearer {provider.mint()}")).name == "somebody"


async def test_keys_are_asked_for_again_and_kept_while_the_provider_is_away(provider: OidcProvider) -> None:
    now = [0.0]
    guard = _guard(provider, now=lambda: now[0])
    provider.outage = 503
    with pytest.raises(EngineUnavailable, match="503"):
        await guard.caller(f"Bearer {provider.mint()}")
    provider.outage = 0
    now[0] += 11
    old = f"Bearer {provider.mint()}"
    await guard.caller(old)
    provider.rotate(forget=True)
    now[0] += 11
    await asyncio.gather(*(guard.caller(f"Bearer {provider.mint({'sub': f'user-{n}'})}") for n in range(20)))
    assert provider.counts["/jwks"] == 2
    with pytest.raises(Unauthenticated):  # remembered as good, with a key that is not good any more
        await guard.caller(old)
    provider.outage = 500
    now[0] += 10_000
    assert (await guard.caller(f"Bearer {provider.mint()}")).name == "somebody"


async def test_passwords_behind_tls(tmp_path: Path) -> None:
    file, authority = tmp_path / "users", Authority(tmp_path)
    set_user(file, "ann", "ann's own")
    pair = authority.sign("engine")
    async with EmbeddedEngine(rest_port=0, door=Door(guard=BasicGuard(Users(file)), certificate=pair.certificate, key=pair.key)) as engine:
        assert engine.rest_address.startswith("https://")
        settings = Settings(
            basic_username="ann", basic_password=SecretStr("ann\'s own"), ca_certificate=authority.certificate,
            grpc_address=engine.grpc_address, rest_address=engine.rest_address,
        )  # fmt: skip
        async with Client(settings=settings) as client:
            assert (await client.topology()).brokers
            assert (await client.search_user_tasks()).total == 0


def test_nothing_is_open_by_accident(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--allow-anyone"):
        EmbeddedEngine(door=Door(host="0.0.0.0"))
    EmbeddedEngine(door=Door(host="0.0.0.0", anyone=True))
    with pytest.raises(ConfigurationError, match="both"):
        EmbeddedEngine(door=Door(certificate=Authority(tmp_path).certificate))
    (tmp_path / "users").write_text("ann:her password in the clear\n")
    with pytest.raises(ConfigurationError, match=r"line 1") as error:
        Users(tmp_path / "users")
    assert "clear" not in str(error.value)
