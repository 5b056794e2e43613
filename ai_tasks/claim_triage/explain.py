"""What triage can compute about its own answer: what would have changed it, and where documents say what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, cast

from pydantic import JsonValue

from ai_tasks.claim_triage import rules
from ai_tasks.claim_triage.facts import Route, TriageAnswer
from camunda_workers.ai import Change, Explanation, HandOver, Paper, Question, Quote
from camunda_workers.ai.explain import quote_at
from camunda_workers.ai.output import value_at
from camunda_workers.ai.quotes import passage
from camunda_workers.ai.retrieval import Memory

_MOST: Final = 6
_TRIED: Final = 4
"""Values of a compared fact that are tried: the most frequent ones, which are also those that most is known about."""
_BANDS: Final = ("low", "medium", "high")
_How = Literal["equals", "at_most", "above"]
_SAYS_NOTHING: Final = frozenset({"?", "yes", "no", "none", "other"})


def explainer(memory: Memory) -> Callable[[Question[TriageAnswer], str, TriageAnswer, HandOver | None], Explanation]:
    """For :class:`camunda_workers.ai.AiTask`: computed from the same rules and the same history as the answer was."""

    def explain(question: Question[TriageAnswer], strategy: str, answer: TriageAnswer, hand_over: HandOver | None) -> Explanation:
        if strategy == "retrieval":
            changes = what_if(question.facts, answer.route, lambda facts: by_retrieval(memory, facts), compared(memory))
            return Explanation(tuple(mentions(question.papers, question.facts, answer.cited_fields)), changes)
        # A model is not asked again: what it proposed stays as it is, and only the limits around it are computed.
        return Explanation(would_change=what_if(question.facts, answer.route, lambda facts: by_limits(facts, answer), {}))

    return explain


def by_limits(facts: Mapping[str, JsonValue], answer: TriageAnswer) -> Route:
    """Where a claim goes when somebody has proposed this for it."""
    stands = rules.POLICY.judge(confidence=answer.confidence, tokens=0, cost=0) is None and rules.limit(facts, answer) is None
    return answer.route if stands else "assess"


def by_retrieval(memory: Memory, facts: Mapping[str, JsonValue]) -> Route:
    """Where a claim goes by its nearest earlier claims."""
    found = memory.ask(facts)
    return "assess" if found is None else by_limits(facts, rules.conclude(facts, found))


def compared(memory: Memory) -> dict[str, tuple[JsonValue, ...]]:
    """The facts that earlier claims are compared by, with the values that most of them had; numbers on a scale are left out."""
    found = {feature.path: memory.values(feature.path) for feature in memory.settings.features if feature.kind == "category"}
    return {path: values[:_TRIED] for path, values in found.items()}


def what_if(
    facts: Mapping[str, JsonValue],
    proposed: Route,
    decide: Callable[[Mapping[str, JsonValue]], Route],
    values: Mapping[str, tuple[JsonValue, ...]],
) -> tuple[Change, ...]:
    """Single facts that, were they otherwise, would have sent the claim elsewhere: each is tried.

    Args:
        facts: of the claim.
        proposed: what was proposed; a change that leads to just that is none for whoever reads it.
        decide: the decision, to be asked again.
        values: what else the compared facts could be.
    """
    now = decide(facts)
    found: list[Change] = []
    for path, how, to, tried in _candidates(facts, values):
        then = decide(_with(facts, path, tried))
        if then not in (now, proposed) and not any((one.path, one.how, one.route) == (path, how, then) for one in found):
            found.append(Change(path=path, how=how, to=to, route=then, source="computed"))
            if len(found) == _MOST:
                break
    return tuple(found)


def _candidates(
    facts: Mapping[str, JsonValue], values: Mapping[str, tuple[JsonValue, ...]]
) -> Iterator[tuple[str, _How, JsonValue, JsonValue]]:
    amount, deductible = value_at(facts, "claim.total_amount"), value_at(facts, "policy.deductible")
    # Where earlier claims are compared, another amount has other neighbours: then only the amount that was tried is said.
    exact: _How | None = "equals" if values else None
    if isinstance(amount, int | float):
        if amount > rules.STRAIGHT_THROUGH_LIMIT:
            yield "claim.total_amount", exact or "at_most", rules.STRAIGHT_THROUGH_LIMIT, rules.STRAIGHT_THROUGH_LIMIT
        else:
            yield "claim.total_amount", "above", rules.STRAIGHT_THROUGH_LIMIT, rules.STRAIGHT_THROUGH_LIMIT + 1
        if isinstance(deductible, int | float) and deductible < amount:
            yield "claim.total_amount", exact or "at_most", deductible, deductible
    for band in _BANDS:
        if band != value_at(facts, "fraud.band"):
            yield "fraud.band", "equals", band, band
    for path, others in values.items():
        for one in others:
            if one != value_at(facts, path) and one != "?":
                yield path, "equals", one, one


def _with(facts: Mapping[str, JsonValue], path: str, value: JsonValue) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    if not rest:
        return {**facts, head: value}
    return {**facts, head: _with(cast("Mapping[str, JsonValue]", facts[head]), rest, value)}


def mentions(papers: tuple[Paper, ...], facts: Mapping[str, JsonValue], cited: tuple[str, ...]) -> Iterator[Quote]:
    """Where the claim's documents say the same as the facts that earlier claims were compared by, once for each fact and document."""
    seen: set[tuple[str, int, int]] = set()
    for path in cited:
        words = _words(value_at(facts, path))
        for paper in papers if words else ():
            for page in paper.seen:
                at = next((at for word in words if (at := page.text.lower().find(word)) >= 0), -1)
                if at < 0:
                    continue
                start, end = passage(page.text, at, at + 1)
                if (paper.id, page.number, start) not in seen:
                    seen.add((paper.id, page.number, start))
                    yield quote_at(paper, page, start, end, "computed")
                break


def _words(value: JsonValue) -> tuple[str, ...]:
    if isinstance(value, str) and value.lower() not in _SAYS_NOTHING and len(value) > 3:
        return (value.lower(),)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1_000:
        return (f"{value:,.0f}", f"{value:.0f}")
    return ()
