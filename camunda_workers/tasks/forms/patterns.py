"""Patterns of form fields: JavaScript's regular expressions, tested on the server as ``new RegExp(pattern).test(value)`` would."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import regex  # unlike `re`, it can be told when to stop

LONGEST_MATCH: Final = 0.25
"""Seconds a pattern may take on one value: some patterns take for ever on a value made for that."""

LONGEST_ALL: Final = 1.0
"""Seconds all patterns of one submission may take together: a list has a thousand rows."""

_left: ContextVar[list[float] | None] = ContextVar("left", default=None)

EMAIL: Final = (
    r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
)
"""An address as HTML's own email field has it, and form-js with it."""

PHONE: Final = r"^(?:\+|00)[1-9]\d{5,24}$"
"""An international number. form-js also lists the country codes; a number that is wrong only there is let through here."""

_TOKEN = re.compile(r"\\.|\[\^\]|\[\]|\[(?:\\.|[^\]\\])*\]|\(\?<(?=[A-Za-z_])|\$", re.DOTALL)
_SPECIAL: Final = {"(?<": "(?P<", "$": r"\Z", "[^]": r"[\s\S]", "[]": r"(?!)", r"\/": "/", r"\Z": "Z", r"\A": "A"}


def translate(pattern: str) -> str:
    """A JavaScript pattern in Python's words.

    What differs and is in use: ``$`` also matches before a last line break in Python, named groups are written otherwise, and ``[^]`` is
    any character.
    """
    return _TOKEN.sub(lambda token: _SPECIAL.get(token[0]) or re.sub(r"\\k<(\w+)>", r"(?P=\1)", token[0]), pattern)


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str) -> regex.Pattern[str]:
    """The pattern, ready to search.

    Raises:
        ValueError: it is no pattern, or uses what only JavaScript has; the text says where.
    """
    try:
        # JavaScript's classes \d and \w are ASCII.
        return regex.compile(translate(pattern), regex.ASCII | regex.VERSION0)
    except regex.error as error:
        raise ValueError(str(error)) from error


def found_in(pattern: str, value: str) -> bool:
    """Whether the pattern is somewhere in the value, as JavaScript's ``test`` has it.

    Raises:
        ValueError: it is no pattern.
        TimeoutError: it took too long; the value cannot be said to match.
    """
    search: Any = compiled(pattern).search
    left = _left.get()
    if left is None:
        return search(value, timeout=LONGEST_MATCH) is not None
    if left[0] <= 0:
        raise TimeoutError
    begun = time.perf_counter()
    try:
        return search(value, timeout=min(LONGEST_MATCH, left[0])) is not None
    finally:
        left[0] -= time.perf_counter() - begun


@contextmanager
def in_time() -> Generator[None]:
    """Meanwhile, all patterns together have so long."""
    token = _left.set([LONGEST_ALL])
    try:
        yield
    finally:
        _left.reset(token)
