"""Times in words: how long ago, how much is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

SOON = timedelta(hours=8)
"""Less than a working day is left."""


class Say(Protocol):
    """A text in the reader's language."""

    def __call__(self, key: str, **values: object) -> str:
        """The text."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """How a due date is shown."""

    state: Literal["overdue", "soon", "later"]
    text: str
    at: datetime


def due(at: datetime | None, now: datetime, say: Say) -> Due | None:
    """The time left rather than a date."""
    if at is None:
        return None
    left = at - now
    if left < timedelta(0):
        return Due("overdue", say("due.overdue", time=span(-left, say)), at)
    return Due("soon" if left < SOON else "later", say("due.left", time=span(left, say)), at)


def ago(at: datetime, now: datetime, say: Say) -> str:
    """``2 minutes ago``."""
    passed = now - at
    return say("time.now") if passed < timedelta(minutes=1) else say("time.ago", time=span(passed, say))


def brief(length: timedelta, say: Say) -> str:
    """A length as short as a diagram wants it; below a minute in seconds."""
    seconds = int(length.total_seconds())
    if 60 <= seconds < 3600:
        return say("time.short-minutes", n=seconds // 60)
    if seconds >= 60:
        return span(length, say)
    return say("time.seconds", n=seconds) if seconds else say("time.second")


def span(length: timedelta, say: Say) -> str:
    """A length in its largest unit, in two while it is short: ``3 days``, ``2 h 10 min``."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return say("time.less")
    if minutes < 60:
        return say("time.minute" if minutes == 1 else "time.minutes", n=minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 10 and rest:
        return say("time.hours-minutes", h=hours, m=rest)
    if hours < 48:
        return say("time.hour" if hours == 1 else "time.hours", n=hours)
    return say("time.days", n=hours // 24)
