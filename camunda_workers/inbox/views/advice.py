"""What an agent recommends, why, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from camunda_workers.inbox.views.glance import MISSING, Row, at_path, in_words, label_of, row
from camunda_workers.inbox.views.times import Say
from camunda_workers.tasks.documents import CaseDocument
from camunda_workers.tasks.duties.sink import Fact

JUDGED = "advice.judged"
"""The kind of fact that a person's verdict on a recommendation is."""


MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Quote:
    """A place in a document.

    Attributes:
        file: the id of the case's file that it is in, where it is one.
        page: counted from one; 0 where it is not said.
        number: of the quotes of this recommendation, counted from one.
        start: where it begins in the page's text; -1 where it is not said.
        end: where it ends.
    """

    text: str
    document: str
    page: int = 0
    file: str = ""
    number: int = 0
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class Change:
    """What would have to be otherwise.

    Attributes:
        text: in a sentence.
        is_computed: the decision was made again with that; otherwise the agent says so.
    """

    text: str
    is_computed: bool = False


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
        dropped: so many quotes of the agent's are in no document, and are not among ``quotes``.
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
    dropped: int = 0


def advice(
    variables: Mapping[str, Any], name: str, say: Say, judged: Sequence[Fact] = (), files: Sequence[CaseDocument] = ()
) -> Advice | None:
    """The recommendation in a case, if there is one.

    The variable has ``route`` (or ``suggested_route``), and as far as the agent says them: ``confidence`` from 0 to 1, ``rationale``,
    ``cited_fields`` (paths of variables), ``citations`` (ids of earlier cases), ``quotes`` (``{"quote", "document", "page", "document_id", "start", "end"}``;
    in earlier cases among ``citations``), and ``would_change`` (sentences, or ``{"path", "how", "to", "route", "source"}``). All but the route may also
    stand in ``evidence``, as a :class:`camunda_workers.ai.DecisionEvidence` has them.

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
        quotes=[_quote(one, number, files) for number, one in enumerate(_quoted(given), start=1)],
        similar=[one for one in _listed(given, "citations") if isinstance(one, str)],
        would_change=[_change(one, variables, say) for one in _listed(given, "would_change") if isinstance(one, Mapping | str)],
        judged=judged[-1] if judged else None,
        dropped=_dropped(given),
    )


def _quoted(given: Mapping[str, Any]) -> list[Any]:
    """Quotes; those of earlier cases stand among the citations."""
    return [one for name in ("quotes", "citations") for one in _listed(given, name) if isinstance(one, Mapping)]


def _dropped(given: Mapping[str, Any]) -> int:
    evidence = given.get("evidence")
    found = cast("Mapping[str, Any]", evidence).get("dropped_quotes") if isinstance(evidence, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _listed(given: Mapping[str, Any], name: str) -> list[Any]:
    """A list of the recommendation's own, or of its evidence."""
    evidence = given.get("evidence")
    found = given.get(name)
    if found is None and isinstance(evidence, Mapping):
        found = cast("Mapping[str, Any]", evidence).get(name)
    return cast("list[Any]", found)[:MOST_SHOWN] if isinstance(found, list) else []


def _quote(given: Any, number: int, files: Sequence[CaseDocument]) -> Quote:
    one = cast("Mapping[str, Any]", given)
    page, file = one.get("page"), str(one.get("document_id") or one.get("documentId") or "")
    start, end = one.get("start"), one.get("end")
    known = next(
        (each for each in files if file in (each.id, each.reference.document_id) or (not file and each.name == one.get("document"))), None
    )
    return Quote(
        str(one.get("quote") or one.get("text") or ""),
        known.name if known is not None else str(one.get("document") or ""),
        page if isinstance(page, int) and page > 0 else 0,
        known.id if known is not None else "",
        number,
        start if isinstance(start, int) else -1,
        end if isinstance(end, int) else -1,
    )


def _change(given: Any, variables: Mapping[str, Any], say: Say) -> Change:
    if isinstance(given, str):
        return Change(given)
    one = cast("Mapping[str, Any]", given)
    path, then = str(one.get("path") or one.get("field") or ""), one.get("route") or one.get("then")
    is_computed = one.get("source") == "computed"
    if one.get("text") or not path or "to" not in one:
        return Change(str(one.get("text") or label_of(path.split(".")[-1])), is_computed)
    known = _cited(path, variables, say)
    how = {"at_most": "advice.if-at-most", "above": "advice.if-above"}.get(str(one.get("how")), "advice.if-equals")
    to = in_words(one["to"], say)
    return Change(say(how, what=known.label, to=to, now=known.text, then=route_words(str(then), say) if then else "…"), is_computed)


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
