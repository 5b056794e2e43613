"""Values inside JSON data, addressed by paths: ``("items", 0, "name")``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias, TypeGuard, cast

Path: TypeAlias = tuple[str | int, ...]

DEEPEST: Final = 60
HUGE: Final = 1e300
"""No number that people enter is as large."""


class Missing:
    """Where there is no value, which is not the same as null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


def as_object(value: Any) -> Mapping[str, Any] | None:
    """The value, if it is a JSON object."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def as_list(value: Any) -> list[Any] | None:
    """The value, if it is a JSON list."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def get(data: Any, path: Path) -> Any:
    """The value at a path; ``MISSING`` where there is none."""
    for part in path:
        if isinstance(part, int):
            if not isinstance(data, list) or not 0 <= part < len(cast("list[Any]", data)):
                return MISSING
            data = cast("list[Any]", data)[part]
        else:
            if not isinstance(data, Mapping) or part not in data:
                return MISSING
            data = cast("Mapping[str, Any]", data)[part]
    return data


def put(data: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a path; objects and rows on the way are made where they are missing or are something else."""
    here: Any = data
    for part, following in pairwise(path):
        inner: Any = get(here, (part,))
        wanted: type = list if isinstance(following, int) else dict
        if not isinstance(inner, wanted):
            inner = wanted()
            _set(here, part, inner)
        here = inner
    _set(here, path[-1], value)


def _set(here: Any, part: str | int, value: Any) -> None:
    if isinstance(part, int):
        rows = cast("list[Any]", here)
        rows.extend({} for _ in range(part + 1 - len(rows)))
        rows[part] = value
    else:
        here[part] = value


def remove(data: dict[str, Any], path: Path) -> None:
    """Remove the value at a path, and what is empty because of it, as form-js does with hidden fields."""
    while path:
        holder: Any = get(data, path[:-1])
        last = path[-1]
        if isinstance(last, int) or not isinstance(holder, dict):
            return  # rows stay: the numbers of the others would change
        fields = cast("dict[str, Any]", holder)
        fields.pop(last, None)
        if fields:
            return
        path = path[:-1]


def copied(value: Any) -> Any:
    """A copy that shares no object or list with the original."""
    if isinstance(value, Mapping):
        return {name: copied(one) for name, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [copied(one) for one in cast("list[Any]", value)]
    return value


def too_deep(value: Any, depth: int = 0) -> bool:
    """Whether data is nested deeper than anybody fills in a form."""
    if depth > DEEPEST:
        return True
    inner: Sequence[Any] = ()
    if isinstance(value, Mapping):
        inner = list(cast("Mapping[str, Any]", value).values())
    elif isinstance(value, list):
        inner = cast("list[Any]", value)
    return any(too_deep(one, depth + 1) for one in inner)


def is_plain_json(value: Any) -> bool:
    """Whether data is JSON that every reader takes: no numbers that are none, none beyond what any reader counts to, no halves of characters."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return not _has_huge_number(value)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < HUGE  # neither infinite, nor an integer of a thousand digits; and nothing compares with what is no number


def _has_huge_number(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_huge_number, cast("Mapping[str, Any]", value).values()))
    if isinstance(value, list):
        return any(map(_has_huge_number, cast("list[Any]", value)))
    return isinstance(value, int) and abs(value) >= 2**63


def shown(path: Path) -> str:
    """A path as text: ``items.0.name``."""
    return ".".join(str(part) for part in path)


def unknown_paths(data: Mapping[str, Any], known: Sequence[Path], here: Path = ()) -> Iterator[Path]:
    """Paths of values that are neither at a known path, nor inside of one, nor on the way to one. Rows of lists count as row ``0``."""
    for name, value in data.items():
        path = (*here, name)
        if any(path[: len(one)] == one for one in known):
            continue
        longer = [one for one in known if one[: len(path)] == path]
        if not longer:
            yield path
        elif isinstance(value, Mapping):
            yield from unknown_paths(cast("Mapping[str, Any]", value), longer, path)
        elif isinstance(value, list):
            for row in cast("list[Any]", value):
                if isinstance(row, Mapping):
                    yield from unknown_paths(cast("Mapping[str, Any]", row), longer, (*path, 0))
                elif row is not None:
                    yield path
        elif value is not None:
            yield path
