"""The guard that the settings ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from camunda_workers.engine.embedded.auth.caller import Guard
from camunda_workers.errors import ConfigurationError, MissingExtra
from camunda_workers.settings import AccessSettings, ConnectionSettings


@dataclass(frozen=True, slots=True)
class Chosen:
    """A guard, and what has to be said about it.

    Attributes:
        guard: None lets everybody in.
        password: of the development user that was made, if one was: to be shown, once.
    """

    guard: Guard | None
    password: str | None = None


def choose_guard(access: AccessSettings, connection: ConnectionSettings, data: Path | None) -> Chosen:
    """Return the guard that the settings ask for.

    Args:
        access: who may come in.
        connection: whose authority the provider's certificate may be signed by.
        data: the engine's folder, if it has one: the development user is kept there.

    Raises:
        ConfigurationError: something is missing or wrong in them.
        MissingExtra: joserfc is not installed.
    """
    if access.engine_auth == "none":
        return Chosen(None)
    if access.engine_auth == "basic":
        from camunda_workers.engine.embedded.auth.basic import BasicGuard
        from camunda_workers.engine.embedded.auth.users import open_users

        users, password = open_users(access.engine_users, data)
        return Chosen(BasicGuard(users), password)
    if access.engine_issuer is None or not access.engine_audience:
        raise ConfigurationError(
            "OpenID Connect needs to know whose tokens are taken and for whom they have to be: --issuer and --audience, "
            "or CAMUNDA_WORKERS_ENGINE_ISSUER and CAMUNDA_WORKERS_ENGINE_AUDIENCE"
        )
    try:
        from camunda_workers.engine.embedded.auth.tokens import Claims, TokenGuard
        from camunda_workers.engine.issuer_keys import KeyRing
    except ModuleNotFoundError:
        raise MissingExtra("embedded", "Checking tokens") from None
    keys = KeyRing(access.engine_issuer, authority=connection.ca_certificate)
    claims = Claims(access.engine_username_claim, access.engine_client_id_claim, access.engine_groups_claim)
    return Chosen(TokenGuard(keys, issuer=access.engine_issuer, audiences=access.engine_audience, claims=claims))
