"""An engine version that nobody has pinned: jgo resolves its modules, and a version that a repository holds in part only is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

from camunda_workers.engine.embedded.jars import COMPLETE, LICENCE_NOTICE, Progress, locked_versions
from camunda_workers.errors import ConfigurationError, MissingExtra, SetupError

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(-[A-Za-z0-9.-]+)?")
_NOT_THERE = re.compile(r"Artifact ([\w.-]+):([\w.-]+):(?:jar:)?\S* not found")


def coordinate(version: str) -> str:
    """The Maven coordinate that brings in all of an engine's modules.

    Up to 8.8 that is Camunda's test engine, which also holds the state in memory; 8.9 and later have none, and begin with the workflow engine.

    Raises:
        ConfigurationError: this is no version.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ConfigurationError(
            f"'{version}' is no version of the engine: give one like 8.8.21 (CAMUNDA_WORKERS_ENGINE_VERSION or --version)"
        )
    artifact = "zeebe-process-test-engine" if (int(found[1]), int(found[2])) < (8, 9) else "zeebe-workflow-engine"
    return f"io.camunda:{artifact}:{version}"


def resolved_jars(version: str, folder: Path, progress: Progress) -> list[Path]:
    """Name the jars of a version in class-path order, after resolving and fetching them where that was not done yet (minutes).

    jgo checks the repository's own checksums.

    Args:
        version: the engine's version.
        folder: where they are kept.
        progress: told that it is done.

    Raises:
        ConfigurationError: this is no version.
        SetupError: no network, or not all modules of this version are there to be had.
        MissingExtra: jgo is not installed.
    """
    wanted = coordinate(version)
    complete = folder / COMPLETE
    if not complete.exists():
        try:
            import jgo
        except ImportError as error:
            raise MissingExtra("embedded", f"Fetching engine {version}") from error
        progress.say(LICENCE_NOTICE.format(version=version))
        progress.begin(f"Resolving engine {version}", 0)
        try:
            environment = jgo.build(wanted, cache_dir=folder)
        except Exception as error:  # jgo lets requests', its own and OS errors through
            raise SetupError(_why(version, error)) from error
        finally:
            progress.end()
        # jgo lays ordinary jars and modules in two folders; the engine needs both on one class path.
        found = sorted(
            (path for part in ("jars", "modules") for path in (environment.path / part).glob("*.jar")), key=lambda path: path.name
        )
        complete.write_text("\n".join(str(path.relative_to(folder)) for path in found), encoding="utf-8")
    return [folder / line for line in complete.read_text(encoding="utf-8").splitlines()]


def _why(version: str, error: Exception) -> str:
    missing = _NOT_THERE.search(str(error))
    if missing is not None:
        tried = ", ".join(locked_versions())
        return (
            f"engine {version} cannot be had: the Maven repository has no {missing[1]}:{missing[2]} of that version (its publisher left it out); "
            f"these versions are complete and were tried: {tried}"
        )
    return (
        f"engine {version} could not be fetched ({type(error).__name__}: {error}): check CAMUNDA_WORKERS_ENGINE_VERSION "
        "and the network, then run `camunda-workers setup` again"
    )
