"""A traceback as bounded text, for log lines."""

from __future__ import annotations

import traceback

_FRAMES = -20
_LONGEST = 20_000


def trace_of(error: BaseException | None) -> str | None:
    """The traceback of what a function raised.

    Log lines carry this text and not the exception: structlog's default renderer shows every local variable of every frame. That is customers'
    data, and rendering a large or deeply nested value holds up the event loop for minutes.
    """
    if error is None:
        return None
    try:
        text = "".join(traceback.format_exception(error, limit=_FRAMES))
    except Exception:
        # An exception can make anything of what is asked of it.
        return type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
