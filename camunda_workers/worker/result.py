"""From what a worker function returns to process variables."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Annotated, Any, Never, NoReturn, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, RootModel
from typing_extensions import TypeAliasType, is_typeddict

from camunda_workers.client.variables import WrittenVariables, plain_value
from camunda_workers.errors import ConfigurationError
from camunda_workers.worker.outcome import AdHoc, Bpmn, Completed, Corrected, Denied, Failed, Outcome

_OUTCOMES = (Completed, Failed, Bpmn, Denied)


class PlainVariables(dict[str, Any]):
    """Variables that are plain JSON types already, so that nothing is converted twice."""


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
        shown = getattr(hint, "__name__", str(hint)) if get_origin(hint) is None else str(hint)
        raise ConfigurationError(
            f"{where} returns {shown}, which is not a set of named variables. "
            f"Fix: return a pydantic model, a dataclass or a mapping, or name the variable: @worker(..., result='name')"
        )


def outcome_of(value: object, *, result: str | None) -> Outcome:
    """The outcome that a returned value stands for; its variables are not converted yet."""
    if isinstance(value, _OUTCOMES):
        return value
    if isinstance(value, Corrected):
        return Completed(result=value)
    if isinstance(value, AdHoc):
        return Completed(value.variables, value)
    if result is not None:
        return Completed({result: value})
    if value is None:
        return Completed()
    if isinstance(value, Mapping):
        return Completed(cast("Mapping[str, Any]", value))
    return Completed(_fields(value))


def plain(variables: Mapping[str, Any], *, largest: int) -> Mapping[str, Any]:
    """Variables as plain JSON types, proven to be sendable.

    Args:
        variables: what a worker returned or raised.
        largest: how many bytes of JSON the engine takes.

    Raises:
        InvalidResult: names the variable that has no JSON form, or says how much too large they are.
    """
    if not variables:
        return variables
    try:
        converted = variables if isinstance(variables, PlainVariables) else plain_value(variables, what="variables")
        written = WrittenVariables(converted)
    except Exception as error:
        # A model's own serialiser may raise anything.
        raise InvalidResult(f"the result cannot be sent: {error}") from error
    # A character is four bytes at most, so nearly every result needs no encoding to be known as small enough.
    if len(written.text) * 4 > largest and (size := len(written.text.encode())) > largest:
        raise InvalidResult(
            f"the result is {size:,} bytes of JSON, and the engine takes {largest:,}. Fix: store the document elsewhere and return its id"
        )
    return written


def _fields(value: object) -> Mapping[str, Any]:
    try:
        fields = plain_value(value, what="variables")
    except Exception as error:
        raise InvalidResult(f"the result cannot be sent: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidResult(
            f"the function returned {type(value).__name__}, which is not a set of named variables. "
            "Fix: return a model or a mapping, or name the variable with result='name'"
        )
    return PlainVariables(cast("dict[str, Any]", fields))


def _is_variables(hint: Any) -> bool:
    if isinstance(hint, TypeAliasType):
        return _is_variables(hint.__value__)
    if hint in (Any, object, None, type(None), NoReturn, Never) or isinstance(hint, TypeVar):
        return True
    origin = get_origin(hint)
    if origin is Annotated:
        return _is_variables(get_args(hint)[0])
    if origin is Union or origin is types.UnionType:
        return all(_is_variables(member) for member in get_args(hint))
    named = origin if isinstance(origin, type) else hint
    if not isinstance(named, type):
        return False
    kind = cast("type[Any]", named)
    if issubclass(kind, RootModel):
        return False
    return is_typeddict(kind) or dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel | Mapping)
