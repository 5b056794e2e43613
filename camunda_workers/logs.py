"""Where the log lines of a process go: one place, for structlog and the standard library's logging alike."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog


def hide_locals() -> None:
    """Keep structlog's defaults from showing the values of local variables in tracebacks; what an application has configured stays as it is.

    Without any configuration structlog renders them all: a worker that logs an exception would write a customer's data into the log.
    """
    if structlog.is_configured():
        return
    plain = structlog.dev.plain_traceback
    processors: list[Any] = [
        structlog.dev.ConsoleRenderer(exception_formatter=plain) if isinstance(one, structlog.dev.ConsoleRenderer) else one
        for one in structlog.get_config()["processors"]
    ]
    structlog.configure(processors=processors)


def configure_logging(level: str = "warning", *, file: Path | None = None, as_json: bool = False) -> None:
    """Send log lines to the error output, or to a file.

    Tracebacks are plain: the values of local variables are customers' data and have no place in a log.

    Args:
        level: the least severe level that is shown (``debug``, ``info``, ``warning``, ``error``).
        file: appended to instead of writing to the error output.
        as_json: one JSON object a line, for machines; for people otherwise.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    stream: TextIO = sys.stderr if file is None else file.open("a", encoding="utf-8", buffering=1)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        rendering: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    else:
        plain = structlog.dev.plain_traceback
        rendering = [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
