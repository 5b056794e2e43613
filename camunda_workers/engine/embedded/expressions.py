"""FEEL expressions outside a process, evaluated by the engine's own expression language."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from camunda_workers.engine.embedded.documents import pack, unpack
from camunda_workers.engine.embedded.java import ZEEBE, java_class, jpype, read_buffer, to_java_buffer, zeebe
from camunda_workers.engine.embedded.versions import found_variable
from camunda_workers.errors import InvalidArgument


@functools.cache
def _proxies() -> tuple[Any, Any]:
    @jpype.JImplements("org.camunda.feel.FeelEngineClock")
    class Clock:
        """The engine's time, for ``now()`` and ``today()``."""

        def __init__(self, milliseconds: int) -> None:
            self._moment = java_class("java.time.Instant").ofEpochMilli(jpype.JLong(milliseconds))

        @jpype.JOverride
        def getCurrentTime(self) -> Any:
            return self._moment.atZone(java_class("java.time.ZoneId").systemDefault())

    @jpype.JImplements(ZEEBE + "el.EvaluationContext")
    class Context:
        """The variables that an expression sees."""

        def __init__(self, variables: Mapping[str, Any]) -> None:
            self._variables = variables

        @jpype.JOverride
        def getVariable(self, name: Any) -> Any:
            found = str(name)
            return found_variable(to_java_buffer(pack(self._variables[found])) if found in self._variables else None)

    return Clock, Context


def evaluate(expression: str, variables: Mapping[str, Any], now: int) -> tuple[Any, list[str]]:
    """Evaluate an expression; blocks, so run it in a Java thread.

    Args:
        expression: FEEL with a leading ``=``; a text without one is a plain text, as in a diagram.
        variables: what it may use.
        now: the engine's time in milliseconds since 1970.

    Returns:
        The result and the warnings (a variable that is not there is one).

    Raises:
        InvalidArgument: it cannot be parsed or evaluated.
    """
    clock, context = _proxies()
    language = zeebe("el.ExpressionLanguageFactory").createExpressionLanguage(clock(now))
    parsed = language.parseExpression(expression)
    if not parsed.isValid():
        raise InvalidArgument(f"Failed to parse expression '{expression}': {parsed.getFailureMessage()}")
    if parsed.isStatic():
        return expression, []
    result = language.evaluateExpression(parsed, context(variables))
    if result.isFailure():
        raise InvalidArgument(f"Failed to evaluate expression '{expression}': {result.getFailureMessage()}")
    return unpack(read_buffer(result.toBuffer())), [str(one.getMessage()) for one in result.getWarnings()]
