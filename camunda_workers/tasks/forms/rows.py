"""Rows of a list: people add and remove them, and change nothing in them that is locked. A row that was there before keeps what it had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from camunda_workers.tasks.forms.data import MISSING, Path, get
from camunda_workers.tasks.forms.options import same
from camunda_workers.tasks.forms.schema import EMPTY, Field, Kind

Initial = Callable[[Field, Any], Any]
"""What form-js begins a field with."""


def moved(field: Field, rows: Sequence[Any], before: Any, initial: Initial) -> bool:
    """Whether rows carry locked values that they could not have got in the form: another row's, or none where there was one.

    Args:
        field: the list.
        rows: as they were submitted.
        before: as the task has them.
        initial: see there.
    """
    locked = list(_locked(field.children, (), conditional=False))
    old = cast("list[Any]", before) if isinstance(before, list) else []
    if not locked:
        return False

    def is_of(row: Any, former: Any) -> bool:
        for one, path, is_sent in locked:
            given = get(row, path) if isinstance(row, Mapping) else MISSING
            if (given is MISSING and not is_sent) or same(_shown(one, initial(one, given)), _shown(one, initial(one, get(former, path)))):
                continue
            return False
        return True

    if not field.raw.get("allowAddRemove", True):
        return not all(is_of(row, old[number] if number < len(old) else {}) for number, row in enumerate(rows))
    # What is left of the old rows is in their order, with new ones, which are empty, between them.
    at = 0
    for row in rows:
        found = next((number for number in range(at, len(old)) if is_of(row, old[number])), None)
        if found is not None:
            at = found + 1
        elif not is_of(row, {}):
            return True
    return False


def _shown(field: Field, value: Any) -> Any:
    """A value, or null where the field shows nothing."""
    return None if same(value, EMPTY.get(field.type)) else value


def _locked(components: Sequence[Field], base: Path, *, conditional: bool) -> Iterator[tuple[Field, Path, bool]]:
    """Fields of a row that nobody can change, where they are, and whether form-js always sends them."""
    for one in components:
        path, may_hide = (*base, *one.own_path), conditional or one.hide is not None
        if one.kind is Kind.GROUP:
            yield from _locked(one.children, path, conditional=may_hide)
        elif one.kind is Kind.KEYED and one.type != "expression" and (one.disabled or one.readonly is True):
            yield one, path, not (one.disabled or may_hide)
