"""FEEL, evaluated by the engine's own FEEL engine from its class path."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from camunda_workers.errors import InvalidArgument, MissingExtra


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value of a FEEL expression (with or without the leading ``=``) over variables.

    Raises:
        InvalidArgument: it is not FEEL, or cannot be evaluated.
        MissingExtra: the embedded engine, whose class path has the FEEL engine, is not installed.
    """
    try:
        import jpype
    except ModuleNotFoundError:
        raise MissingExtra("embedded", "Evaluating FEEL") from None
    from camunda_workers.engine.embedded.jvm import start_jvm
    from camunda_workers.settings import Settings

    start_jvm(Settings())
    text = expression.removeprefix("=").strip()
    result: Any = _engine().evaluateExpression(text, _to_java(jpype, dict(context)))
    if not bool(result.isSuccess()):
        raise InvalidArgument(f"the FEEL expression {text} cannot be evaluated: {result.failure().message()}")
    return _from_java(jpype, result.result())


@functools.cache
def _engine() -> Any:
    import jpype

    builder: Any = jpype.JClass("org.camunda.feel.api.FeelEngineBuilder")
    return builder.forJava().build()


def _to_java(jpype: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        java = jpype.JClass("java.util.HashMap")()
        for name, one in value.items():  # pyright: ignore[reportUnknownVariableType]
            java.put(str(name), _to_java(jpype, one))  # pyright: ignore[reportUnknownArgumentType]
        return java
    if isinstance(value, list):
        java = jpype.JClass("java.util.ArrayList")()
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            java.add(_to_java(jpype, one))
        return java
    if isinstance(value, bool):
        return jpype.JClass("java.lang.Boolean")(value)
    if isinstance(value, int):
        return jpype.JClass("java.math.BigDecimal")(str(value))
    if isinstance(value, float):
        return jpype.JClass("java.lang.Double")(value)
    return jpype.JClass("java.lang.String")(value) if isinstance(value, str) else value


def _from_java(jpype: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, jpype.JClass("java.lang.Boolean")):
        return bool(value)
    if isinstance(value, jpype.JClass("java.lang.Number")):
        number = float(value.doubleValue())
        return int(number) if number.is_integer() else number
    if isinstance(value, jpype.JClass("java.util.Map")):
        return {str(entry.getKey()): _from_java(jpype, entry.getValue()) for entry in value.entrySet()}
    if isinstance(value, jpype.JClass("java.util.List")):
        return [_from_java(jpype, one) for one in value]
    return str(value)
