"""Signing in and out at the identity provider, and asking it again while a session lasts."""

from __future__ import annotations

import secrets
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from camunda_workers.errors import EngineUnavailable
from camunda_workers.inbox.logins import SignInRefused
from camunda_workers.inbox.oidc import Provider
from camunda_workers.inbox.sessions import BEFORE, COOKIE, LONGEST, Session
from camunda_workers.inbox.site import Site, site_of
from camunda_workers.inbox.users import KnownPeople

BACK: Final = "/sign-in/back"
"""Where the provider sends people back to."""

UNRENEWED: Final = 60 * 60.0
"""Seconds a session lasts without a refresh token: then the provider is asked by signing in again."""

GRACE: Final = 5 * 60.0
"""Seconds a session goes on while the provider cannot be reached."""

PAUSE: Final = 15.0
"""Seconds between two tries to reach it."""

_log = structlog.get_logger("camunda_workers.inbox")


async def go(request: Request, provider: Provider, to: str) -> Response:
    """Send the browser to the provider."""
    site = site_of(request)
    address = request.client.host if request.client else ""
    if (wait := site.departures.take(address)) > 0:
        return page(request, "sign-in.wait", 429, to, seconds=int(wait) + 1)
    browser = request.cookies.get(BEFORE) or secrets.token_urlsafe(24)
    try:
        where, begun = await provider.begin(_own(request, BACK), browser, to, site.sessions.now())
    except (EngineUnavailable, SignInRefused) as error:
        _log.error("inbox.sign-in.failed", error=str(error))
        return page(request, "sign-in.away", 503, to)
    site.sessions.went(begun)
    answer = RedirectResponse(where, 303)
    # Lax, not strict: the way back comes from the provider's site.
    answer.set_cookie(BEFORE, browser, httponly=True, samesite="lax", secure=site.parts.secure, path="/sign-in")
    return answer


async def back(request: Request) -> Response:
    """The provider has sent the browser back: with a code, or with a refusal."""
    site = site_of(request)
    provider, given = site.parts.provider, request.query_params
    if provider is None:
        return RedirectResponse("/sign-in", 303)
    begun = site.sessions.came_back(given.get("state", ""), request.cookies.get(BEFORE, ""))
    if begun is None:
        # A forged answer, somebody else's, or one that was used already: nobody is signed in by it.
        return page(request, "sign-in.again", 403, "/tasks")
    try:
        metadata = await provider.metadata()
        claimed, must = given.get("iss"), metadata.get("authorization_response_iss_parameter_supported") is True
        if claimed != metadata["issuer"] and (claimed is not None or must):
            raise SignInRefused("the answer is another provider's")
        if (problem := given.get("error")) is not None:
            raise SignInRefused(f"the provider says {problem[:100]!r}")
        login = await provider.finish(given.get("code", ""), begun, _own(request, BACK))
    except EngineUnavailable as error:
        _log.error("inbox.sign-in.failed", error=str(error))
        return page(request, "sign-in.away", 503, begun.to)
    except SignInRefused as error:
        _log.warning("inbox.sign-in.refused", error=str(error))
        return page(request, "sign-in.refused", 403, begun.to)
    if isinstance(site.parts.users, KnownPeople):
        site.parts.users.note(login.person)
    site.sessions.end(request.cookies.get(COOKIE))
    token, _ = site.sessions.begin(login.person, login.tokens)
    answer = RedirectResponse(begun.to, 303)
    answer.set_cookie(COOKIE, token, max_age=int(LONGEST), httponly=True, samesite="lax", secure=site.parts.secure, path="/")
    answer.delete_cookie(BEFORE, path="/sign-in")
    return answer


async def out(request: Request, provider: Provider, session: Session) -> str:
    """Where the browser goes to sign out of the provider too."""
    mine = _own(request, "/sign-in?out=1")
    return (await provider.sign_out_address(session.tokens, mine) if session.tokens is not None else None) or "/sign-in?out=1"


def page(request: Request, problem: str | None, status: int, to: str, **values: object) -> Response:
    """A page with a button to the provider, and what went wrong."""
    site = site_of(request)
    provider = site.parts.provider
    assert provider is not None
    return site.render(request, "sign-in-elsewhere.html", status=status, problem=problem, values=values, to=to, provider=provider.name)


async def renew(site: Site, token: str, session: Session) -> bool:
    """Keep a session up to date with the provider; whether it goes on."""
    provider, tokens = site.parts.provider, session.tokens
    if provider is None or tokens is None:
        return True
    if tokens.refresh_token is None:
        if site.sessions.now() - session.begun > UNRENEWED:
            site.sessions.end(token)
            return False
        return True
    if provider.now() < max(tokens.renew_at, tokens.next_try):
        return True
    async with tokens.lock:
        now = provider.now()
        if now < max(tokens.renew_at, tokens.next_try):
            return True
        try:
            login = await provider.renew(tokens)
        except EngineUnavailable as error:
            _log.warning("inbox.renewal.waits", error=str(error))
            tokens.next_try = now + PAUSE
            if now - tokens.renew_at <= GRACE:
                return True
            site.sessions.end(token)
            return False
        except SignInRefused as error:
            _log.info("inbox.renewal.refused", error=str(error))
            site.sessions.end(token)
            return False
        if login.person.user != session.person.user:
            site.sessions.end(token)
            return False
        session.person = login.person
        fresh = login.tokens
        tokens.id_token, tokens.refresh_token, tokens.renew_at = fresh.id_token, fresh.refresh_token, fresh.renew_at
        return True


def _own(request: Request, path: str) -> str:
    """An address of ours, as browsers know it."""
    return (site_of(request).parts.address or str(request.base_url)).rstrip("/") + path
