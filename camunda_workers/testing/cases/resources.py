"""Which diagrams a file of test cases runs on, where it does not say (the format has no word for it)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from camunda_workers.errors import ConfigurationError
from camunda_workers.testing.cases import model
from camunda_workers.testing.diagrams import read_processes

_KINDS = (".bpmn", ".dmn", ".form")
_SKIPPED = {"node_modules", "target", "build", "dist", "__pycache__"}
_LEVELS = 6
_MOST_FILES = 5000
_ROOTS = (".git", "camunda-workers.toml", "pom.xml", "pyproject.toml")


def resources_for(file: Path, cases: model.TestCases, deploy: Sequence[Path] = ()) -> list[Path]:
    """The files to deploy for test cases.

    Args:
        file: the file of test cases.
        cases: what is in it.
        deploy: files and folders that were named; then nothing is looked for.

    Returns:
        Everything below the named folders; otherwise all diagrams, decisions and forms below the nearest folder around the file that has
        every process the test cases start, the project's root at the farthest.

    Raises:
        ConfigurationError: a process that is started is nowhere to be found.
    """
    if deploy:
        return _once(one for path in deploy for one in (_below(path) if path.is_dir() else [path]))
    wanted = {
        str(one.process_definition_selector.process_definition_id)
        for case in cases.test_cases
        for one in case.instructions
        if isinstance(one, model.CreateProcessInstance)
    }
    if not wanted:
        return _once(_below(file.resolve().parent))
    folder = file.resolve().parent
    for _ in range(_LEVELS):
        found = _below(folder)
        if wanted <= {process for one in found if one.suffix == ".bpmn" for process in _processes(one, one.stat().st_mtime_ns)}:
            return _once(found)
        if any((folder / name).exists() for name in _ROOTS) or folder.parent == folder:
            break
        folder = folder.parent
    raise ConfigurationError(
        f"{file}: no diagram with process {' and '.join(sorted(wanted))} up to {folder}; name the files or folders to deploy with --deploy"
    )


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        found += [Path(place, name) for name in sorted(names) if name.endswith(_KINDS)]
        if len(found) > _MOST_FILES:
            break
    return found


@lru_cache(maxsize=2048)
def _processes(path: Path, changed: int) -> frozenset[str]:
    del changed  # part of the key: a file that changed is read again
    return frozenset(read_processes(path.read_bytes()))


def _once(paths: Iterable[Path]) -> list[Path]:
    """One file per name: the engine tells resources apart by name, and builds copy them (target, classes)."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(path.name, path)
    return list(found.values())
