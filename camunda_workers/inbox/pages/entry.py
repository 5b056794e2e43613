"""Signing in and out, the language, live updates, static files."""

from __future__ import annotations

import hmac
import mimetypes
import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from camunda_workers.errors import CamundaWorkersError
from camunda_workers.inbox.addresses import parts_of
from camunda_workers.inbox.pages import provider
from camunda_workers.inbox.sessions import BEFORE, COOKIE, LONGEST
from camunda_workers.inbox.site import STATIC, site_of
from camunda_workers.tasks.duties.identity import folded

YEAR = 365 * 24 * 60 * 60


def within(address: str | None) -> str:
    """A path of ours to go to; never somebody else's address."""
    parts = parts_of(address or "")
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith(("//", "/\\", "/sign-in")):
        return "/tasks"
    return parts.path + (f"?{parts.query}" if parts.query else "")


async def sign_in_page(request: Request) -> Response:
    """The form."""
    if getattr(request.state, "session", None) is not None:
        return RedirectResponse(within(request.query_params.get("to")), 303)
    to, way = within(request.query_params.get("to")), site_of(request).parts.provider
    if way is not None:
        # Whoever has just signed out is not signed in again at once.
        return provider.page(request, None, 200, to) if "out" in request.query_params else await provider.go(request, way, to)
    return _form(request, request.query_params.get("to"), None, 200)


async def sign_in(request: Request) -> Response:
    """Check a password; a few wrong ones, and one has to wait."""
    site = site_of(request)
    if site.parts.provider is not None:
        return PlainTextResponse("people sign in at the identity provider", 405)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return PlainTextResponse("this takes a form", 415)
    form = await request.form(max_files=0, max_fields=10)
    user, password, to = (str(form.get(name, "")) for name in ("user", "password", "to"))
    nonce = request.cookies.get(BEFORE, "")
    if not nonce or not hmac.compare_digest(site.sessions.before(nonce).encode(), str(form.get("token", "")).encode()):
        return _form(request, to, "sign-in.again", 403, user)
    who = (f"address:{request.client.host if request.client else ''}", f"user:{folded(user[:200])}")
    if (wait := site.attempts.take(*who)) > 0:
        answer = _form(request, to, "sign-in.wait", 429, user, seconds=int(wait) + 1)
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer
    person = site.parts.users.check(user, password)
    if person is None:
        return _form(request, to, "sign-in.wrong", 401, user)
    site.attempts.forget(*who)
    site.sessions.end(request.cookies.get(COOKIE))
    token, _ = site.sessions.begin(person)
    answer = RedirectResponse(within(to), 303)
    answer.set_cookie(COOKIE, token, max_age=int(LONGEST), httponly=True, samesite="lax", secure=site.parts.secure, path="/")
    answer.delete_cookie(BEFORE, path="/sign-in")
    return answer


def _form(request: Request, to: str | None, problem: str | None, status: int, user: str = "", **values: object) -> Response:
    site = site_of(request)
    nonce = request.cookies.get(BEFORE) or secrets.token_urlsafe(24)
    people = list(site.parts.users.suggestions())
    token = site.sessions.before(nonce)
    answer = site.render(
        request, "sign-in.html", status=status, token=token, to=within(to), problem=problem, values=values, user=user, people=people
    )
    answer.set_cookie(BEFORE, nonce, httponly=True, samesite="strict", secure=site.parts.secure, path="/sign-in")
    return answer


async def sign_out(request: Request) -> Response:
    """End the session, here and at the identity provider."""
    site = site_of(request)
    session, way = request.state.session, site.parts.provider
    to = await provider.out(request, way, session) if way is not None and session is not None else "/sign-in"
    site.sessions.end(request.cookies.get(COOKIE))
    answer = Response(status_code=204, headers={"HX-Redirect": to, "Clear-Site-Data": '"cache"'})
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def language(request: Request) -> Response:
    """Choose a language."""
    site, wanted = site_of(request), str(request.path_params["code"])
    answer = Response(status_code=204, headers={"HX-Refresh": "true"})
    if wanted in site.words.languages:
        answer.set_cookie("inbox_language", wanted, max_age=YEAR, httponly=True, samesite="lax", secure=site.parts.secure)
    return answer


async def live(request: Request) -> Response:
    """A stream that says when something changed."""
    site = site_of(request)
    token, user = request.cookies.get(COOKIE), request.state.session.person.user
    if not site.changes.may_listen(user):
        return PlainTextResponse("too many windows", 429)
    stream = site.changes.stream(user, lambda: site.sessions.get(token, looks=False) is not None, request.state.session.person.tenants)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def static(request: Request) -> Response:
    """A file of the frontend; its address changes with its content."""
    site, name = site_of(request), str(request.path_params["name"])
    if name not in site.manifest["files"]:
        return PlainTextResponse("there is no such file", 404)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = {"application/javascript": "text/javascript"}.get(kind, kind)
    current = request.path_params["build"] == site.build
    headers = {"Cache-Control": f"public, max-age={YEAR}, immutable" if current else "no-cache"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(site.packed(name), media_type=kind, headers={**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
    return Response((STATIC / name).read_bytes(), media_type=kind, headers={**headers, "Vary": "Accept-Encoding"})


async def healthz(request: Request) -> Response:
    """Whether this process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """Whether people may work here: not while nobody enforces the rules, or the engine is away."""
    site = site_of(request)
    try:
        problems = dict(await site.kept.get(("ready",), site.parts.tasks.problems))
        await site.kept.get(("engine",), lambda: site.parts.client.search_user_tasks({"state": "CREATED"}, None, {"from": 0, "limit": 1}))
    except CamundaWorkersError as error:
        problems = {"engine": type(error).__name__}
    return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)
