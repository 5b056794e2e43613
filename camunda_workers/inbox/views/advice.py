"""What an agent recommends, why, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from camunda_workers.inbox.views.glance import MISSING, Row, at_path, label_of, row
from camunda_workers.inbox.views.times import Say
from camunda_workers.tasks.duties.sink import Fact

JUDGED = "advice.judged"
"""The kind of fact that a person's verdict on a recommendation is."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation.

    Attributes:
        route: what the agent suggests.
        percent: how sure it is; ``None`` when it does not say.
        hand_over: why a person must decide, where the agent itself says so.
        cited: the facts it rests on, with their values now.
        judged: what a person has said about it.
    """

    route: str
    percent: int | None
    rationale: str
    hand_over: str
    strategy: str
    cited: Sequence[Row]
    judged: Fact | None = None


def advice(variables: Mapping[str, Any], name: str, say: Say, judged: Sequence[Fact] = ()) -> Advice | None:
    """The recommendation in a case, if there is one.

    Args:
        variables: what the task sees.
        name: the variable with the recommendation.
        say: the reader's words.
        judged: verdicts so far.
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
        judged=judged[-1] if judged else None,
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
