"""Settings from the environment, and the project file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import PROJECT_FILE, ConnectionSettings, Settings, find_project_file, load_project


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("CAMUNDA_", "ZEEBE_"))]:
        monkeypatch.delenv(name)


def test_defaults() -> None:
    settings = Settings()
    assert (settings.grpc_address, settings.rest_address, settings.engine_version) == ("127.0.0.1:26500", "http://127.0.0.1:8080", "8.8.21")
    assert settings.data_dir.name == "camunda-workers"
    assert settings.data_dir.is_absolute()
    assert settings.data_dir != settings.cache_dir
    assert (settings.ai_base_url, settings.ai_model, settings.ai_api_key, settings.tenant_ids) == (None, None, None, ())


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ZEEBE_GRPC_ADDRESS": "engine:1",
        "ZEEBE_ADDRESS": "older:2",
        "CAMUNDA_REST_ADDRESS": "https://engine/base/v2/",
        "CAMUNDA_TENANT_IDS": "a, b,,",
        "CAMUNDA_WORKERS_DATA_DIR": "~/x",
        "CAMUNDA_WORKERS_AI_API_KEY": "topsecret",
        "CAMUNDA_WORKERS_AI_MODEL": "",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.grpc_address, settings.rest_address, settings.tenant_ids) == ("engine:1", "https://engine/base", ("a", "b"))
    assert settings.data_dir == Path.home() / "x"
    assert settings.ai_model is None
    assert settings.ai_api_key is not None
    assert settings.ai_api_key.get_secret_value() == "topsecret"
    assert "topsecret" not in repr(settings)


def test_arguments_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEEBE_GRPC_ADDRESS", "engine:1")
    assert Settings(grpc_address="here:2").grpc_address == "here:2"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"CAMUNDA_REST_ADDRESS": "http://"}, "CAMUNDA_REST_ADDRESS: must be an address"),
        ({"CAMUNDA_WORKERS_REQUEST_TIMEOUT": "soon"}, "CAMUNDA_WORKERS_REQUEST_TIMEOUT: .*number"),
        ({"CAMUNDA_WORKERS_REQUEST_TIMEOUT": "0"}, "CAMUNDA_WORKERS_REQUEST_TIMEOUT: .*greater than 0"),
        ({"CAMUNDA_CLIENT_ID": "x", "CAMUNDA_OAUTH_URL": "http://x"}, "CAMUNDA_CLIENT_SECRET not set"),
        ({"CAMUNDA_BASIC_AUTH_USERNAME": "x"}, "without CAMUNDA_BASIC_AUTH_PASSWORD"),
    ],
)
def test_wrong_ones_are_named(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], text: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for settings in (Settings, ConnectionSettings):
        with pytest.raises(ConfigurationError, match=text):
            settings()


FILE = """
[project]
name = "claims"
[deploy]
paths = ["bpmn", "forms/x.form"]
[workers]
modules = ["connectors.policies:router"]
[demo]
run = "connectors.sandbox.demo:run"
"""


def test_a_project_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PROJECT_FILE).write_text(FILE)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    project = load_project()
    assert (project.name, project.root, project.path) == ("claims", tmp_path, tmp_path / PROJECT_FILE)
    assert project.deploy_paths() == [tmp_path / "bpmn", tmp_path / "forms" / "x.form"]
    assert project.workers.modules == ["connectors.policies:router"]
    assert project.demo.run == "connectors.sandbox.demo:run"
    assert load_project(tmp_path).root == load_project(tmp_path / PROJECT_FILE).root == tmp_path
    assert find_project_file(below) == tmp_path / PROJECT_FILE


def test_a_project_needs_to_say_nothing(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_text("")
    project = load_project(tmp_path)
    assert (project.name, project.deploy_paths(), project.demo.run) == (tmp_path.name, [], None)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[deploy]\npaths = 3", r"\[deploy\] paths: "),
        ("[deploy]\npath = []", r"\[deploy\] path is not known here; known: paths"),
        ("[deplyo]", r"\[deplyo\] is not known here; known: project, deploy, workers, demo"),
        ("[workers]\nmodules = ['a.b']", r"\[workers\] modules\.0: 'a\.b' is not of the form 'package\.module:name'"),
        ("[demo]\nrun = 'a b:c'", r"\[demo\] run: "),
        ("deploy = 1", r"\[deploy\]: "),
        ("[deploy", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_wrong_project_files_are_explained(tmp_path: Path, text: str | bytes, wrong: str) -> None:
    file = tmp_path / PROJECT_FILE
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=wrong) as caught:
        load_project(file)
    assert str(file) in str(caught.value)


def test_no_project_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / PROJECT_FILE):
        with pytest.raises(ConfigurationError, match="camunda-workers new"):
            load_project(path)


def test_the_systems_clock() -> None:
    clock = SystemClock()
    assert isinstance(clock, Clock)
    assert clock.now().tzinfo is UTC
    assert abs((datetime.now(UTC) - clock.now()).total_seconds()) < 5


def test_a_cluster_in_saas_is_known_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMUNDA_CLUSTER_ID", "11111111-2222-3333-4444-555555555555")
    monkeypatch.setenv("CAMUNDA_CLUSTER_REGION", "jfk-1")
    monkeypatch.setenv("CAMUNDA_CLIENT_ID", "me")
    monkeypatch.setenv("CAMUNDA_CLIENT_SECRET", "secret")
    settings = Settings()
    assert settings.grpc_address == "grpcs://11111111-2222-3333-4444-555555555555.jfk-1.zeebe.camunda.io:443"
    assert settings.rest_address == "https://jfk-1.zeebe.camunda.io/11111111-2222-3333-4444-555555555555"
    assert (settings.oauth_url, settings.token_audience) == ("https://login.cloud.camunda.io/oauth/token", "zeebe.camunda.io")
    # What is said stays as it is said.
    monkeypatch.setenv("ZEEBE_GRPC_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("CAMUNDA_TOKEN_AUDIENCE", "mine")
    settings = Settings()
    assert (settings.grpc_address, settings.token_audience) == ("127.0.0.1:1", "mine")


def test_mutual_tls_needs_both_files() -> None:
    with pytest.raises(ConfigurationError, match=r"CAMUNDA_MTLS_CERT_PATH and CAMUNDA_MTLS_KEY_PATH"):
        Settings(client_certificate=Path("cert.pem"))
