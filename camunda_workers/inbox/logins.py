"""What a sign-in at a provider consists of: what is kept while somebody is away there, what comes back, and who that is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from camunda_workers.errors import Unauthenticated
from camunda_workers.inbox.users import Person
from camunda_workers.project_people import OidcSection
from camunda_workers.tasks.duties.identity import folded


class SignInRefused(Unauthenticated):
    """What came back from the provider lets nobody in."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that is at the provider now.

    Attributes:
        state: comes back with the answer; ties it to this request.
        nonce: comes back in the ID token.
        verifier: PKCE's secret, which only we know.
        browser: the cookie of the browser that began it.
        to: where the person wanted to go.
        at: when, in seconds of the sessions' clock.
    """

    state: str
    nonce: str
    verifier: str
    browser: str
    to: str
    at: float


@dataclass(slots=True)
class Tokens:
    """What the provider gave, for renewal and sign-out. It never leaves the server.

    Attributes:
        subject: whom the provider means; stays the same over renewals.
        renew_at: when groups are asked for again, in Unix seconds.
        next_try: not before this, after the provider could not be reached.
        lock: one renewal at a time: a refresh token may be good for one use.
    """

    subject: str
    id_token: str
    refresh_token: str | None
    renew_at: float
    next_try: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody the provider vouches for."""

    person: Person
    tokens: Tokens


def person_of(section: OidcSection, claims: Mapping[str, Any]) -> Person:
    """Whom checked claims are about.

    Raises:
        SignInRefused: they name nobody that tasks could be assigned to.
    """
    user = claims.get(section.user_claim)
    if not isinstance(user, str) or not user.strip():
        raise SignInRefused(f"the token has no '{section.user_claim}': tasks could not be assigned to anybody")
    if folded(user) != user.strip().casefold():
        # Two accounts at the provider that look alike would be one person here, with everything that is the other's.
        raise SignInRefused(f"the user name {user!r} has characters that are not seen or stand for others")
    if section.user_claim == "email" and claims.get("email_verified") is not True:
        raise SignInRefused("the email address is not verified: anybody could have entered it")
    name = claims.get(section.name_claim)
    return Person(
        user.strip(),
        name.strip() if isinstance(name, str) and name.strip() else user.strip(),
        _names(claim_at(claims, section.groups_claim)),
        # Where tenants are told apart, somebody without the claim is in none of them.
        _names(claim_at(claims, section.tenants_claim)) if section.tenants_claim else None,
    )


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a dotted path (``realm_access.roles``)."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = cast("Mapping[str, Any]", value).get(part) if isinstance(value, Mapping) else None
    return value


def _names(value: Any) -> frozenset[str]:
    """A claim with names; one name alone may stand without a list."""
    if isinstance(value, str):
        return frozenset({value}) if value else frozenset()
    return frozenset(one for one in cast("list[Any]", value) if isinstance(one, str) and one) if isinstance(value, list) else frozenset()
