"""From a job's JSON to a worker function's arguments: planned once when decorated, validated by pydantic for every job.

All variables of a job are validated in one pass from the JSON text itself: one ``TypeAdapter`` of a ``TypedDict`` that is made from the
function's signature. No signature is looked at again when jobs run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypeAlias, cast, get_args, get_origin

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import from_json
from typing_extensions import TypedDict

from camunda_workers.errors import ConfigurationError
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.markers import Header, Provided, Variable

Arguments: TypeAlias = dict[str, Any]

_MOST_PROBLEMS = 5


class InvalidInput(Exception):
    """A job's variables or headers do not fit the function; the text names the variable and the fix."""


@dataclass(frozen=True, slots=True)
class Source:
    """One JSON object of a job (its variables or its headers) and what of it becomes which argument.

    Attributes:
        word: ``variable`` or ``header``, for messages.
        names: parameter name to name on the wire.
        adapter: validates the whole object; ``None`` when no parameter needs it.
    """

    word: str
    names: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    adapter: TypeAdapter[Arguments] | None = None

    def bind(self, text: str) -> Arguments:
        """The arguments in this JSON text.

        Raises:
            InvalidInput: the text is not JSON or does not fit the parameters.
        """
        if self.adapter is None:
            return {}
        require_finite(text, self.word)
        try:
            return self.adapter.validate_json(text or "{}")
        except ValidationError as error:
            raise InvalidInput(self._explain(error)) from error
        except Exception as error:
            # A validator of the user's model may raise anything; the job's input is at fault all the same, and another try would not help.
            raise InvalidInput(f"the {self.word}s could not be read: {type(error).__name__}: {error}") from error

    def _explain(self, error: ValidationError) -> str:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        texts = [self._problem(problem["type"], problem["loc"], problem["msg"]) for problem in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            texts.append(f"and {len(problems) - _MOST_PROBLEMS} more")
        return "; ".join(texts)

    def _problem(self, kind: str, location: tuple[int | str, ...], message: str) -> str:
        if not location:
            return f"the {self.word}s are not a valid JSON object: {message}"
        name = str(location[0])
        parameter = next((ours for ours, wire in self.names.items() if wire == name), name)
        text = f"{self.word} '{path_text(location)}': {message}"
        if kind != "missing":
            return f"{text}. Fix: correct the value, or what parameter '{parameter}' declares"
        if len(location) > 1:
            return f"{text}. Fix: deliver the field, or give it a default in the type of parameter '{parameter}'"
        if self.word == "header":
            return f"{text}. Fix: add the header to the task in the diagram, or give parameter '{parameter}' a default"
        return f"{text}. Fix: set the variable before this task, or give parameter '{parameter}' a default"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Where each argument of a worker function comes from.

    Attributes:
        variables: parameters that are process variables.
        headers: parameters that are custom headers.
        resources: parameter name to the type under which a resource is provided.
        contexts: parameters that take the `JobContext`.
        takes_rest: whether a ``**variables`` parameter takes every other variable.
    """

    variables: Source
    headers: Source
    resources: Mapping[str, Any]
    contexts: tuple[str, ...]
    takes_rest: bool

    def bind(self, context: JobContext, resources: Mapping[str, Any]) -> Arguments:
        """The arguments for one job.

        Args:
            context: the job.
            resources: parameter name to the open resource.

        Raises:
            InvalidInput: variables or headers do not fit.
        """
        arguments = self.variables.bind(context.variables_json)
        if self.headers.adapter is not None:
            arguments.update(self.headers.bind(context.headers_json))
        if resources:
            arguments.update(resources)
        for name in self.contexts:
            arguments[name] = context
        if self.takes_rest:
            named = self.variables.names.values()
            for name, value in read_object(context.variables_json, "variable").items():
                if name not in named and name not in arguments:
                    arguments[name] = value
        return arguments


def plan(function: Callable[..., Any], hints: Mapping[str, Any], *, where: str) -> Parameters:
    """Decides where each parameter comes from.

    Args:
        function: the worker function.
        hints: its resolved annotations, extras included.
        where: the function's name for messages.

    Raises:
        ConfigurationError: a parameter cannot be bound; names it and the fix.
    """
    variables: dict[str, tuple[str, Any, bool]] = {}
    headers: dict[str, tuple[str, Any, bool]] = {}
    resources: dict[str, Any] = {}
    contexts: list[str] = []
    takes_rest = False
    for name, parameter in inspect.signature(function).parameters.items():
        match parameter.kind:
            case inspect.Parameter.POSITIONAL_ONLY | inspect.Parameter.VAR_POSITIONAL:
                raise ConfigurationError(
                    f"{where}: parameter '{name}' is positional only, but variables come by name: remove the '/' or '*'"
                )
            case inspect.Parameter.VAR_KEYWORD:
                takes_rest = True
                continue
            case _:
                pass
        if name == "self" and name not in hints:
            raise ConfigurationError(f"{where} is a method: decorate a function, and take what it needs as Annotated[..., Provided]")
        hint = hints.get(name, Any)
        marks = _marks(hint)
        required = parameter.default is inspect.Parameter.empty
        if len(marks) > 1:
            raise ConfigurationError(f"{where}: parameter '{name}' has more than one of Provided, Variable and Header")
        bare = _bare(hint)
        if marks and marks[0] is Provided:
            resources[name] = bare
        elif bare is JobContext:
            contexts.append(name)
        elif marks and isinstance(marks[0], Header):
            headers[name] = (marks[0].name, hint, required)
        else:
            wire = marks[0].name if marks and isinstance(marks[0], Variable) else name
            variables[name] = (wire, hint, required)
    return Parameters(
        variables=_source("variable", variables, where),
        headers=_source("header", headers, where),
        resources=resources,
        contexts=tuple(contexts),
        takes_rest=takes_rest,
    )


def read_object(text: str, word: str) -> dict[str, Any]:
    """A JSON object as a dict; NaN, excessive nesting and anything but an object are refused.

    Raises:
        InvalidInput: this is not a JSON object.
    """
    try:
        value = from_json(text or "{}", allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInput(f"the {word}s are not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"the {word}s are not a JSON object but {type(value).__name__}")
    return cast(dict[str, Any], value)


def require_finite(text: str, word: str) -> None:
    """Refuses NaN and infinity, which are not JSON and which pydantic would let through.

    Raises:
        InvalidInput: the text has one of them outside of a string.
    """
    # A search is nearly free; the text is parsed once more only if the letters are there at all, which may be inside a string.
    if "NaN" in text or "Infinity" in text:
        read_object(text, word)


def path_text(location: tuple[int | str, ...]) -> str:
    """``("claim", "items", 2, "price")`` as ``claim.items[2].price``."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _source(word: str, wanted: Mapping[str, tuple[str, Any, bool]], where: str) -> Source:
    if not wanted:
        return Source(word)
    for name, (wire, hint, _) in wanted.items():
        if not wire:
            raise ConfigurationError(f"{where}: parameter '{name}' names no {word}")
        # Tried one by one first, so that the message can name the parameter at fault.
        _adapter(hint, name, where)
    fields = {
        name: field_type if required else NotRequired[field_type]
        for name, (wire, hint, required) in wanted.items()
        for field_type in (Annotated[hint, Field(validation_alias=wire)],)
    }
    shape = TypedDict("Arguments", fields)  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType, reportArgumentType]
    adapter = cast("TypeAdapter[Arguments]", TypeAdapter(cast(Any, shape)))
    return Source(word, {name: wire for name, (wire, _, _) in wanted.items()}, adapter)


def _adapter(hint: Any, name: str, where: str) -> None:
    try:
        TypeAdapter(hint)
    except (PydanticUserError, TypeError, NameError) as error:
        shown = getattr(_bare(hint), "__name__", str(hint))
        raise ConfigurationError(
            f"{where}: parameter '{name}' of type {shown} cannot be read from JSON ({str(error).splitlines()[0]}). "
            f"If it is a resource, annotate it Annotated[{shown}, Provided]; if it is a variable, use a type that pydantic knows"
        ) from error


def _marks(hint: Any) -> list[Any]:
    if get_origin(hint) is not Annotated:
        return []
    marks: list[Any] = []
    for mark in get_args(hint)[1:]:
        if mark is Provided or isinstance(mark, Provided):
            marks.append(Provided)
        elif isinstance(mark, Header | Variable):
            marks.append(mark)
    return marks


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint
