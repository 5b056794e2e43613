"""What all pages share: the parts, the words, the templates, and who is looking."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from typing import Any, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from camunda_workers.inbox.live import Changes
from camunda_workers.inbox.numbers import Kept
from camunda_workers.inbox.parts import Parts
from camunda_workers.inbox.sessions import Attempts, Session, Sessions
from camunda_workers.inbox.users import Person
from camunda_workers.inbox.views.phrases import Phrases, sentence
from camunda_workers.inbox.views.times import Say, ago, brief, span
from camunda_workers.inbox.words import Words
from camunda_workers.tasks.duties.identity import folded

MOST_COLLEAGUES: Final = 500
STATIC: Final = files("camunda_workers.inbox") / "static"


@dataclass(frozen=True)
class Reader:
    """Who looks at a page, and in which language."""

    person: Person
    session: Session
    language: str
    say: Say
    now: datetime


class Site:
    """The inbox of one process.

    Args:
        parts: see there.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.words = Words(parts.locale)
        self.phrases = Phrases(self.words)
        self.sessions = Sessions()
        self.attempts = Attempts()
        self.departures = Attempts(burst=60, each=1.0)
        self.changes = Changes(parts.log)
        self.kept = Kept()
        self.manifest: Mapping[str, Any] = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
        self.build = str(self.manifest["sources"])[:12]
        self._packed: dict[str, bytes] = {}
        self._templates = Environment(
            loader=PackageLoader("camunda_workers.inbox", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals["static"] = lambda name: f"/static/{self.build}/{name}"  # pyright: ignore[reportArgumentType]

    def packed(self, name: str) -> bytes:
        """A file of the frontend, compressed: once, and not for everybody who comes."""
        if name not in self._packed:
            self._packed[name] = gzip.compress((STATIC / name).read_bytes(), mtime=0)
        return self._packed[name]

    def language(self, request: Request) -> str:
        """The language for a request."""
        return self.words.choose(request.cookies.get("inbox_language"), request.headers.get("accept-language", ""))

    def reader(self, request: Request) -> Reader:
        """Who asks; only behind the guard."""
        session = cast("Session", request.state.session)
        language = self.language(request)
        return Reader(session.person, session, language, partial(self.words.say, language), self.parts.clock.now())

    def is_operator(self, person: Person) -> bool:
        """Whether somebody sees every case and its incidents."""
        section, duties = self.parts.section, self.parts.tasks.desk.section
        return bool(person.groups & {*section.operators, *duties.supervisors})

    def is_auditor(self, person: Person) -> bool:
        """Whether somebody sees who has looked at sensitive cases."""
        return bool(person.groups & set(self.parts.section.auditors))

    def supervises(self, person: Person) -> bool:
        """Whether somebody gives tasks to others and takes them back."""
        return bool(person.groups & set(self.parts.tasks.desk.section.supervisors))

    def plainly(self, language: str, text: str) -> str:
        """What another part of the product says in English, as the reader is told it."""
        return self.phrases.say(language, text, self.parts.users.name_of)

    def colleagues(self, person: Person) -> list[Person]:
        """Whom somebody may hand a task to, as far as they are known: a help for typing, no rule."""
        return self.acquainted(person)[:MOST_COLLEAGUES]

    def acquainted(self, person: Person) -> list[Person]:
        """Everybody else of somebody's tenants."""
        others = (one for one in self.parts.users.known() if folded(one.user) != folded(person.user))
        return [one for one in others if person.tenants is None or one.tenants is None or one.tenants & person.tenants]

    def render(
        self, request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> Response:
        """A page, or a part of one."""
        return HTMLResponse(self.text(request, template, **values), status, headers)

    def text(self, request: Request, template: str, **values: Any) -> str:
        """A template's text."""
        language = self.language(request)
        say = partial(self.words.say, language)
        now = self.parts.clock.now()
        session = cast("Session | None", getattr(request.state, "session", None))
        theme = request.cookies.get("inbox_theme", "")
        return self._templates.get_template(template).render(
            t=say,
            has_text=self.words.has,
            language=language,
            languages=self.words.languages,
            own=Markup(' lang="{}"').format(own) if (own := self.parts.section.language) and own != language else "",
            theme=theme if theme in ("light", "dark") else "",
            session=session,
            person=session.person if session else None,
            is_operator=self.is_operator(session.person) if session else False,
            is_auditor=self.is_auditor(session.person) if session else False,
            project=self.parts.name,
            now=now,
            ago=lambda at: ago(at, now, say),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
            span=lambda length: span(length, say),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
            brief=lambda length: brief(length, say),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
            name_of=self.parts.users.name_of,
            phrase=partial(self.plainly, language),
            sentence=sentence,
            same=lambda one, other: folded(one or "") == folded(other or ""),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
            path=request.url.path,
            **values,
        )


def site_of(request: Request) -> Site:
    """The site a request came to."""
    return cast("Site", request.app.state.site)


def is_part(request: Request) -> bool:
    """Whether htmx asks for a part of a page, and not for a whole one again."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-history-restore-request") != "true"
