"""Where a quote is in a text: word for word, whatever the line breaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

_SAME: Final[Mapping[str, str]] = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
}
"""Quotation marks and dashes, which are typed one way and copied another."""


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote begins and ends in a text; ``None`` where it is not.

    White space of any kind and length is one blank, quotation marks and dashes of one kind are the same, invisible characters are nothing. Letters, digits
    and all other signs must be the same, in the same case.
    """
    wanted, _ = _flat(quote.strip())
    given, places = _flat(text)
    wanted = wanted.strip()
    at = given.find(wanted) if wanted else -1
    return (places[at], places[at + len(wanted) - 1] + 1) if at >= 0 else None


def _flat(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and where each of its characters was."""
    kept: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        one = " " if letter.isspace() else "" if unicodedata.category(letter) in ("Cc", "Cf") else _SAME.get(letter, letter)
        if one and not (one == " " and kept and kept[-1] == " "):
            kept.append(one)
            places.append(place)
    return "".join(kept), places


def passage(text: str, start: int, end: int, longest: int = 300) -> tuple[int, int]:
    """The sentence (or line) around a place."""
    begins = [found + len(mark) for mark in (". ", "! ", "? ", "\n") if (found := text.rfind(mark, 0, start)) >= 0]
    ends = [found + (mark != "\n") for mark in (". ", "! ", "? ", "\n") if (found := text.find(mark, end)) >= 0]
    first = max(begins, default=0)
    last = min(ends, default=len(text))
    while first < start and text[first].isspace():
        first += 1
    if last - first > longest:
        first, last = max(first, start - longest // 2), min(last, end + longest // 2)
    return first, last
