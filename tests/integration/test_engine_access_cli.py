"""``engine start --auth`` and ``engine user``: what is said, what is refused, and who gets in."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from camunda_workers.cli.engine import app
from camunda_workers.engine.embedded.auth.users import Users
from camunda_workers.errors import ConfigurationError
from tests.support.durable import DurableProcess

RUN = CliRunner()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--users", "u"], "belongs to --auth basic"),
        (["--auth", "basic", "--issuer", "https://login.example.com"], "belong to --auth oidc"),
        (["--engine", "broker", "--users", "u"], "belongs to --auth basic"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], words: str) -> None:
    answer = RUN.invoke(app, ["start", *options], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert words in answer.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--auth", "oidc"], "--issuer and --audience"),
        (["--auth", "oidc", "--issuer", "https://login.example.com"], "--audience"),
        (["--auth", "basic", "--users", "not-there"], "engine user NAME --users not-there"),
        (["--host", "0.0.0.0"], "--allow-anyone"),
        (["--engine", "broker", "--host", "0.0.0.0"], "--allow-anyone"),
        (["--engine", "broker", "--auth", "oidc"], "--issuer and --audience"),
        (["--tls-certificate", "cert.pem"], "both the certificate and its key"),
    ],
)
def test_an_engine_that_cannot_know_who_comes_does_not_start(options: list[str], words: str) -> None:
    answer = RUN.invoke(app, ["start", *options])
    assert isinstance(answer.exception, ConfigurationError)
    assert words in str(answer.exception)


def test_users_are_added_and_changed(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "users"
    assert RUN.invoke(app, ["user", "ann", "--users", str(file), "--group", "claims", "--group", "fraud"], input="one\n").exit_code == 0
    assert RUN.invoke(app, ["user", "bob", "--users", str(file)], input="two\n").exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
    assert "one" not in file.read_text()
    ann = Users(file).get("ann")
    assert ann is not None
    assert ann.groups == ("claims", "fraud")
    for name, password in (("an:n", "x\n"), ("carl", "\n")):
        assert isinstance(RUN.invoke(app, ["user", name, "--users", str(file)], input=password).exception, ConfigurationError)
    assert len(Users(file)) == 2


@pytest.mark.engine
async def test_the_development_user_is_made_and_shown_once(tmp_path: Path) -> None:
    engine = DurableProcess(tmp_path / "data", "--auth", "basic")
    await engine.start()
    try:
        await engine.until_ready()
        assert engine.ready["auth"] == "basic"
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=f"{engine.ready['rest']}/v2", trust_env=False, timeout=30) as http:
            assert (await http.get("/topology")).status_code == 401
            shown = re.search(r"user made: demo, password (\S+) ", await engine.said("user made"))
            assert shown is not None
            assert (await http.get("/authentication/me", auth=("demo", shown[1]))).json()["username"] == "demo"
        await engine.kill()
        await engine.start()
        await engine.until_ready()
        async with httpx.AsyncClient(base_url=f"{engine.ready['rest']}/v2", trust_env=False, timeout=30) as http:
            assert (await http.get("/topology", auth=("demo", shown[1]))).status_code == 200
        assert "user made" not in await engine.kill()
    finally:
        await engine.end()
