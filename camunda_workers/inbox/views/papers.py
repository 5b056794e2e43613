"""A document as text, with the passages marked that a recommendation rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from camunda_workers.ai.quotes import locate
from camunda_workers.inbox.views.advice import Quote

LONGEST = 200_000
"""Characters of a document that are shown; who needs more saves it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page's text.

    Attributes:
        lines: its lines.
        quote: the number of the quote it is, counted from one; 0 for text around them.
    """

    lines: Sequence[str]
    quote: int = 0


@dataclass(frozen=True, slots=True)
class PaperPage:
    """A page of a document, counted from one."""

    number: int
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Marked:
    """A document with its quotes.

    Attributes:
        missing: quotes that are not in it: it is not the document that the agent saw.
        is_cut: more of it is there than is shown.
    """

    pages: Sequence[PaperPage]
    missing: Sequence[Quote]
    is_cut: bool


def marked(pages: Sequence[str], quotes: Sequence[Quote]) -> Marked:
    """Mark quotes where they are: where they were found once, if they are still there, and otherwise wherever they are now."""
    places: dict[int, list[tuple[int, int, int]]] = {}
    missing: list[Quote] = []
    for one in quotes:
        found = _place(pages, one)
        if found is None:
            missing.append(one)
        else:
            places.setdefault(found[0], []).append((found[1], found[2], one.number))
    shown: list[PaperPage] = []
    left = LONGEST
    for number, text in enumerate(pages, start=1):
        if left <= 0:
            break
        shown.append(PaperPage(number, _pieces(text[:left], sorted(places.get(number, ())))))
        left -= len(text)
    return Marked(shown, missing, left < 0 or len(shown) < len(pages))


def _place(pages: Sequence[str], one: Quote) -> tuple[int, int, int] | None:
    """Page, begin and end of a quote."""
    if 0 < one.page <= len(pages) and 0 <= one.start < one.end:
        exact = locate(one.text, pages[one.page - 1][one.start : one.end])
        if exact is not None:
            return one.page, one.start + exact[0], one.start + exact[1]
    for number in (one.page, *range(1, len(pages) + 1)):
        if 0 < number <= len(pages) and (found := locate(one.text, pages[number - 1])) is not None:
            return number, *found
    return None


def _pieces(text: str, places: Sequence[tuple[int, int, int]]) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for start, end, number in places:
        # Two quotes may overlap: the second one begins where the first one ends, and has a place to jump to all the same.
        start, end = max(start, at), max(end, at)
        if start > at:
            pieces.append(Piece(text[at:start].split("\n")))
        pieces.append(Piece(text[start:end].split("\n"), number))
        at = end
    if at < len(text):
        pieces.append(Piece(text[at:].split("\n")))
    return pieces
