"""Who may talk to the engine that ``camunda-workers engine start`` runs, and ``engine user``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.auth.door import Door


class AuthKind(StrEnum):
    """How callers are asked who they are."""

    none = "none"
    basic = "basic"
    oidc = "oidc"


Auth = Annotated[
    AuthKind | None,
    typer.Option(help="none (default): nobody is asked. basic: names and passwords. oidc: tokens of an OpenID Connect provider."),
]
UsersFile = Annotated[
    Path | None,
    typer.Option(
        "--users", dir_okay=False, help="With --auth basic. Who may come in; by default one user that is made in the data folder."
    ),
]
Issuer = Annotated[str | None, typer.Option(help="With --auth oidc. The provider, as its tokens name it.")]
Audience = Annotated[list[str] | None, typer.Option(help="With --auth oidc. For whom tokens have to be; several: one of them is enough.")]
Host = Annotated[str, typer.Option(help="Address to listen on. Beyond loopback somebody has to be asked who they are.")]
AllowAnyone = Annotated[
    bool, typer.Option("--allow-anyone", help="Listen beyond loopback without asking: whoever gets there may do everything.")
]
Certificate = Annotated[Path | None, typer.Option("--tls-certificate", dir_okay=False, help="PEM file: serve TLS with this certificate.")]
CertificateKey = Annotated[Path | None, typer.Option("--tls-key", dir_okay=False, help="PEM file of its private key.")]


def settings_of(version: str | None, auth: AuthKind | None, users: Path | None, issuer: str | None, audience: list[str] | None) -> Settings:
    """Return the settings; what was said on the command line goes first.

    Raises:
        typer.BadParameter: an option that belongs to another kind of authentication.
    """
    said: dict[str, Any] = {
        "engine_version": version,
        "engine_auth": None if auth is None else auth.value,
        "engine_users": users,
        "engine_issuer": issuer,
        "engine_audience": tuple(audience) if audience else None,
    }
    settings = Settings(**{name: value for name, value in said.items() if value is not None})
    if users is not None and settings.engine_auth != "basic":
        raise typer.BadParameter("it belongs to --auth basic", param_hint="--users")
    if (issuer is not None or audience) and settings.engine_auth != "oidc":
        raise typer.BadParameter("they belong to --auth oidc", param_hint="--issuer/--audience")
    return settings


def door_of(settings: Settings, data: Path | None, host: str, anyone: bool, certificate: Path | None, key: Path | None) -> Door:
    """Return where the gateway listens and whom it lets in; a development user that had to be made is shown, once.

    Raises:
        ConfigurationError: it would be open by accident, or something is missing.
    """
    from camunda_workers.engine.embedded.auth.choose import choose_guard
    from camunda_workers.engine.embedded.auth.door import Door
    from camunda_workers.engine.embedded.auth.users import DEVELOPMENT_USER

    chosen = choose_guard(settings, settings, data)
    door = Door(host, chosen.guard, certificate, key, anyone)
    door.check()
    if chosen.password is not None:
        again = "it is not shown again" if data is not None else "it ends with this process"
        print(f"user made: {DEVELOPMENT_USER}, password {chosen.password} ({again})", file=sys.stderr, flush=True)
    return door


def user(
    name: Annotated[str, typer.Argument(help="The user's name.")],
    users: Annotated[Path, typer.Option("--users", dir_okay=False, help="The file; made where it is not there.")],
    group: Annotated[list[str] | None, typer.Option(help="Whose member the user is; may be given several times.")] = None,
) -> None:
    """Add a user for --auth basic, or change their password and groups. The password is asked for, or read from standard input."""
    from camunda_workers.engine.embedded.auth.users import set_user

    asked = sys.stdin.isatty()
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if asked else sys.stdin.readline().rstrip("\r\n")
    set_user(users, name, password, tuple(group or ()))
    print(f"{name} may come in; a running engine knows at once")
