"""A submission, checked against its form on the server: what the form would let a person enter, and nothing else.

What comes out is exactly what form-js would submit for the same entries (so a process cannot tell our inbox from Tasklist): every field that
is shown and not disabled, with what was entered, or what was there before. What a person cannot change in the browser (hidden, readonly and
disabled fields, computed ones, variables without a field) cannot be changed by a hand-made request either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from camunda_workers.tasks.errors import FormRejected
from camunda_workers.tasks.forms.data import MISSING, Path, as_list, as_object, copied, get, put, shown, too_deep, unknown_paths
from camunda_workers.tasks.forms.feel import FeelEvaluator
from camunda_workers.tasks.forms.instances import Instance, first_rows, settle
from camunda_workers.tasks.forms.messages import Message, say
from camunda_workers.tasks.forms.options import among, same
from camunda_workers.tasks.forms.patterns import in_time
from camunda_workers.tasks.forms.rows import moved
from camunda_workers.tasks.forms.schema import EMPTY, Field, FormModel, Kind, is_expression
from camunda_workers.tasks.forms.values import is_empty, rule_problems, type_problem

Problems = dict[str, list[Message]]


@dataclass(frozen=True)
class Surroundings:
    """What a submission is checked with.

    Attributes:
        variables: what the task sees: the engine's variables, whole.
        feel: evaluates the form's expressions.
        now: the time.
        documents: ids of the documents that may be handed in: those attached to this case.
    """

    variables: Mapping[str, Any]
    feel: FeelEvaluator
    now: datetime
    documents: frozenset[str] = frozenset()


def check_submission(form: FormModel, submitted: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    """Check what was entered.

    Args:
        form: the form, as deployed.
        submitted: form-js's data: nested as the keys say. A field that is not in it keeps what it has.
        around: the task's variables and the means to check.

    Returns:
        The variables to complete the task with.

    Raises:
        FormRejected: with the messages to show beside the fields.
        InvalidArgument: an expression of the form cannot be evaluated.
        CamundaWorkersError: the form needs FEEL, and nothing here can evaluate it.
    """
    if as_object(submitted) is None:
        raise FormRejected({"": [say("no-object")]})
    if too_deep(submitted):
        raise FormRejected({"": [say("deep")]})
    problems: Problems = {shown(path): [say("unknown")] for path in unknown_paths(submitted, list(value_paths(form.root, ())))}
    for path, one in _entered_lists(form.root, submitted, ()):
        if not isinstance(one, list) and one is not None:
            problems[shown(path)] = [say("list")]
    if problems:
        raise FormRejected(problems)
    data = _overlaid(form, submitted, around.variables)
    _keep_locked(form, data, submitted, around)
    picture = settle(form, data, around.feel)
    result: dict[str, Any] = {}
    with in_time():
        for one in picture.instances:
            messages = [*_check(one, submitted, picture.data, around, result)]
            if messages:
                problems.setdefault(shown(one.path), []).extend(messages)
    if problems:
        raise FormRejected(problems)
    return result


def value_paths(components: Sequence[Field], base: Path) -> Iterator[Path]:
    """Where values may be; rows of lists count as row ``0``."""
    for one in components:
        path = (*base, *one.own_path)
        if one.kind is Kind.KEYED:
            yield path
        elif one.kind in (Kind.GROUP, Kind.LIST):
            yield from value_paths(one.children, (*path, 0) if one.kind is Kind.LIST else path)


def _entered_lists(components: Sequence[Field], submitted: Mapping[str, Any], base: Path) -> Iterator[tuple[Path, Any]]:
    for one in components:
        path = (*base, *one.own_path)
        if one.kind is Kind.GROUP:
            yield from _entered_lists(one.children, submitted, path)
        elif one.kind is Kind.LIST and (rows := get(submitted, path)) is not MISSING:
            yield path, rows
            if isinstance(rows, list):
                for number in range(len(cast("list[Any]", rows))):
                    yield from _entered_lists(one.children, submitted, (*path, number))


def _overlaid(form: FormModel, submitted: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, with what was entered over them: fields by field, lists as a whole, and first values where there is nothing yet."""
    data = cast("dict[str, Any]", copied(variables))

    def lay(components: Sequence[Field], base: Path) -> None:
        for one in components:
            path = (*base, *one.own_path)
            given = get(submitted, path)
            if one.kind is Kind.GROUP:
                lay(one.children, path)
            elif one.kind is Kind.LIST:
                if isinstance(given, list):
                    put(data, path, [row if isinstance(row, dict) else {} for row in cast("list[Any]", copied(given))])
            elif one.kind is Kind.KEYED and given is not MISSING:
                put(data, path, copied(given))

    lay(form.root, ())
    first_rows(form, data)
    return data


def _keep_locked(form: FormModel, data: dict[str, Any], submitted: Mapping[str, Any], around: Surroundings) -> None:
    """Conditions must not be decided by values that nobody may set: disabled and computed fields keep what the task has."""

    def lock(components: Sequence[Field], base: Path) -> None:
        for one in components:
            path = (*base, *one.own_path)
            if one.kind is Kind.GROUP:
                lock(one.children, path)
            elif one.kind is Kind.KEYED:
                locked = one.disabled or one.readonly is True or one.type == "expression"
                if locked or get(submitted, path) is MISSING:
                    put(data, path, initial(one, get(around.variables, path)))
            elif one.kind is Kind.LIST:
                # A row may have moved, so what it had before cannot be told by its number; its locked fields are compared in `_check`.
                for number, _ in enumerate(cast("list[Any]", get(data, path))):
                    if get(submitted, path) is MISSING:
                        lock(one.children, (*path, number))
                    else:
                        _begin(one.children, data, (*path, number))

    lock(form.root, ())


def _begin(components: Sequence[Field], data: dict[str, Any], base: Path) -> None:
    for one in components:
        path = (*base, *one.own_path)
        if one.kind is Kind.KEYED and get(data, path) is MISSING:
            put(data, path, initial(one, MISSING))
        elif one.kind is Kind.GROUP:
            _begin(one.children, data, path)


def initial(field: Field, value: Any) -> Any:
    """What form-js puts into a field before anybody enters something: the variable, the default, or nothing."""
    if value is MISSING:
        default = field.raw.get("defaultValue", MISSING)
        return copied(EMPTY.get(field.type) if default is MISSING else default)
    if field.type in ("expression", "filepicker"):
        return copied(value)
    fits = value is not None and type_problem(field, value) is None
    return copied(value) if fits else copied(EMPTY.get(field.type))


def _check(
    one: Instance, submitted: Mapping[str, Any], data: Mapping[str, Any], around: Surroundings, result: dict[str, Any]
) -> Iterator[Message]:
    given = get(submitted, one.path)
    if one.field.kind is Kind.LIST:
        yield from _check_list(one, given, data, around, result)
        return
    field, current = one.field, get(around.variables, one.path)
    changed = given is not MISSING and not _is_current(one, given, around)
    if one.hidden:
        # Emptying what is not shown is what form-js does itself.
        if changed and not is_empty(given):
            yield say("hidden")
        return
    if field.disabled:
        if changed:
            yield say("disabled")
        return
    context = one.scope.context(data)
    readonly = field.readonly
    if is_expression(readonly):
        readonly = around.feel.evaluate(str(readonly), context) is True
    if readonly and changed:
        yield say("readonly")
        return
    value = get(data, one.path)
    if field.type == "expression":
        put(result, one.path, value)
        return
    if readonly and not _in_list(one):
        value = initial(field, current)
    wrong = type_problem(field, value)
    if wrong is not None:
        yield wrong
        return
    yield from rule_problems(field, value, context, around.feel, around.now)
    if field.type == "filepicker":
        yield from _document_problems(value, current, around)
    put(result, one.path, value)


def _in_list(one: Instance) -> bool:
    return bool(one.scope.numbers)


def _is_current(one: Instance, given: Any, around: Surroundings) -> bool:
    """Whether a value is what the task has there. Rows may have moved: then any row's value will do."""
    if not _in_list(one):
        current = get(around.variables, one.path)
        return same(given, None if current is MISSING else current) or same(given, initial(one.field, current))
    values = [initial(one.field, found) for found in _column(around.variables, one.path)]
    return among(given, [*values, initial(one.field, MISSING), None])


def _column(data: Any, path: Path) -> Iterator[Any]:
    at = next((number for number, part in enumerate(path) if isinstance(part, int)), None)
    if at is None:
        if (value := get(data, path)) is not MISSING:
            yield value
        return
    rows = get(data, path[:at])
    for row in cast("list[Any]", rows) if isinstance(rows, list) else ():
        yield from _column(row, path[at + 1 :])


def _check_list(one: Instance, given: Any, data: Mapping[str, Any], around: Surroundings, result: dict[str, Any]) -> Iterator[Message]:
    before = get(around.variables, one.path)
    if one.hidden:
        if given is not MISSING and not is_empty(given) and not same(given, before):
            yield say("hidden")
        return
    rows = cast("list[Any]", get(data, one.path))
    put(result, one.path, [{} for _ in rows])
    times = len(cast("list[Any]", before)) if isinstance(before, list) else one.field.raw.get("defaultRepetitions", 1)
    if not one.field.raw.get("allowAddRemove", True) and len(rows) != times:
        yield say("rows", times=times)
    if given is not MISSING and moved(one.field, as_list(given) or [], before, initial):
        yield say("readonly")


def _document_problems(value: Any, current: Any, around: Surroundings) -> Iterator[Message]:
    for one in as_list(value) or []:
        known = (as_object(one) or {}).get("documentId") in around.documents
        already = among(one, as_list(current) or [])
        if not (known or already):
            yield say("attached")
            return
