"""Settings: the environment and ``camunda-workers.toml``.

This is the only module that reads the environment; the project file's model is in `camunda_workers.project`. Addresses and secrets come
from there, under Camunda's own names; facts about a project (where its diagrams are, which workers it has) come from its
``camunda-workers.toml``. One described model per area, composed into
`Settings`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from camunda_workers.errors import ConfigurationError
from camunda_workers.project import PROJECT_FILE, ProjectFile, Reference, find_project_file, load_project

__all__ = [
    "PROJECT_FILE",
    "AccessSettings",
    "AiSettings",
    "ConnectionSettings",
    "EngineSettings",
    "ProjectFile",
    "Reference",
    "Settings",
    "StorageSettings",
    "TaskSettings",
    "WorkerRuntimeSettings",
    "find_project_file",
    "load_project",
    "worker_variables",
]

_APP = "camunda-workers"
_PER_WORKER = "CAMUNDA_WORKERS_WORKER_"


class _Area(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True, populate_by_name=True, extra="ignore", frozen=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError("; ".join(_setting_problems(type(self), error))) from error


def _from(*variables: str, about: str, **field: Any) -> Any:
    """A setting that is read from these environment variables, the preferred one first; ``None`` when there is no other default."""
    if "default_factory" not in field:
        field.setdefault("default", None)
    return Field(validation_alias=AliasChoices(*variables), description=about, **field)


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


_Several = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Names, comma-separated in the environment."""


class ConnectionSettings(_Area):
    """Where the engine is and who asks; names as Camunda's own clients use them."""

    grpc_address: str = _from(
        "ZEEBE_GRPC_ADDRESS",
        "CAMUNDA_GRPC_ADDRESS",
        "ZEEBE_ADDRESS",
        default="127.0.0.1:26500",
        about="The gateway's gRPC address: host:port, or with grpc:// or http:// (plain), grpcs:// or https:// (TLS).",
    )
    rest_address: str = _from(
        "CAMUNDA_REST_ADDRESS",
        "ZEEBE_REST_ADDRESS",
        default="http://127.0.0.1:8080",
        about="The base of the REST API, without /v2; empty when there is none.",
    )
    client_id: str | None = _from("CAMUNDA_CLIENT_ID", "ZEEBE_CLIENT_ID", about="OAuth client id.")
    client_secret: SecretStr | None = _from("CAMUNDA_CLIENT_SECRET", "ZEEBE_CLIENT_SECRET", about="OAuth client secret.")
    oauth_url: str | None = _from("CAMUNDA_OAUTH_URL", "ZEEBE_AUTHORIZATION_SERVER_URL", about="Where tokens are asked for.")
    token_audience: str | None = _from("CAMUNDA_TOKEN_AUDIENCE", "ZEEBE_TOKEN_AUDIENCE", about="The audience tokens are asked for.")
    token_scope: str | None = _from("CAMUNDA_TOKEN_SCOPE", "ZEEBE_TOKEN_SCOPE", about="The scope tokens are asked for.")
    cluster_id: str | None = _from("CAMUNDA_CLUSTER_ID", about="The cluster in Camunda's SaaS; addresses follow from it and its region.")
    cluster_region: str = _from("CAMUNDA_CLUSTER_REGION", default="bru-2", about="The region of a cluster in Camunda's SaaS.")
    ca_certificate: Path | None = _from(
        "CAMUNDA_CA_CERTIFICATE_PATH",
        "ZEEBE_CA_CERTIFICATE_PATH",
        "CAMUNDA_MTLS_CA_PATH",
        about="PEM file of the authority that signed the cluster's certificate, where the machine does not know it.",
    )
    client_certificate: Path | None = _from("CAMUNDA_MTLS_CERT_PATH", about="PEM file of our own certificate, for mutual TLS.")
    client_key: Path | None = _from("CAMUNDA_MTLS_KEY_PATH", about="PEM file of its private key.")
    basic_username: str | None = _from("CAMUNDA_BASIC_AUTH_USERNAME", about="User name, where there is no OAuth.")
    basic_password: SecretStr | None = _from("CAMUNDA_BASIC_AUTH_PASSWORD", about="Password, where there is no OAuth.")
    tenant_ids: _Several = _from("CAMUNDA_TENANT_IDS", "CAMUNDA_TENANT_ID", default=(), about="Whose jobs are worked, comma-separated.")
    request_timeout: float = _from(
        "CAMUNDA_WORKERS_REQUEST_TIMEOUT", default=10.0, gt=0, about="Seconds one attempt of a command may take."
    )

    @field_validator("rest_address", mode="after")
    @classmethod
    def _base(cls, value: str) -> str:
        if not value.strip():
            return ""
        base = value.strip() if "://" in value else f"http://{value.strip()}"
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address like http://127.0.0.1:8080")
        return base.rstrip("/").removesuffix("/v2")

    @model_validator(mode="after")
    def _saas(self) -> Self:
        if self.cluster_id:
            host = f"{self.cluster_region}.zeebe.camunda.io"
            follows = {
                "grpc_address": f"grpcs://{self.cluster_id}.{host}:443",
                "rest_address": f"https://{host}/{self.cluster_id}",
                "oauth_url": "https://login.cloud.camunda.io/oauth/token",
                "token_audience": "zeebe.camunda.io",
            }
            for name, value in follows.items():
                if name not in self.model_fields_set:
                    # The model is frozen for others; this is still its construction.
                    object.__setattr__(self, name, value)
        return self

    @model_validator(mode="after")
    def _whole_credentials(self) -> Self:
        given = {"CAMUNDA_CLIENT_ID": self.client_id, "CAMUNDA_CLIENT_SECRET": self.client_secret, "CAMUNDA_OAUTH_URL": self.oauth_url}
        missing = [name for name, value in given.items() if value is None]
        if self.client_id is not None and missing:
            raise ValueError(f"OAuth needs all three of {', '.join(given)}; {' and '.join(missing)} not set")
        if self.basic_username is not None and self.basic_password is None:
            raise ValueError("CAMUNDA_BASIC_AUTH_USERNAME is set without CAMUNDA_BASIC_AUTH_PASSWORD")
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("mutual TLS needs both CAMUNDA_MTLS_CERT_PATH and CAMUNDA_MTLS_KEY_PATH")
        return self


class StorageSettings(_Area):
    """Where files of ours are kept: in the platform's folders, unless told otherwise."""

    data_dir: Path = _from(
        "CAMUNDA_WORKERS_DATA_DIR",
        default_factory=lambda: Path(platformdirs.user_data_dir(_APP, appauthor=False)),
        about="What must not be lost: the event log, the durable engine's state.",
    )
    cache_dir: Path = _from(
        "CAMUNDA_WORKERS_CACHE_DIR",
        default_factory=lambda: Path(platformdirs.user_cache_dir(_APP, appauthor=False)),
        about="What can be fetched or built again: engine jars, the class-data archive.",
    )
    event_log: SecretStr | None = _from(
        "CAMUNDA_WORKERS_EVENT_LOG",
        about="Where the event log is, if not in the data folder: a file, or postgresql://user:password@host/database.",
    )
    sign_log: bool = _from(
        "CAMUNDA_WORKERS_SIGN_LOG", default=True, about="Whether checkpoints of a log on disk are signed while an engine here writes it."
    )
    sign_seconds: float = _from("CAMUNDA_WORKERS_SIGN_SECONDS", default=60.0, gt=0, about="Seconds between two checkpoints, at most.")
    tsa_url: SecretStr | None = _from("CAMUNDA_WORKERS_TSA_URL", about="A time-stamping authority (RFC 3161) that checkpoints are sent to.")
    tsa_ca: Path | None = _from("CAMUNDA_WORKERS_TSA_CA", about="PEM file with the certificates that its time stamps must lead to.")
    tsa_seconds: float = _from("CAMUNDA_WORKERS_TSA_SECONDS", default=3600.0, gt=0, about="Seconds between two time stamps, at least.")
    sink_username: str = _from("CAMUNDA_WORKERS_SINK_USERNAME", default="zeebe", about="The name a broker's exporter gives the sink.")
    sink_password: SecretStr | None = _from("CAMUNDA_WORKERS_SINK_PASSWORD", about="The password a broker's exporter gives the sink.")

    @field_validator("data_dir", "cache_dir", mode="after")
    @classmethod
    def _home(cls, value: Path) -> Path:
        return value.expanduser()


class AiSettings(_Area):
    """The model that AI tasks ask; without one they hand over to people."""

    ai_base_url: str | None = _from("CAMUNDA_WORKERS_AI_BASE_URL", about="Any OpenAI-compatible endpoint, /v1 included.")
    ai_model: str | None = _from("CAMUNDA_WORKERS_AI_MODEL", about="The model's name there.")
    ai_api_key: SecretStr | None = _from("CAMUNDA_WORKERS_AI_API_KEY", about="Its key.")


class EngineSettings(_Area):
    """Which engine is run here."""

    engine_version: str = _from(
        "CAMUNDA_WORKERS_ENGINE_VERSION", default="8.8.21", about="The version of Zeebe that is fetched and embedded."
    )
    least_free_mb: int = _from(
        "CAMUNDA_WORKERS_LEAST_FREE_MB",
        default=64,
        ge=1,
        about="Megabytes that must be free on a durable engine's disk; with less, commands are refused until there is room again.",
    )
    broker_version: str = _from(
        "CAMUNDA_WORKERS_BROKER_VERSION", default="8.6.0", about="The version of the Zeebe broker that is fetched and run as a process."
    )


class AccessSettings(_Area):
    """Who may talk to an engine that runs here; the command line's options go first."""

    engine_auth: Literal["none", "basic", "oidc"] = _from(
        "CAMUNDA_WORKERS_ENGINE_AUTH", default="none", about="Whether callers are asked who they are, and how."
    )
    engine_users: Path | None = _from(
        "CAMUNDA_WORKERS_ENGINE_USERS", about="The file of users for basic; 'users' in the engine's folder otherwise."
    )
    engine_issuer: str | None = _from("CAMUNDA_WORKERS_ENGINE_ISSUER", about="The OpenID Connect provider, as its tokens name it.")
    engine_audience: _Several = _from(
        "CAMUNDA_WORKERS_ENGINE_AUDIENCE", default=(), about="For whom tokens have to be, comma-separated: one of them is enough."
    )
    engine_username_claim: str = _from("CAMUNDA_WORKERS_ENGINE_USERNAME_CLAIM", default="sub", about="The claim with a user's name.")
    engine_client_id_claim: str | None = _from("CAMUNDA_WORKERS_ENGINE_CLIENT_ID_CLAIM", about="The claim with a machine's id.")
    engine_groups_claim: str = _from("CAMUNDA_WORKERS_ENGINE_GROUPS_CLAIM", default="groups", about="The claim with a list of groups.")


class WorkerRuntimeSettings(_Area):
    """How workers run, all of them."""

    jobs_over: Literal["auto", "grpc", "rest"] = _from(
        "CAMUNDA_WORKERS_JOBS_OVER", default="auto", about="How jobs are fetched: gRPC; REST where gRPC is closed; auto tries gRPC first."
    )
    redis_url: SecretStr | None = _from(
        "CAMUNDA_WORKERS_REDIS_URL", about="Where outcomes of idempotent workers are stored: redis://host:6379/0."
    )
    idempotency: Literal["redis", "sqlite", "memory"] | None = _from(
        "CAMUNDA_WORKERS_IDEMPOTENCY",
        about="Where outcomes of idempotent workers are stored; redis where an address is set, otherwise sqlite.",
    )
    drain_seconds: float = _from(
        "CAMUNDA_WORKERS_DRAIN_SECONDS", default=10.0, ge=0, about="Seconds running jobs get to end when the process stops."
    )
    start_jitter: float = _from(
        "CAMUNDA_WORKERS_START_JITTER", default=1.0, ge=0, about="The longest wait in seconds before the first request for jobs."
    )


class TaskSettings(_Area):
    """Human tasks: who sits at the command line, where our own data about tasks is, and how people are told of them."""

    user: str | None = _from("CAMUNDA_WORKERS_USER", about="Who works at the command line; the account of the operating system otherwise.")
    task_store: str | None = _from(
        "CAMUNDA_WORKERS_TASK_STORE", about="A database URL for drafts, comments, delegations ...; a file otherwise."
    )
    inbox_url: str = _from(
        "CAMUNDA_WORKERS_INBOX_URL", default="http://127.0.0.1:8088", about="Where people reach the inbox: goes into mails."
    )
    oidc_client_secret: SecretStr | None = _from(
        "CAMUNDA_WORKERS_OIDC_CLIENT_SECRET", about="The inbox's secret at the identity provider of [inbox.oidc]."
    )
    link_secret: SecretStr | None = _from("CAMUNDA_WORKERS_LINK_SECRET", about="Signs links in mails: 32 characters or more.")
    mail_host: str | None = _from("CAMUNDA_WORKERS_MAIL_HOST", about="The mail server; without one, no mail is sent.")
    mail_port: int = _from("CAMUNDA_WORKERS_MAIL_PORT", default=587, ge=1, le=65535, about="Its port.")
    mail_from: str = _from("CAMUNDA_WORKERS_MAIL_FROM", default="", about="The sender's address.")
    mail_tls: Literal["starttls", "tls", "none"] = _from("CAMUNDA_WORKERS_MAIL_TLS", default="starttls", about="How mail is encrypted.")
    mail_username: str | None = _from("CAMUNDA_WORKERS_MAIL_USERNAME", about="The account at the mail server.")
    mail_password: SecretStr | None = _from("CAMUNDA_WORKERS_MAIL_PASSWORD", about="Its password.")
    webhook_url: str | None = _from("CAMUNDA_WORKERS_WEBHOOK_URL", about="Where news about tasks is posted.")
    webhook_secret: SecretStr | None = _from("CAMUNDA_WORKERS_WEBHOOK_SECRET", about="Signs what is posted.")


class Settings(TaskSettings, ConnectionSettings, StorageSettings, AiSettings, EngineSettings, AccessSettings, WorkerRuntimeSettings):
    """All settings of the process. Arguments go before the environment.

    Raises:
        ConfigurationError: a value cannot be used; the text names the environment variable.
    """


def _variable(model: type[_Area], field: str) -> str:
    alias = model.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else field


def _setting_problems(model: type[_Area], error: ValidationError) -> list[str]:
    result: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        where = str(problem["loc"][0]) if problem["loc"] else ""
        name = _variable(model, where) if where in model.model_fields else where
        result.append(f"{name}: {message}" if name else message)
    return result


def worker_variables() -> dict[str, str]:
    """What the environment says of single workers: the part of ``CAMUNDA_WORKERS_WORKER_<TYPE>_<OPTION>`` after the prefix, and its value."""
    return {name.removeprefix(_PER_WORKER): value for name, value in os.environ.items() if name.startswith(_PER_WORKER) and value}
