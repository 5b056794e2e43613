"""Values and durations in a few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

BRIEF = 110
"""Characters of a value that a line has room for."""


def cut(text: str, length: int = BRIEF) -> str:
    """The text on one line, shortened with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def brief(value: Any) -> str:
    """A JSON value in a few words: ``outcome approve, amount 11500``."""
    return cut(_words(value, 0))


def variables(given: Mapping[str, Any]) -> str:
    """Variables in a few words; one object alone is opened, several are listed."""
    return cut("; ".join(f"{name}: {_words(value, 1) if len(given) > 1 else _words(value, 0)}" for name, value in given.items()))


def _words(value: Any, depth: int) -> str:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value)
        if depth > 1:
            return f"{{{len(items)} fields}}"
        said = {name: one for name, one in items.items() if one is not None and one != ""}
        # Plain values first: they say most in the room there is.
        ordered = sorted(said.items(), key=lambda item: isinstance(item[1], Mapping | list))
        return ", ".join(f"{name} {_words(one, depth + 1)}" for name, one in ordered) or "nothing"
    if isinstance(value, Sequence) and not isinstance(value, str):
        some = [_words(one, depth + 1) for one in cast("Sequence[Any]", value)]
        return f"[{', '.join(some)}]" if len(some) <= 3 else f"[{', '.join(some[:3])} and {len(some) - 3} more]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(round(value, 2))
    return "none" if value is None else str(value)


def from_json_text(text: Any) -> Any:
    """A value that the engine writes as JSON text; the text itself when it is none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def duration(span: timedelta) -> str:
    """Two units at most: ``380 ms``, ``12 s``, ``3 min``, ``2 h 15 min``, ``3 d 4 h``."""
    seconds = span.total_seconds()
    if seconds < 0:
        return f"-{duration(-span)}"
    if seconds == 0:
        return "0 s"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"
