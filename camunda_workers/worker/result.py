"""From what a worker function returns to process variables, and from variables to JSON."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Annotated, Any, Never, NoReturn, TypeAlias, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic_core import from_json, to_json, to_jsonable_python
from typing_extensions import TypeAliasType, is_typeddict

from camunda_workers.errors import ConfigurationError
from camunda_workers.worker.outcome import Bpmn, Completed, Corrected, Denied, Failed, Outcome
from camunda_workers.worker.parameters import path_text

Path: TypeAlias = tuple[int | str, ...]

_OUTCOMES = (Completed, Failed, Bpmn, Denied)
_NOT_FINITE = (b"NaN", b"Infinity")
_DEEPEST_SEARCH = 32


class InvalidResult(Exception):
    """What a function returned cannot become process variables; the text names the place and the fix."""


def check_return(hint: Any, *, result: str | None, where: str) -> None:
    """Refuses a return annotation that cannot become variables.

    Args:
        hint: the resolved return annotation; ``Any`` where there is none.
        result: the variable that takes the whole return, if the worker names one.
        where: the function's name for messages.

    Raises:
        ConfigurationError: names the function and the fix.
    """
    if result is not None:
        if not result:
            raise ConfigurationError(f"{where}: result='' names no variable")
        if hint is None or hint is type(None):
            raise ConfigurationError(f"{where}: result='{result}' needs something to return, but the function returns None")
        return
    if not _is_variables(hint):
        shown = getattr(hint, "__name__", str(hint))
        raise ConfigurationError(
            f"{where} returns {shown}, which is not a set of named variables. "
            f"Fix: return a pydantic model, a dataclass or a mapping, or name the variable: @worker(..., result='name')"
        )


def outcome_of(value: object, *, result: str | None) -> Outcome:
    """The outcome that a returned value stands for.

    Raises:
        InvalidResult: the value has no JSON form, or is not a set of variables.
    """
    if isinstance(value, _OUTCOMES):
        return value
    if isinstance(value, Corrected):
        return Completed(result=value)
    if result is not None:
        return Completed({result: _jsonable(value, (result,))})
    if value is None:
        return Completed()
    variables = _jsonable(value, ())
    if not isinstance(variables, dict):
        raise InvalidResult(
            f"the function returned {type(value).__name__}, which is not a set of named variables. "
            "Fix: return a model or a mapping, or name the variable with result='name'"
        )
    return Completed(cast("dict[str, Any]", variables))


def encode(variables: Mapping[str, Any]) -> str:
    """Variables as JSON text, strictly: no NaN, no infinity.

    Raises:
        InvalidResult: names the variable that has no JSON form.
    """
    if not variables:
        return "{}"
    try:
        text = to_json(variables, by_alias=True, inf_nan_mode="constants")
    except Exception as error:
        raise _no_json(variables, (), error) from error
    if any(word in text for word in _NOT_FINITE):
        _require_finite(text)
    return text.decode()


def _jsonable(value: object, path: Path) -> Any:
    try:
        return to_jsonable_python(value, by_alias=True)
    except Exception as error:
        raise _no_json(value, path, error) from error


def _no_json(value: object, path: Path, error: Exception) -> InvalidResult:
    place, culprit = _culprit(value, path)
    name = f"variable '{path_text(place)}'" if place else "the returned value"
    return InvalidResult(
        f"{name} ({type(culprit).__name__}) has no JSON form: {str(error).splitlines()[0]}. "
        "Fix: return what JSON can say (text, finite numbers, lists, mappings, dates, models)"
    )


def _culprit(value: object, path: Path) -> tuple[Path, object]:
    """The innermost part that cannot be converted: only looked for after a failure, so it may take its time."""
    if len(path) >= _DEEPEST_SEARCH:
        return path, value
    for step, part in _parts(value):
        try:
            to_json(part, by_alias=True)
        except Exception:
            return _culprit(part, (*path, step))
    return path, value


def _parts(value: object) -> list[tuple[int | str, object]]:
    if isinstance(value, BaseModel):
        return list(value.__dict__.items())
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return [(str(key), part) for key, part in cast("Mapping[object, object]", value).items()]
    if isinstance(value, list | tuple):
        return list(enumerate(cast("list[object]", value)))
    return []


def _require_finite(text: bytes) -> None:
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError:
        place = path_text(_not_finite(from_json(text), ()) or ())
        message = f"variable '{place}' is not a finite number, and JSON has no NaN or infinity. Fix: return null or leave it out"
        raise InvalidResult(message) from None


def _not_finite(value: object, path: Path) -> Path | None:
    if isinstance(value, float):
        return None if value - value == 0 else path
    for step, part in _parts(value):
        if (found := _not_finite(part, (*path, step))) is not None:
            return found
    return None


def _is_variables(hint: Any) -> bool:
    if isinstance(hint, TypeAliasType):
        return _is_variables(hint.__value__)
    if hint is Any or hint is object or hint is None or hint is type(None) or hint is NoReturn or hint is Never or isinstance(hint, TypeVar):
        return True
    origin = get_origin(hint)
    if origin is Annotated:
        return _is_variables(get_args(hint)[0])
    if origin is Union or origin is types.UnionType:
        return all(_is_variables(member) for member in get_args(hint))
    kind = origin if isinstance(origin, type) else hint
    if not isinstance(kind, type):
        return False
    if issubclass(kind, RootModel):
        return False
    return is_typeddict(kind) or dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel | Mapping)
