"""The options of radio buttons, selects, checklists and tag lists: static, from a variable, or from FEEL; as form-js normalises them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camunda_workers.tasks.forms.data import as_list, as_object
from camunda_workers.tasks.forms.feel import FeelEvaluator
from camunda_workers.tasks.forms.schema import Field


def options_of(field: Field, context: Mapping[str, Any], feel: FeelEvaluator) -> list[Any]:
    """The values that may be chosen; empty when the source has none.

    Args:
        field: one of the choosing fields.
        context: what expressions see: the task's variables with what was entered over them.
        feel: evaluates ``valuesExpression``.
    """
    expression, key = field.raw.get("valuesExpression"), field.raw.get("valuesKey")
    if expression:
        source: Any = feel.evaluate(str(expression), context)
    elif key:
        # form-js takes the key as one name here, dots and all.
        source = context.get(str(key))
    else:
        source = field.raw.get("values")
    return [value for value in map(_value, as_list(source) or []) if value is not None]


def _value(option: Any) -> Any:
    if _simple(option):
        return option
    given = as_object(option)
    if given is not None:
        label, value = given.get("label"), given.get("value")
        labelled = isinstance(label, str) and bool(label)
        if _simple(value) or (labelled and as_object(value)):
            return value
    return None


def _simple(value: object) -> bool:
    # form-js lets through what JavaScript finds truthy, and 0 and false.
    return isinstance(value, bool | int | float) or (isinstance(value, str) and value != "")


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; unlike in Python, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    a, b = as_object(one), as_object(other)
    if a is not None and b is not None:
        return a.keys() == b.keys() and all(same(value, b[name]) for name, value in a.items())
    c, d = as_list(one), as_list(other)
    if c is not None and d is not None:
        return len(c) == len(d) and all(same(x, y) for x, y in zip(c, d, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and one == other


def among(value: Any, values: Sequence[Any]) -> bool:
    """Whether a value is one of these."""
    return any(same(value, one) for one in values)
