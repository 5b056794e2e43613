"""Why an answer, beyond its rationale: places in documents that were checked, and what would have led to another answer.

What a model says here is as hostile as the rest of its answer: a quote counts when it is in the document, word for word, and what it says would change its
answer counts when it names a fact that was in front of it. Everything else is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from camunda_workers.ai.output import AiOutput, PlainText
from camunda_workers.ai.papers import Paper, Shown
from camunda_workers.ai.quotes import locate

RouteT = TypeVar("RouteT", bound=str)

SHORTEST: int = 8
"""Characters of a quote: less is in every document."""


class QuoteAnswer(BaseModel):
    """A quote as a model gives it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    document: Annotated[str, Field(max_length=80, description="the id of the document that the quote is from")]
    text: Annotated[PlainText, Field(min_length=1, max_length=400, description="the passage, copied word for word, one or two sentences")]


class ChangeAnswer(BaseModel, Generic[RouteT]):
    """A fact that would have led to another answer, as a model gives it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: Annotated[str, Field(max_length=120, description="path of the fact")]
    to: Annotated[PlainText, Field(min_length=1, max_length=80, description="what the fact would have to be instead")]
    route: Annotated[RouteT, Field(description="what you would answer then; another answer than yours")]


class ExplainedOutput(AiOutput, Generic[RouteT]):
    """An output model that says more of why; the answer itself is its field ``route``.

    Attributes:
        quotes: passages of the documents that it rests on.
        would_change: facts that would have led to another answer.
    """

    quotes: Annotated[
        tuple[QuoteAnswer, ...],
        Field(max_length=8, description="passages of the documents your answer rests on; empty when there are no documents"),
    ] = ()
    would_change: Annotated[
        tuple[ChangeAnswer[RouteT], ...],
        Field(
            max_length=6, description="single facts that, if they were otherwise, would lead you to another answer; empty when none would"
        ),
    ] = ()


class Quote(BaseModel):
    """A passage that is in a document: checked, not claimed.

    Attributes:
        quote: as it stands in the document, white space aside.
        document: the document's name.
        store_id: the document store that has it.
        document_id: which.
        content_hash: of the document that was read.
        page: counted from one.
        start: first character within the page's text.
        end: behind its last character.
        source: who chose it: a model, or a computation.
    """

    model_config = ConfigDict(frozen=True)

    quote: str
    document: str
    store_id: str
    document_id: str
    content_hash: str | None
    page: int
    start: int
    end: int
    source: Literal["model", "computed"] = "model"


class Change(BaseModel):
    """A fact that would have led to another answer.

    Attributes:
        path: the fact.
        how: what it would have to be: exactly this, at most this, or more than this.
        to: this.
        route: the answer then.
        source: ``computed``: the task was asked again with that fact; ``model``: a model says so, and nobody has checked it.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    how: Literal["equals", "at_most", "above"] = "equals"
    to: JsonValue
    route: str
    source: Literal["model", "computed"]


@dataclass(frozen=True)
class Explanation:
    """What a task computes about an answer, beside what its strategy says.

    Attributes:
        dropped: quotes that are in no document.
    """

    quotes: tuple[Quote, ...] = ()
    would_change: tuple[Change, ...] = ()
    dropped: int = 0

    def and_(self, other: Explanation) -> Explanation:
        """Both; a place or a change that both name is named once."""
        places = {(one.document_id, one.page, one.start, one.end) for one in self.quotes}
        known = {(one.path, one.how, str(one.to), one.route) for one in other.would_change}
        return Explanation(
            (*self.quotes, *(one for one in other.quotes if (one.document_id, one.page, one.start, one.end) not in places)),
            (*other.would_change, *(one for one in self.would_change if (one.path, one.how, str(one.to), one.route) not in known)),
            self.dropped + other.dropped,
        )


def sifted(answer: AiOutput, route: str | None, papers: Sequence[Paper], paths: frozenset[str]) -> Explanation:
    """What is true of an answer's explanation.

    Args:
        answer: the answer; one that does not explain itself has nothing.
        route: what it says.
        papers: the documents it could see.
        paths: the facts it could see.
    """
    if not isinstance(answer, ExplainedOutput):
        return Explanation()
    explained = cast("ExplainedOutput[str]", answer)
    by_id = {paper.id: paper for paper in papers}
    found = [_checked(one, by_id.get(one.document)) for one in explained.quotes]
    changes = tuple(
        Change(path=one.path, to=one.to, route=one.route, source="model")
        for one in explained.would_change
        if one.path in paths and one.route != route
    )
    return Explanation(tuple(one for one in found if one is not None), changes, sum(one is None for one in found))


def _checked(given: QuoteAnswer, paper: Paper | None) -> Quote | None:
    if paper is None or len(given.text) < SHORTEST:
        return None
    return next((quote_at(paper, page, *place) for page in paper.seen if (place := locate(given.text, page.text)) is not None), None)


def quote_at(paper: Paper, page: Shown, start: int, end: int, source: Literal["model", "computed"] = "model") -> Quote:
    """A place in a document as a quote; the text is the document's own, not the one that a model was shown."""
    original = paper.pages[page.number - 1][start:end]
    return Quote(
        quote=" ".join(original.split()),
        document=paper.name,
        store_id=paper.store_id,
        document_id=paper.document_id,
        content_hash=paper.content_hash,
        page=page.number,
        start=start,
        end=end,
        source=source,
    )
