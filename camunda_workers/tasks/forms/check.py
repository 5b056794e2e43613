"""A form, checked before it is deployed: everything in it is supported here, or named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from camunda_workers.errors import BadResource
from camunda_workers.tasks.forms.data import Path, shown
from camunda_workers.tasks.forms.feel import FeelEvaluator
from camunda_workers.tasks.forms.patterns import compiled
from camunda_workers.tasks.forms.schema import CHOICES, Field, FormModel, Kind, is_expression, read_form
from camunda_workers.tasks.forms.submission import value_paths
from camunda_workers.tasks.forms.values import type_problem

SUBTYPES = frozenset({"date", "time", "datetime"})
VALIDATION_TYPES = frozenset({"email", "phone", "custom", "", None})


def check_form(schema: Mapping[str, Any], feel: FeelEvaluator, *, name: str = "") -> list[str]:
    """What keeps a form from being filled in here as it would be in Camunda's Tasklist.

    Args:
        schema: the form as JSON.
        feel: reads the form's expressions.
        name: what to call it; its id when empty.

    Returns:
        One sentence per problem, naming component and property; empty when the form is fine.

    Raises:
        CamundaWorkersError: the form has expressions and nothing here can read FEEL.
    """
    try:
        form = read_form(schema, name=name)
    except BadResource as error:
        return [str(error)]
    problems = list(_twice(form))
    for field in form.fields:
        where = f"{name or form.id}, component '{field.id}' ({field.type})"
        problems += [f"{where}: {text}" for text in _problems(field, feel)]
    return problems


def _twice(form: FormModel) -> Iterator[str]:
    seen: set[Path] = set()
    for path in value_paths(form.root, ()):
        clash = next((other for other in seen if path[: len(other)] == other or other[: len(path)] == path), None)
        if clash is not None:
            yield f"{form.id}: the values '{shown(clash)}' and '{shown(path)}' are in each other's way: give one of the fields another key"
        seen.add(path)


def _problems(field: Field, feel: FeelEvaluator) -> Iterator[str]:
    for property_, expression in field.expressions():
        if (problem := feel.problem(expression)) is not None:
            yield f"{property_} is not FEEL: {problem}"
    if field.hide is not None and not is_expression(field.hide):
        yield "conditional.hide is no expression: begin it with '='"
    if field.kind is not Kind.KEYED:
        return
    rules = field.rules
    if rules.get("validationType") not in VALIDATION_TYPES:
        yield f"validate.validationType '{rules.get('validationType')}' is not known; known are email, phone and custom"
    if pattern := rules.get("pattern"):
        try:
            compiled(str(pattern))
        except ValueError as error:
            yield f"validate.pattern '{pattern}' cannot be checked here: {error}"
    for low, high in (("min", "max"), ("minLength", "maxLength")):
        a, b = rules.get(low), rules.get(high)
        if isinstance(a, int | float) and isinstance(b, int | float) and a > b:
            yield f"validate.{low} {a} is more than validate.{high} {b}: nothing fits"
    if field.type in CHOICES and not any(field.raw.get(source) for source in ("values", "valuesKey", "valuesExpression")):
        yield "has no options: give it values, valuesKey or valuesExpression"
    if field.type == "datetime" and field.raw.get("subtype") not in SUBTYPES:
        yield f"subtype '{field.raw.get('subtype')}' is not known; known are date, time and datetime"
    if field.type == "expression" and not is_expression(field.raw.get("expression")):
        yield "has no expression: begin it with '='"
    default = field.raw.get("defaultValue")
    if default is not None and (wrong := type_problem(field, default)) is not None:
        yield f"defaultValue {default!r} {wrong}"
