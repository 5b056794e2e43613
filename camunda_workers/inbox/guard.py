"""What stands before every page: who is signed in, how often they may ask, and proof that a change was meant."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camunda_workers.inbox.addresses import parts_of
from camunda_workers.inbox.parts import Rates
from camunda_workers.inbox.sessions import COOKIE, Attempts, Session, Sessions
from camunda_workers.tasks.duties.identity import folded
from camunda_workers.tasks.store.attachments import LARGEST as LARGEST_FILE

OPEN: Final = ("/static/", "/sign-in", "/healthz", "/readyz")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST: Final = 1_000_000
"""Bytes of a request: forms and drafts are text."""

FILES: Final = re.compile(r"/tasks/\d+/files")
"""Where files come in: there a request may be as large as a file."""

Refuse = Callable[..., Response]
"""Says no: the request, why by name, the status, and what the sentence says besides."""

Renew = Callable[[str, Session], Awaitable[bool]]
"""Asks the identity provider again who somebody is; whether the session goes on."""


class Guard:
    """ASGI middleware; without a session only the sign-in page and static files are reached.

    Args:
        app: the pages.
        sessions: who is signed in.
        refuse: what somebody is told who does not get past here.
        renew: keeps sessions of an identity provider up to date.
        rates: how much one session may ask for.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, *, refuse: Refuse, renew: Renew | None = None, rates: Rates | None = None) -> None:
        self._app = app
        self._sessions = sessions
        self._refuse = refuse
        self._renew = renew
        rates = rates or Rates()
        self._looks = Attempts(rates.looks, 10 / rates.looks, now=sessions.now)
        self._changes = Attempts(rates.changes, 60 / rates.changes, now=sessions.now)
        self._files = Attempts(rates.files, 60 / rates.files, now=sessions.now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        request = Request(scope, receive)
        refused = await self._refused(request)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._app(scope, _limited(request, receive), send)

    async def _refused(self, request: Request) -> Response | None:
        path = request.url.path
        token = request.cookies.get(COOKIE)
        session = self._sessions.get(token, looks=path != "/live")
        if session is not None and self._renew is not None and not path.startswith(OPEN) and not await self._renew(token or "", session):
            session = None
        request.state.session = session
        if request.method not in SAFE:
            if not same_origin(request):
                return self._refuse(request, "elsewhere", 403)
            if _length(request) > _largest(path):
                answer = self._refuse(request, "too-large", 413)
                answer.headers["Connection"] = "close"
                return answer
        if path.startswith(OPEN):
            return None
        if session is None:
            return _sign_in(request)
        if (wait := self._wait(request, session)) > 0:
            answer = self._refuse(request, "too-much", 429, seconds=int(wait) + 1)
            answer.headers["Retry-After"] = str(int(wait) + 1)
            return answer
        if request.method not in SAFE:
            given = request.headers.get("x-csrf-token", "")
            if not hmac.compare_digest(given.encode(), session.csrf.encode()):
                return self._refuse(request, "old-page", 403)
        return None

    def _wait(self, request: Request, session: Session) -> float:
        """Seconds somebody has to wait who has asked for too much: the person, in however many windows and sessions."""
        who = folded(session.person.user)
        if request.method in SAFE:
            return self._looks.take(who)
        if FILES.fullmatch(request.url.path):
            return self._files.take(who)
        return self._changes.take(who)


def same_origin(request: Request) -> bool:
    """Whether a browser says that the request comes from our own pages; other programs say nothing and need the token all the same."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or parts_of(origin).netloc == request.headers.get("host")


def wants_json(request: Request) -> bool:
    """Whether a script asks, which reads JSON."""
    return "application/json" in request.headers.get("accept", "")


def _sign_in(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("hx-request") or wants_json(request) or request.url.path == "/live":
        back = parts_of(request.headers.get("hx-current-url") or request.headers.get("referer") or "/tasks")
        here = back.path + (f"?{back.query}" if back.query else "")
        return refusal_to(f"/sign-in?to={quote(here)}")
    return RedirectResponse(f"/sign-in?to={quote(here)}" if request.method in SAFE else "/sign-in", 303)


def refusal_to(where: str) -> Response:
    """Tells a script that the session is over and where to sign in."""
    return JSONResponse({"text": "you are signed out"}, 401, {"X-Sign-In": where})


def _length(request: Request) -> int:
    given = request.headers.get("content-length", "")
    return int(given) if given.isascii() and given.isdecimal() else 0


def _largest(path: str) -> int:
    return LARGEST_FILE if FILES.fullmatch(path) else LARGEST


def _limited(request: Request, receive: Receive) -> Receive:
    """A body without a length is counted as it comes."""
    size, largest = 0, _largest(request.url.path)

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > largest:
            # Whoever goes on sending is hung up on.
            raise HTTPException(413, headers={"Connection": "close"})
        return message

    return counted if request.method not in SAFE else receive
