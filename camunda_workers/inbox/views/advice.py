"""What an agent recommends, why, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from camunda_workers.inbox.views.glance import MISSING, Row, at_path, in_words, label_of, row
from camunda_workers.inbox.views.times import Say
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.store.attachments import Attachment

JUDGED = "advice.judged"
"""The kind of fact that a person's verdict on a recommendation is."""


MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Quote:
    """A place in a document.

    Attributes:
        file: the id of the case's file that it is in, where it is one.
        page: counted from one; 0 where it is not said.
    """

    text: str
    document: str
    page: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What would have to be otherwise.

    Attributes:
        what: the fact, in words.
        now: what it is.
        to: what it would have to be.
        then: what would be suggested instead.
    """

    what: str
    now: str = ""
    to: str = ""
    then: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation.

    Attributes:
        route: what the agent suggests.
        percent: how sure it is; ``None`` when it does not say.
        hand_over: why a person must decide, where the agent itself says so.
        cited: the facts it rests on, with their values now.
        quotes: the places in documents it rests on.
        similar: earlier cases it was compared with.
        would_change: what would have to be otherwise for it to suggest something else.
        judged: what a person has said about it.
    """

    route: str
    percent: int | None
    rationale: str
    hand_over: str
    strategy: str
    cited: Sequence[Row]
    quotes: Sequence[Quote] = ()
    similar: Sequence[str] = ()
    would_change: Sequence[Change] = ()
    judged: Fact | None = None


def advice(
    variables: Mapping[str, Any], name: str, say: Say, judged: Sequence[Fact] = (), files: Sequence[Attachment] = ()
) -> Advice | None:
    """The recommendation in a case, if there is one.

    The variable has ``route`` (or ``suggested_route``), and as far as the agent says them: ``confidence`` from 0 to 1, ``rationale``,
    ``cited_fields`` (paths of variables), ``citations`` (ids of earlier cases, or ``{"quote", "document", "page", "document_id"}``), and
    ``would_change`` (sentences, or ``{"path", "to", "route"}``).

    Args:
        variables: what the task sees.
        name: the variable with the recommendation.
        say: the reader's words.
        judged: verdicts so far.
        files: the case's files, which citations lead to.
    """
    found = variables.get(name)
    if not isinstance(found, Mapping):
        return None
    given = cast("Mapping[str, Any]", found)
    route = given.get("suggested_route") or given.get("route")
    if not isinstance(route, str) or not route:
        return None
    sure = given.get("confidence")
    fields = given.get("cited_fields")
    return Advice(
        route=route_words(route, say),
        percent=round(100 * min(max(float(sure), 0.0), 1.0)) if isinstance(sure, int | float) and not isinstance(sure, bool) else None,
        rationale=str(given.get("rationale") or ""),
        hand_over=str(given.get("human_reason") or "") if given.get("needs_human") else "",
        strategy=str(given.get("strategy") or ""),
        cited=[_cited(path, variables, say) for path in cast("list[Any]", fields) if isinstance(path, str)]
        if isinstance(fields, list)
        else [],
        quotes=[_quote(one, files) for one in _listed(given, "citations") if isinstance(one, Mapping)],
        similar=[one for one in _listed(given, "citations") if isinstance(one, str)],
        would_change=[_change(one, variables, say) for one in _listed(given, "would_change") if isinstance(one, Mapping | str)],
        judged=judged[-1] if judged else None,
    )


def _listed(given: Mapping[str, Any], name: str) -> list[Any]:
    """A list of the recommendation's own, or of its evidence."""
    evidence = given.get("evidence")
    found = given.get(name)
    if found is None and isinstance(evidence, Mapping):
        found = cast("Mapping[str, Any]", evidence).get(name)
    return cast("list[Any]", found)[:MOST_SHOWN] if isinstance(found, list) else []


def _quote(given: Any, files: Sequence[Attachment]) -> Quote:
    one = cast("Mapping[str, Any]", given)
    page, file = one.get("page"), str(one.get("document_id") or one.get("documentId") or "")
    known = next((each for each in files if each.id == file or (not file and each.name == one.get("document"))), None)
    return Quote(
        str(one.get("quote") or one.get("text") or ""),
        known.name if known is not None else str(one.get("document") or ""),
        page if isinstance(page, int) and page > 0 else 0,
        known.id if known is not None else "",
    )


def _change(given: Any, variables: Mapping[str, Any], say: Say) -> Change:
    if isinstance(given, str):
        return Change(given)
    one = cast("Mapping[str, Any]", given)
    path, then = str(one.get("path") or one.get("field") or ""), one.get("route") or one.get("then")
    known = _cited(path, variables, say) if path else None
    return Change(
        str(one.get("text") or (known.label if known is not None else "")),
        known.text if known is not None else "",
        in_words(one["to"], say) if "to" in one else "",
        route_words(str(then), say) if then else "",
    )


def route_words(route: str, say: Say) -> str:
    """A route as people call it."""
    try:
        return say(f"route.{route}")
    except KeyError:
        return label_of(route)


def _cited(path: str, variables: Mapping[str, Any], say: Say) -> Row:
    value = at_path(variables, path)
    if value is MISSING:
        # An agent may cite a field of the case's main object without naming the object.
        inside = [at_path(cast("Mapping[str, Any]", one), path) for one in variables.values() if isinstance(one, Mapping)]
        value = next((one for one in inside if one is not MISSING), MISSING)
    label = label_of(path.split(".")[-1])
    return row(label, value, say) if value is not MISSING else Row(label, say("not-known"))
