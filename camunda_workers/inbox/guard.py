"""What stands before every page: headers, who is signed in, and proof that a change was meant."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camunda_workers.inbox.sessions import COOKIE, Sessions

CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "X-Frame-Options": "DENY",
}
OPEN: Final = ("/static/", "/sign-in", "/healthz")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST: Final = 1_000_000
"""Bytes of a request: forms and drafts are text."""


class Guard:
    """ASGI middleware; without a session only the sign-in page and static files are reached.

    Args:
        app: the pages.
        sessions: who is signed in.
        secure: whether https is demanded of browsers.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, *, secure: bool) -> None:
        self._app = app
        self._sessions = sessions
        self._headers = {**HEADERS, **({"Strict-Transport-Security": "max-age=31536000"} if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
                    headers.append("Vary", "HX-Request")
            await send(message)

        request = Request(scope, receive)
        refused = self._refuse(request)
        if refused is not None:
            await refused(scope, receive, headed)
            return
        await self._app(scope, _limited(request, receive), headed)

    def _refuse(self, request: Request) -> Response | None:
        path = request.url.path
        session = self._sessions.get(request.cookies.get(COOKIE), looks=path != "/live")
        request.state.session = session
        if request.method not in SAFE:
            if not same_origin(request):
                return PlainTextResponse("this change did not come from the inbox", 403)
            if int(request.headers.get("content-length") or 0) > LARGEST:
                return PlainTextResponse("too large", 413)
        if path.startswith(OPEN):
            return None
        if session is None:
            return _sign_in(request)
        if request.method not in SAFE:
            token = request.headers.get("x-csrf-token", "")
            if not hmac.compare_digest(token.encode(), session.csrf.encode()):
                return refusal(request, "this page is too old to change anything: load it again", 403)
        return None


def same_origin(request: Request) -> bool:
    """Whether a browser says that the request comes from our own pages; other programs say nothing and need the token all the same."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def wants_json(request: Request) -> bool:
    """Whether a script asks, which reads JSON."""
    return "application/json" in request.headers.get("accept", "")


def refusal(request: Request, text: str, status: int) -> Response:
    """A sentence, in the shape that the one who asks can show."""
    return JSONResponse({"text": text}, status) if wants_json(request) else PlainTextResponse(text, status)


def _sign_in(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("hx-request") or wants_json(request) or request.url.path == "/live":
        back = urlsplit(request.headers.get("hx-current-url") or request.headers.get("referer") or "/tasks")
        here = back.path + (f"?{back.query}" if back.query else "")
        return refusal_to(f"/sign-in?to={quote(here)}")
    return RedirectResponse(f"/sign-in?to={quote(here)}" if request.method in SAFE else "/sign-in", 303)


def refusal_to(where: str) -> Response:
    """Tells a script that the session is over and where to sign in."""
    return JSONResponse({"text": "you are signed out"}, 401, {"X-Sign-In": where})


def _limited(request: Request, receive: Receive) -> Receive:
    """A body without a length is counted as it comes."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST:
            return {"type": "http.disconnect"}
        return message

    return counted if request.method not in SAFE else receive
