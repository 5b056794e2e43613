"""Sessions: who is signed in. Kept on the server; the browser has a random token, of which only a hash is kept here."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from camunda_workers.inbox.users import Person
from camunda_workers.tasks.duties.identity import folded

if TYPE_CHECKING:
    from camunda_workers.inbox.logins import Begun, Tokens

COOKIE: Final = "inbox_session"
BEFORE: Final = "inbox_before"
"""The cookie that ties the sign-in form to the browser it was sent to."""

IDLE: Final = 60 * 60.0
LONGEST: Final = 12 * 60 * 60.0
MOST: Final = 10_000
MOST_EACH: Final = 20
"""Sessions of one person."""

AWAY: Final = 10 * 60.0
"""Seconds somebody may take at the identity provider."""


@dataclass
class Session:
    """Somebody's browser.

    Attributes:
        csrf: what every change must carry.
        notice: what to say on the next page, once.
        tokens: what the identity provider gave; ``None`` for development users.
        looked: sensitive cases whose pages were looked at, and when that was written down last.
    """

    person: Person
    csrf: str
    begun: float
    seen: float
    notice: tuple[str, str] | None = None
    tokens: Tokens | None = None
    looked: dict[str, float] = field(default_factory=dict[str, float])


@dataclass
class Sessions:
    """All sessions of this process.

    Attributes:
        now: monotonic seconds.
    """

    now: Callable[[], float] = time.monotonic
    _open: OrderedDict[str, Session] = field(default_factory=OrderedDict[str, Session])
    _begun: OrderedDict[str, Begun] = field(default_factory=OrderedDict[str, "Begun"])
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def begin(self, person: Person, tokens: Tokens | None = None) -> tuple[str, Session]:
        """A new session and its token: never one that the browser had before it signed in."""
        token, now, who = secrets.token_urlsafe(32), self.now(), folded(person.user)
        mine = [one for one, session in self._open.items() if folded(session.person.user) == who]
        for one in mine[: max(0, len(mine) - MOST_EACH + 1)]:
            # Their own oldest one ends: nobody signs everybody else out by signing in again and again.
            del self._open[one]
        session = self._open[_hash(token)] = Session(person, secrets.token_urlsafe(32), now, now, tokens=tokens)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return token, session

    def get(self, token: str | None, *, looks: bool = True) -> Session | None:
        """The session of a token, unless it was idle or open for too long.

        Args:
            token: the cookie's.
            looks: whether a person does something; a stream that stays open is no sign of one.
        """
        session = self._open.get(_hash(token)) if token else None
        if session is None or token is None:
            return None
        now = self.now()
        if now - session.seen > IDLE or now - session.begun > LONGEST:
            self.end(token)
            return None
        if looks:
            session.seen = now
        return session

    def end(self, token: str | None) -> None:
        """Sign out."""
        if token:
            self._open.pop(_hash(token), None)

    def went(self, begun: Begun) -> None:
        """Somebody goes to the identity provider."""
        self._begun[begun.state] = begun
        while len(self._begun) > MOST:
            self._begun.popitem(last=False)

    def came_back(self, state: str, browser: str) -> Begun | None:
        """The sign-in that an answer belongs to: once, in time, and in the browser that began it."""
        begun = self._begun.pop(state, None)
        if begun is None or not browser or not hmac.compare_digest(begun.browser.encode(), browser.encode()):
            return None
        return begun if self.now() - begun.at <= AWAY else None

    def before(self, nonce: str) -> str:
        """The token of a sign-in form for the browser with this cookie."""
        return hmac.new(self._key, nonce.encode(), hashlib.sha256).hexdigest()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass
class Attempts:
    """How often something may be tried: a bucket that fills again.

    Attributes:
        burst: how many at once.
        each: seconds until one more is allowed.
        now: monotonic seconds.
    """

    burst: int = 5
    each: float = 12.0
    now: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict[str, tuple[float, float]])

    def take(self, *names: str) -> float:
        """Use one attempt of each name; the seconds to wait when one has none left."""
        now, wait = self.now(), 0.0
        for name in names:
            left, at = self._left.get(name, (float(self.burst), now))
            left = min(float(self.burst), left + (now - at) / self.each)
            if left < 1:
                wait = max(wait, (1 - left) * self.each)
            self._left[name] = (max(left - 1, 0.0) if left >= 1 else left, now)
            self._left.move_to_end(name)
        while len(self._left) > MOST:
            self._left.popitem(last=False)
        return wait

    def forget(self, *names: str) -> None:
        """Somebody has shown who they are."""
        for name in names:
            self._left.pop(name, None)
