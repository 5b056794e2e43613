"""The headers of every answer, whoever gives it: a page, a refusal at the door, an address nobody knows, a failure of our own."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # What a form previews is fetched by its script, and shown from memory.
        "img-src 'self' data: blob:",
        "frame-src blob:",
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

_log = structlog.get_logger("camunda_workers.inbox")


class Headed:
    """ASGI middleware, the outermost: nothing leaves without what keeps scripts, frames and caches out.

    Args:
        app: everything else.
        secure: whether https is demanded of browsers.
    """

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = {**HEADERS, **({"Strict-Transport-Security": "max-age=31536000"} if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and send its answer with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def headed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
                    headers.append("Vary", "HX-Request")
            await send(message)

        try:
            await self._app(scope, receive, headed)
        except Exception:
            _log.exception("inbox.failed", path=scope["path"])
            if begun:
                raise
            # What went wrong is in our records; the one who asks learns nothing from it.
            await PlainTextResponse("something went wrong here", 500)(scope, receive, headed)


__all__ = ["CSP", "HEADERS", "Headed"]
