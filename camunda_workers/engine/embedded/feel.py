"""FEEL, evaluated by the engine's own FEEL engine (feel-scala) on its class path: the one that evaluates the diagrams' expressions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from camunda_workers.errors import InvalidArgument
from camunda_workers.settings import Settings


class Feel:
    """The FEEL engine. Starts the Java virtual machine when it is first asked; blocking.

    Args:
        settings: which engine version, and where its jars are.

    Raises:
        MissingExtra: when first asked: the embedded engine is not installed.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._opened: tuple[Any, Any, Callable[[str], Any]] | None = None

    def evaluate(self, expression: str, context: Mapping[str, Any]) -> Any:
        """The value of an expression (with or without its leading ``=``) over JSON values, as JSON has it.

        Raises:
            InvalidArgument: it is not FEEL, or cannot be evaluated.
        """
        engine, jackson, classes = self._java()
        text = _bare(expression)
        try:
            variables = jackson.readValue(json.dumps(dict(context), allow_nan=False), classes("java.util.Map"))
            result: Any = engine.evaluateExpression(text, variables)
        except (ValueError, classes("java.lang.Throwable")) as error:
            raise InvalidArgument(f"the FEEL expression {text} cannot be evaluated: {error}") from error
        if not bool(result.isSuccess()):
            raise InvalidArgument(f"the FEEL expression {text} cannot be evaluated: {result.failure().message()}")
        return _plain(result.result(), classes)

    def problem(self, expression: str) -> str | None:
        """Why an expression is not FEEL; ``None`` when it is."""
        engine, _, _ = self._java()
        parsed: Any = engine.parseExpression(_bare(expression))
        return None if bool(parsed.isSuccess()) else str(parsed.failure().message())

    def _java(self) -> tuple[Any, Any, Callable[[str], Any]]:
        if self._opened is None:
            from camunda_workers.engine.embedded.java import java_class
            from camunda_workers.engine.embedded.jvm import start_jvm

            start_jvm(self._settings)
            engine = java_class("org.camunda.feel.api.FeelEngineBuilder").forJava().build()
            self._opened = (engine, java_class("com.fasterxml.jackson.databind.ObjectMapper")(), java_class)
        return self._opened


def _bare(expression: str) -> str:
    return expression.removeprefix("=").strip()


def _plain(value: Any, classes: Callable[[str], Any]) -> Any:
    if value is None:
        return None
    if isinstance(value, classes("java.lang.Boolean")):
        return bool(value)
    if isinstance(value, classes("java.lang.Number")):
        number = Decimal(str(value))
        return int(number) if number == number.to_integral_value() else float(number)
    if isinstance(value, classes("java.util.Map")):
        return {str(entry.getKey()): _plain(entry.getValue(), classes) for entry in value.entrySet()}
    if isinstance(value, classes("java.util.List")):
        return [_plain(one, classes) for one in value]
    return str(value)  # texts, and dates, times and durations as FEEL writes them
