"""Documents as an AI task sees them: text by page, names of people covered, no longer than it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from camunda_workers.client.documents import DocumentReference

MOST_SHOWN: Final = 20_000
"""Characters of all documents together that a model is shown: about seven thousand tokens."""

_ADDRESS: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE: Final = re.compile(r"(?<![\w.,-])\+?\d{1,4}[ ()/-]{1,2}\d[\d ()/-]{5,18}\d(?![\w.,])")
COVER: Final = "*"


@dataclass(frozen=True)
class Shown:
    """A page as it is shown; what is covered is as long as what was there.

    Attributes:
        number: counted from one.
    """

    number: int
    text: str


@dataclass(frozen=True)
class Paper:
    """A document.

    Attributes:
        id: what it is called in front of a model: short, and nothing that was in the document.
        name: what people call it.
        pages: its text, all of it.
        seen: what may be shown of it.
        is_cut: more of it is there than may be shown.
    """

    id: str
    store_id: str
    document_id: str
    content_hash: str | None
    name: str
    pages: tuple[str, ...]
    seen: tuple[Shown, ...]
    is_cut: bool = False


def papers_of(
    read: Iterable[tuple[DocumentReference, Sequence[str]]], *, cover: Iterable[str] = (), most: int = MOST_SHOWN
) -> tuple[Paper, ...]:
    """Documents, ready to be shown.

    Args:
        read: references with their text by page.
        cover: what must not be seen (names of people); addresses of mail and telephone numbers never are.
        most: characters of all of them together.
    """
    hidden = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in cover if len(word) > 1]
    left, result = most, list[Paper]()
    for number, (reference, pages) in enumerate(read, start=1):
        seen: list[Shown] = []
        for page, text in enumerate(pages, start=1):
            if left > 0 and text.strip():
                seen.append(Shown(page, covered(text[:left], hidden)))
                left -= len(text[:left])
        result.append(
            Paper(
                id=f"document-{number}",
                store_id=reference.store_id,
                document_id=reference.document_id,
                content_hash=reference.content_hash,
                name=reference.name,
                pages=tuple(pages),
                seen=tuple(seen),
                is_cut=sum(len(one.text) for one in seen) < sum(len(text) for text in pages if text.strip()),
            )
        )
    return tuple(result)


def covered(text: str, hidden: Iterable[re.Pattern[str]] = ()) -> str:
    """A text with people's names, addresses and numbers covered, every other character where it was."""
    for pattern in (*hidden, _ADDRESS, _PHONE):
        text = pattern.sub(lambda found: COVER * len(found[0]), text)
    return text
