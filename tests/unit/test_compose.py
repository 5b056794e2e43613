"""docker-compose.yml and its image, as far as they can be checked where no Docker engine runs; docs/cluster.md says what was not run."""

from __future__ import annotations

import asyncio
import re
import runpy
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices
from typer.testing import CliRunner

from camunda_workers.settings import Settings
from connectors.settings import ConnectorSettings
from tests.support.http_server import serving

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<default>:-[^}]*)?\}")

DOCUMENTED = {
    "camunda.backup.webapps.enabled",
    "camunda.security.authentication.method",
    "camunda.security.authentication.unprotectedApi",
    "camunda.security.authorizations.enabled",
    "camunda.security.initialization.users",
    "camunda.security.initialization.defaultRoles.admin.users",
    "camunda.data.secondary-storage.type",
    "camunda.data.secondary-storage.rdbms.url",
    "camunda.data.secondary-storage.rdbms.username",
    "camunda.data.secondary-storage.rdbms.password",
    "camunda.data.secondary-storage.rdbms.flushInterval",
    "camunda.data.secondary-storage.rdbms.queueSize",
}
"""Keys of configuration/application-h2.yaml in camunda/camunda-distributions, docker-compose/versions/camunda-8.10, as of August 2026."""


def with_defaults(text: str) -> str:
    """What Compose makes of a text in an empty environment."""
    return VARIABLE.sub(lambda found: (found["default"] or ":-")[2:], text)


COMPOSE: dict[str, Any] = yaml.safe_load(with_defaults(TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("deploy", "workers")


def flat(value: Any, prefix: str = "") -> set[str]:
    """Dotted names of everything that is set."""
    if not isinstance(value, dict):
        return {prefix}
    return set().union(*(flat(inner, f"{prefix}.{name}" if prefix else str(name)) for name, inner in value.items()))  # type: ignore[misc]


def test_every_variable_has_a_default() -> None:
    assert [found["name"] for found in VARIABLE.finditer(TEXT) if found["default"] is None] == []


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_or_built_here(name: str) -> None:
    service = SERVICES[name]
    repository, _, tag = service["image"].rpartition(":")
    if "build" in service:
        assert tag == "local"
        return
    assert repository
    assert re.match(r"\d+\.\d+\.\d+", tag), f"{service['image']} is not pinned"


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_healthy_or_end(name: str) -> None:
    service = SERVICES[name]
    if service.get("restart") == "no":
        assert "healthcheck" not in service
    else:
        assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"])


@pytest.mark.parametrize("name", SERVICES)
def test_services_wait_for_what_can_come_true(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        one_shot = SERVICES[other].get("restart") == "no"
        assert wanted["condition"] == ("service_completed_successfully" if one_shot else "service_healthy")


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_configurations_are_declared(name: str) -> None:
    assert {volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])} <= set(COMPOSE["volumes"])
    assert {one["source"] for one in SERVICES[name].get("configs", [])} <= set(COMPOSE["configs"])
    # Whatever is published is published on this machine only.
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def aliases() -> set[str]:
    names: set[str] = set()
    for field in Settings.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(choice) for choice in field.validation_alias.choices}
    return names


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_one_that_is_read(name: str) -> None:
    known = aliases() | {f"CLAIMS_{field.upper()}" for field in ConnectorSettings.model_fields}
    assert set(SERVICES[name]["environment"]) <= known


@pytest.mark.parametrize("name", OURS)
def test_our_settings_take_these_values(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, str(value))
    settings = Settings()
    assert settings.grpc_address == "grpc://orchestration:26500"
    assert settings.rest_address == "http://orchestration:8080"
    users = orchestration()["camunda"]["security"]["initialization"]["users"]
    assert settings.basic_password is not None
    login = (settings.basic_username, settings.basic_password.get_secret_value())
    # Who logs in is one of those that the cluster is started with.
    assert login in [(user["username"], user["password"]) for user in users]


def orchestration() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE["configs"]["orchestration"]["content"])


def test_the_cluster_is_configured_with_keys_that_are_documented() -> None:
    assert flat(orchestration()) <= DOCUMENTED
    assert orchestration()["camunda"]["security"]["authentication"] == {"method": "basic", "unprotectedApi": False}


def test_the_image_copies_what_is_there_and_ignores_nothing_of_it() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in kept, f"{source} is kept out by .dockerignore"
    assert re.match(r"FROM python:\d+\.\d+\.\d+-slim", re.sub(r"^#.*\n", "", DOCKERFILE))


def test_the_image_installs_extras_that_exist_with_the_versions_of_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.search(r'"\.\[([\w,-]+)\]"', DOCKERFILE)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])
    constraints: Callable[[str], list[str]] = runpy.run_path(str(ROOT / "deploy" / "constraints.py"))["constraints"]
    lock = (ROOT / "requirements.lock").read_text()
    made = constraints(lock)
    assert len(made) == len(re.findall(r"^[A-Za-z0-9].*==", lock, re.MULTILINE))
    assert all("--hash" not in line and "\\" not in line for line in made)
    assert any(line.startswith("grpcio==") for line in made)


def test_the_images_command_is_one_of_ours() -> None:
    from camunda_workers.cli.worker import app

    words = yaml.safe_load(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[0])
    assert words[:3] == ["camunda-workers", "worker", "run"]
    help_page = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert all(word in help_page for word in words if word.startswith("--"))
    # The drain fits into what Compose allows.
    drain = int(words[words.index("--drain") + 1])
    assert drain + 5 <= int(SERVICES["workers"]["stop_grace_period"].removesuffix("s"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="the image has bash; this machine does not")
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
async def test_the_clusters_health_check_tells_healthy_from_not(status: int | None, healthy: bool) -> None:
    """The very command, with the port of a server of ours; Camunda's own example takes every answer for health."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == "/actuator/health/status"
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async with serving(answer) as address:
        port = address.rpartition(":")[2] if status is not None else "1"
        command = SERVICES["orchestration"]["healthcheck"]["test"][1].replace("/9600", f"/{port}")
        shell = await asyncio.create_subprocess_shell(command, stderr=asyncio.subprocess.DEVNULL)
        assert (await shell.wait() == 0) is healthy
