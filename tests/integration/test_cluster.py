"""A secured cluster: real TLS with an authority of our own, real tokens from a real provider, and a real engine behind it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from camunda_workers import Client, Router, WorkerRunner, worker
from camunda_workers.client import BackOff, Resource
from camunda_workers.engine.cluster import ClusterEngine, Feature
from camunda_workers.engine.cluster_check import ConnectionCheck, Finding, State, reachable
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import ConfigurationError, EngineUnavailable, Unauthenticated
from camunda_workers.settings import Settings
from camunda_workers.worker.polling import Polling
from tests.support.certificates import Authority, Pair
from tests.support.diagrams import process, sequence, service_task
from tests.support.job_gateway import eventually
from tests.support.oidc_provider import AUDIENCE, OidcProvider, oidc_provider
from tests.support.secured_cluster import Front, secured

pytestmark = pytest.mark.engine

QUICK = BackOff(attempts=3, first=0.01, longest=0.1)
CASE = Resource("case.bpmn", process("case", sequence(service_task("work", "work"))))


@worker("work")
async def work() -> dict[str, Any]:
    return {"done": True}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> Pair:
    return authority.sign("cluster")


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@asynccontextmanager
async def provider_for_workers(tls: Pair, *, lifetime: float = 300.0) -> AsyncGenerator[OidcProvider]:
    async with oidc_provider(tls, lifetime=lifetime) as running:
        running.add_client("workers", "a secret of workers")
        yield running


@pytest.fixture
async def provider(tls: Pair) -> AsyncIterator[OidcProvider]:
    async with provider_for_workers(tls) as running:
        yield running


@pytest.fixture
async def front(engine: EmbeddedEngine, provider: OidcProvider, tls: Pair) -> AsyncIterator[Front]:
    async with secured(engine.grpc_address, engine.rest_address, tls=tls, provider=provider) as running:
        yield running


def settings_for(front: Front, authority: Authority | None = None, **more: Any) -> Settings:
    given: dict[str, Any] = {"grpc_address": front.grpc_address, "rest_address": front.rest_address} | more
    if authority is not None:
        given["ca_certificate"] = authority.certificate
    if front.provider is not None:
        known = {
            "client_id": "workers",
            "client_secret": SecretStr("a secret of workers"),
            "oauth_url": front.provider.token_url,
            "token_audience": AUDIENCE,
        }
        given = known | given
    return Settings(**given)


async def run_a_case(client: Client, engine: EmbeddedEngine, over: Any = "grpc") -> int:
    await client.deploy(CASE)
    async with WorkerRunner(await client.job_gateway(over), [Router(work)], polling=Polling(back_off=QUICK)) as runner:
        await client.start("case")
        await eventually(lambda: runner.stats["work"].completed == 1, timeout=20)
        return runner.stats["work"].failed_polls


@pytest.mark.parametrize("over", ["grpc", "rest"])
async def test_a_case_behind_tls_and_oidc(engine: EmbeddedEngine, front: Front, authority: Authority, over: str) -> None:
    async with Client(settings=settings_for(front, authority), back_off=QUICK) as client:
        assert await run_a_case(client, engine, over) == 0
        assert (await client.search_user_tasks()).total == 0
    assert front.refused == 0
    # One token for gRPC and REST, not one for each.
    assert front.provider is not None
    assert front.provider.granted == 1


async def test_tokens_are_renewed_before_they_expire(engine: EmbeddedEngine, authority: Authority, tls: Pair) -> None:
    async with (
        provider_for_workers(tls, lifetime=1.0) as provider,
        secured(engine.grpc_address, engine.rest_address, tls=tls, provider=provider) as front,
        Client(settings=settings_for(front, authority), back_off=QUICK) as client,
    ):
        await client.deploy(CASE)
        async with WorkerRunner(client, [Router(work)], polling=Polling(back_off=QUICK)) as runner:
            for number in range(1, 12):
                await client.start("case")
                await eventually(lambda number=number: runner.stats["work"].completed == number, timeout=20)
                await asyncio.sleep(0.25)
    # Nearly three lives of a token, and none was shown that had ended.
    assert provider.granted >= 4
    assert front.refused == 0
    assert len(set(front.tokens)) >= 4


async def test_a_provider_that_is_away_costs_nothing_while_the_token_lives(engine: EmbeddedEngine, authority: Authority, tls: Pair) -> None:
    async with (
        provider_for_workers(tls, lifetime=4.0) as provider,
        secured(engine.grpc_address, engine.rest_address, tls=tls, provider=provider) as front,
        Client(settings=settings_for(front, authority), back_off=QUICK) as client,
    ):
        await client.topology()
        provider.outage = 503
        began = asyncio.get_running_loop().time()
        # From the half of its life on each call wants a new one, in vain.
        while asyncio.get_running_loop().time() < began + 3.0:
            await client.topology()
            await asyncio.sleep(0.05)
        assert front.refused == 0
        assert 1 <= provider.asked - provider.granted <= 8

        async def until_it_ends() -> None:
            while True:
                await client.topology()
                await asyncio.sleep(0.05)

        with pytest.raises(EngineUnavailable, match=r"identity provider.*503"):
            await until_it_ends()
        provider.outage = 0
        async with asyncio.timeout(10):
            while True:
                try:
                    await client.topology()
                    break
                except EngineUnavailable:
                    await asyncio.sleep(0.05)
    assert front.refused == 0


async def test_keys_that_are_changed_overnight_cost_one_refusal(engine: EmbeddedEngine, front: Front, authority: Authority) -> None:
    assert front.provider is not None
    async with Client(settings=settings_for(front, authority), back_off=QUICK) as client:
        await client.topology()
        front.provider.rotate(forget=True)
        await client.topology()
        assert front.refused == 1
        assert await run_a_case(client, engine) == 0
    assert (front.refused, front.provider.granted) == (1, 2)


async def test_a_wrong_audience_does_not_flood_the_provider(engine: EmbeddedEngine, front: Front, authority: Authority) -> None:
    assert front.provider is not None
    async with Client(settings=settings_for(front, authority, token_audience="somebody else"), back_off=QUICK) as client:
        for _ in range(20):
            with pytest.raises(Unauthenticated, match="aud"):
                await client.topology(over="grpc")
    assert front.provider.granted <= 2


async def test_five_hundred_calls_at_once_ask_for_one_token(engine: EmbeddedEngine, front: Front, authority: Authority) -> None:
    assert front.provider is not None
    front.provider.outage = 503
    async with Client(settings=settings_for(front, authority), back_off=BackOff(attempts=1)) as client:
        failed = await asyncio.gather(*(client.topology(over="grpc") for _ in range(500)), return_exceptions=True)
        assert all(isinstance(one, EngineUnavailable) for one in failed)
        assert front.provider.asked == 1
        front.provider.outage = 0
        await asyncio.gather(*(client.topology(over="grpc") for _ in range(50)))
    assert front.provider.granted == 1


@pytest.mark.parametrize("right", [True, False])
async def test_names_and_passwords(engine: EmbeddedEngine, authority: Authority, tls: Pair, right: bool) -> None:
    async with secured(engine.grpc_address, engine.rest_address, tls=tls, users={"demo": "demo"}) as front:
        settings = settings_for(front, authority, basic_username="demo", basic_password=SecretStr("demo" if right else "guess"))
        async with Client(settings=settings, back_off=QUICK) as client:
            if right:
                assert await run_a_case(client, engine) == 0
                await client.search_user_tasks()
            else:
                with pytest.raises(Unauthenticated):
                    await client.topology(over="grpc")
                with pytest.raises(Unauthenticated):
                    await client.search_user_tasks()


async def test_a_certificate_of_ours(engine: EmbeddedEngine, authority: Authority, tls: Pair) -> None:
    ours = authority.sign("us")
    async with secured(engine.grpc_address, engine.rest_address, tls=tls, clients=authority) as front:
        with_it = settings_for(front, authority, client_certificate=ours.certificate, client_key=ours.key)
        async with Client(settings=with_it, back_off=QUICK) as client:
            assert await run_a_case(client, engine) == 0
            await client.search_user_tasks()
        async with Client(settings=settings_for(front, authority), back_off=BackOff(attempts=1)) as client:
            for over in ("grpc", "rest"):
                with pytest.raises(EngineUnavailable):
                    await client.topology(over=over)  # type: ignore[arg-type]


async def test_pyzeebes_own_credentials_go_on_working(
    engine: EmbeddedEngine, front: Front, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyzeebe import create_oauth2_client_credentials_channel

    assert front.provider is not None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    channel = create_oauth2_client_credentials_channel(
        grpc_address=front.grpc_address.removeprefix("grpcs://"),
        client_id="workers",
        client_secret="a secret of workers",
        authorization_server=front.provider.token_url,
        audience=AUDIENCE,
        channel_credentials=grpc.ssl_channel_credentials(authority.certificate.read_bytes()),
    )
    async with channel, Client(channel=channel, rest_address="") as client:
        assert await run_a_case(client, engine) == 0
    assert front.refused == 0


async def test_the_cluster_as_an_engine(engine: EmbeddedEngine, front: Front, authority: Authority) -> None:
    async with ClusterEngine(settings=settings_for(front, authority)) as cluster:
        assert cluster.version.startswith("8.8")
        assert cluster.topology.partitions_count == 1
        assert await cluster.healthy()
        assert cluster.features[Feature.TASK_LISTENERS]
        assert not cluster.features[Feature.LEASES]
        assert await run_a_case(cluster.client, engine) == 0
    closed = settings_for(front, authority, grpc_address="grpcs://localhost:1")
    async with ClusterEngine(settings=closed) as cluster:
        # gRPC is closed; REST tells the same.
        assert (cluster.version[:3], cluster.topology.partitions_count, await cluster.healthy()) == ("8.8", 1, True)


async def findings_of(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding async for finding in ConnectionCheck(settings, timeout=3).run()}


async def test_the_check_of_a_connection_that_works(front: Front, authority: Authority) -> None:
    found = await findings_of(settings_for(front, authority))
    assert {name: finding.state for name, finding in found.items()} == {
        "credentials": State.WORKS,
        "gRPC": State.WORKS,
        "REST": State.WORKS,
        "who we are": State.WORKS,
        "fetching jobs": State.WORKS,
        "streaming jobs": State.WORKS,
        "user tasks": State.WORKS,
        "version": State.WORKS,
    }
    assert re.search(r"audience orchestration-api, valid for (299|300|301) s", found["credentials"].detail)
    assert reachable(list(found.values()))


async def test_the_check_names_an_unknown_authority(front: Front) -> None:
    assert front.provider is not None
    found = await findings_of(settings_for(front, client_id=None, client_secret=None, oauth_url=None))
    for name in ("gRPC", "REST"):
        assert found[name].state is State.FAILS
        assert "CAMUNDA_CA_CERTIFICATE_PATH" in found[name].fix
    assert not reachable(list(found.values()))


async def test_the_check_names_wrong_credentials(front: Front, authority: Authority) -> None:
    found = await findings_of(settings_for(front, authority, client_secret=SecretStr("guess")))
    assert found["credentials"].state is State.FAILS
    assert "invalid_client" in found["credentials"].detail
    assert "CAMUNDA_CLIENT_SECRET" in found["credentials"].fix
    found = await findings_of(settings_for(front, authority, token_audience="somebody else"))
    assert found["credentials"].state is State.WORKS
    assert found["gRPC"].state is State.FAILS
    assert "CAMUNDA_TOKEN_AUDIENCE" in found["gRPC"].fix
    found = await findings_of(settings_for(front, authority, client_id=None, client_secret=None, oauth_url=None))
    assert found["gRPC"].state is State.FAILS
    assert "CAMUNDA_CLIENT_ID" in found["gRPC"].fix


async def test_the_check_of_half_a_connection(front: Front, authority: Authority) -> None:
    found = await findings_of(settings_for(front, authority, grpc_address="grpcs://localhost:1"))
    assert found["gRPC"].state is State.WARNS
    assert "over REST" in found["gRPC"].fix
    assert (found["fetching jobs"].state, found["streaming jobs"].state) == (State.WORKS, State.SKIPPED)
    assert reachable(list(found.values()))
    found = await findings_of(settings_for(front, authority, grpc_address=front.grpc_address.replace("grpcs", "grpc")))
    assert found["gRPC"].state is State.WARNS
    assert "grpcs://" in found["gRPC"].fix
    found = await findings_of(settings_for(front, authority, rest_address=""))
    assert found["REST"].state is State.WARNS
    assert (found["fetching jobs"].state, found["user tasks"].state) == (State.WORKS, State.SKIPPED)


async def test_connect_on_the_command_line(front: Front, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    assert front.provider is not None
    environment = {
        "ZEEBE_GRPC_ADDRESS": front.grpc_address,
        "CAMUNDA_REST_ADDRESS": front.rest_address,
        "CAMUNDA_CLIENT_ID": "workers",
        "CAMUNDA_CLIENT_SECRET": "a secret of workers",
        "CAMUNDA_OAUTH_URL": front.provider.token_url,
        "CAMUNDA_TOKEN_AUDIENCE": AUDIENCE,
        "CAMUNDA_CA_CERTIFICATE_PATH": str(authority.certificate),
    }

    async def run(*arguments: str, **changes: str) -> tuple[int, str]:
        import os
        import sys

        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "camunda_workers",
            "connect",
            *arguments,
            env=os.environ | environment | changes,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await child.communicate()
        return child.returncode or 0, out.decode()

    code, text = await run("--check", "--json")
    answer = json.loads(text)
    assert (code, answer["works"], answer["version"][:3]) == (0, True, "8.8")
    assert answer["features"]["job leases"] is False
    assert len(answer["checks"]) == 8
    code, text = await run("--check", CAMUNDA_CLIENT_SECRET="guess")
    assert code == 1
    assert "fails" in text
    assert "CAMUNDA_CLIENT_SECRET" in text
    assert "guess" not in text
    code, text = await run()
    assert code == 0
    assert front.grpc_address in text
    assert "a secret of workers" not in text


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")

    async def open_with(**files: Any) -> None:
        async with Client(settings=Settings(grpc_address="grpcs://localhost:1", **files)):
            pass

    for files, said in (
        ({"ca_certificate": tmp_path / "missing.pem"}, "CAMUNDA_CA_CERTIFICATE_PATH.*missing.pem.*No such file"),
        ({"ca_certificate": wrong}, "CAMUNDA_CA_CERTIFICATE_PATH.*no PEM"),
        ({"client_certificate": wrong}, "CAMUNDA_MTLS_KEY_PATH"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            asyncio.run(open_with(**files))
