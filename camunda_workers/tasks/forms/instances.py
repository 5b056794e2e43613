"""Which fields of a form there are for given data: once per row of a list, each hidden or shown; and what their expressions see.

This follows form-js 1.24: an expression sees the task's variables with what was entered over them, without the values of hidden fields,
and inside a list also ``this``, ``parent`` and ``i`` (and the same between underscores).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.forms.data import MISSING, Path, copied, get, put, remove
from camunda_workers.tasks.forms.feel import FeelEvaluator
from camunda_workers.tasks.forms.options import same
from camunda_workers.tasks.forms.schema import Field, FormModel, Kind

MOST_ROWS: Final = 1000


@dataclass(frozen=True)
class Scope:
    """Where in the data a component is, and what is special there.

    Attributes:
        base: the path that the component's own path continues.
        hidden: whether a component around it is hidden.
        conditional: whether a component around it may be hidden.
    """

    base: Path = ()
    this: Any = None
    parent: Any = None
    numbers: Sequence[int] = ()
    hidden: bool = False
    conditional: bool = False

    def context(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What expressions see here."""
        special = {"this": self.this if self.numbers else data, "parent": self.parent, "i": list(self.numbers)}
        return {**special, **data, **{f"_{name}_": value for name, value in special.items()}}


@dataclass(frozen=True)
class Instance:
    """One field for one place in the data."""

    field: Field
    path: Path
    hidden: bool
    scope: Scope
    conditional: bool = False


@dataclass
class Picture:
    """A form with data in it.

    Attributes:
        data: variables with what was entered over them, computed fields computed, hidden fields' values gone.
        instances: every field there is.
    """

    data: dict[str, Any]
    instances: list[Instance] = field(default_factory=list[Instance])


def settle(form: FormModel, data: Mapping[str, Any], feel: FeelEvaluator) -> Picture:
    """Find out what is hidden and what computed fields come to, until neither changes any more.

    Raises:
        InvalidArgument: an expression cannot be evaluated, or they chase each other.
    """
    complete = cast("dict[str, Any]", copied(data))
    before: set[Path] | None = None
    # From below: a field that may be hidden counts only once a condition that holds without it has shown it. Two fields that each show the
    # other would otherwise be there because a request says so.
    visible = _without(complete, (one.path for one in walk(form.root, complete, Scope(), feel) if one.conditional))
    for _ in range(len(form.fields) + 2):
        instances = list(walk(form.root, visible, Scope(), feel))
        computed = _compute(instances, complete, visible, feel)
        hidden = {one.path for one in instances if one.hidden}
        visible = _without(complete, hidden)
        if hidden == before and not computed:
            return Picture(visible, instances)
        before = hidden
    raise InvalidArgument(f"the conditions of form '{form.id}' contradict each other: what is shown never settles")


def _without(data: Mapping[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    rest = cast("dict[str, Any]", copied(data))
    for path in paths:
        remove(rest, path)
    return rest


def _compute(instances: Sequence[Instance], complete: dict[str, Any], visible: Mapping[str, Any], feel: FeelEvaluator) -> bool:
    changed = False
    for one in instances:
        if one.field.type == "expression" and not one.hidden:
            value = feel.evaluate(str(one.field.raw.get("expression") or "=null"), one.scope.context(visible))
            if not same(get(complete, one.path), value):
                put(complete, one.path, value)
                changed = True
    return changed


def walk(components: Sequence[Field], data: Mapping[str, Any], scope: Scope, feel: FeelEvaluator) -> Iterator[Instance]:
    """Every field, in the form's order."""
    for one in components:
        hidden = scope.hidden or (one.hide is not None and feel.evaluate(one.hide, scope.context(data)) is True)
        conditional = scope.conditional or one.hide is not None
        path = (*scope.base, *one.own_path)
        inside = Scope(path, scope.this, scope.parent, scope.numbers, hidden, conditional)
        if one.kind is Kind.KEYED:
            yield Instance(one, path, hidden, scope, conditional)
        elif one.kind is Kind.GROUP:
            yield from walk(one.children, data, inside, feel)
        elif one.kind is Kind.LIST:
            # The list itself counts as a value: whether it may be there at all is decided for it as for a field.
            yield Instance(one, path, hidden, scope, conditional)
            yield from _rows(one, data, inside, feel)


def _rows(one: Field, data: Mapping[str, Any], scope: Scope, feel: FeelEvaluator) -> Iterator[Instance]:
    rows = get(data, scope.base)
    if not isinstance(rows, list) or scope.hidden:
        return
    given = cast("list[Any]", rows)
    if len(given) > MOST_ROWS:
        raise InvalidArgument(f"'{'.'.join(map(str, scope.base))}' has {len(given)} rows; {MOST_ROWS} are the most a form takes")
    for number, row in enumerate(given):
        outer = scope.this if scope.numbers else data
        inside = Scope((*scope.base, number), row, outer, (*scope.numbers, number + 1), conditional=scope.conditional)
        yield from walk(one.children, data, inside, feel)


def first_rows(form: FormModel, data: dict[str, Any]) -> None:
    """Give every list that has no rows in the data those that form-js would begin with."""

    def fill(components: Sequence[Field], base: Path) -> None:
        for one in components:
            path = (*base, *one.own_path)
            if one.kind is Kind.GROUP:
                fill(one.children, path)
            elif one.kind is Kind.LIST:
                if not isinstance(get(data, path), list):
                    times = one.raw.get("defaultRepetitions", 1)
                    put(data, path, [{} for _ in range(times if isinstance(times, int) and 0 <= times <= MOST_ROWS else 1)])
                for number, _ in enumerate(cast("list[Any]", get(data, path))):
                    fill(one.children, (*path, number))

    fill(form.root, ())


__all__ = ["MISSING", "Instance", "Picture", "Scope", "first_rows", "settle", "walk"]
