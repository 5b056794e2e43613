"""What the test provider (`tests.support.oidc_provider`) is made of: people, clients, grants, its login form."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import unquote_plus

AUDIENCE = "orchestration-api"
"""Whom access tokens are for, unless the client or the request says otherwise."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in."""

    name: str
    password: str
    email: str = ""
    display_name: str = ""
    groups: tuple[str, ...] = ()

    def claims(self) -> dict[str, Any]:
        """What tokens and userinfo say about the person."""
        return {
            "preferred_username": self.name,
            "name": self.display_name or self.name,
            "email": self.email or f"{self.name}@example.com",
            "email_verified": True,
            "groups": list(self.groups),
        }


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """An application that is known here; one without a secret is public and has to use PKCE."""

    client_id: str
    secret: str | None = None
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    audience: str = AUDIENCE


@dataclass(slots=True)
class Grant:
    """What a code or a refresh token stands for."""

    client: RegisteredClient
    person: Person
    scope: str
    redirect_uri: str
    challenge: str
    nonce: str
    expires: float
    used: bool = False
    refresh_tokens: list[str] = field(default_factory=list[str])


class OAuthError(Exception):
    """A refusal in OAuth's words."""

    def __init__(self, error: str, description: str = "", status: int = 400) -> None:
        super().__init__(description or error)
        self.error, self.description, self.status = error, description, status


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in</title></head>
<body><main><h1>Log in</h1>{problem}
<form method="post" action="authorize">{hidden}
<label>Name <input name="username" id="username" autocomplete="username" autofocus></label>
<label>Password <input name="password" id="password" type="password" autocomplete="current-password"></label>
<button type="submit" id="log-in">Log in</button>
</form></main></body></html>"""


def login_page(asked: dict[str, str], *, wrong: bool = False) -> str:
    """The login form; what the application asked for travels along in hidden fields."""
    kept = {name: value for name, value in asked.items() if name not in ("username", "password")}
    hidden = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in kept.items())
    problem = '<p role="alert">Name or password is wrong.</p>' if wrong else ""
    return _PAGE.format(problem=problem, hidden=hidden)


def basic_credentials(header: str) -> tuple[str, str] | None:
    """A client's name and secret from an authorization header; each is form-encoded first (RFC 6749, 2.3.1)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def refusal(asked: dict[str, str], client: RegisteredClient) -> dict[str, str]:
    """Why an application that is known cannot ask like this, as it is told; empty when it can."""
    if asked.get("response_type") != "code":
        return {"error": "unsupported_response_type"}
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return {"error": "invalid_request", "error_description": "only S256 is taken"}
    if client.secret is None and not asked.get("code_challenge"):
        return {"error": "invalid_request", "error_description": "a public client has to use PKCE"}
    return {}


def s256(verifier: str) -> str:
    """The challenge of a code verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
