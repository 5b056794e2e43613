"""FEEL in test cases: conditions, and expressions in what they hand over."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from camunda_workers.engine.embedded.feel import Feel
from camunda_workers.errors import MissingExtra


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value of a FEEL expression (with or without the leading ``=``) over variables.

    Raises:
        InvalidArgument: it is not FEEL, or cannot be evaluated.
        MissingExtra: the embedded engine, whose class path has the FEEL engine, is not installed.
    """
    try:
        return _feel().evaluate(expression, context)
    except MissingExtra:
        raise MissingExtra("embedded", "Evaluating FEEL") from None


@functools.cache
def _feel() -> Feel:
    return Feel()
