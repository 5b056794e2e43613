"""Which diagrams a file of test cases runs on, where it does not say (the format has no word for it)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from camunda_workers.errors import ConfigurationError
from camunda_workers.testing.cases import model
from camunda_workers.testing.diagrams import BPMN, ZEEBE, parse, read_decisions

_KINDS = (".bpmn", ".dmn", ".form")
_SKIPPED = {"node_modules", "target", "build", "dist", "__pycache__"}
_LEVELS = 6
_MOST_FILES = 5000
_ROOTS = (".git", "camunda-workers.toml", "pom.xml", "pyproject.toml")
_SELECTED = {"processDefinitionId": "process", "decisionDefinitionId": "decision"}

Name = tuple[str, str]
"""What is named and how: ``("process", "order")``."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a file defines, and what it refers to."""

    defines: frozenset[Name]
    refers: frozenset[Name]


def resources_for(file: Path, cases: model.TestCases, deploy: Sequence[Path] = ()) -> list[Path]:
    """The files to deploy for test cases.

    Args:
        file: the file of test cases.
        cases: what is in it.
        deploy: files and folders that were named; then nothing is looked for.

    Returns:
        Everything below the named folders. Otherwise the files that define what the test cases name, and what those call in turn, below the
        nearest folder around the file that has every process the test cases start (the project's root at the farthest). Others are left
        alone: a folder may hold diagrams for another version of Camunda.

    Raises:
        ConfigurationError: a process that is started is nowhere to be found.
    """
    if deploy:
        return _once(one for path in deploy for one in (_below(path) if path.is_dir() else [path]))
    if all(case.refusal for case in cases.test_cases):
        return []
    started = {
        ("process", str(one.process_definition_selector.process_definition_id))
        for case in cases.test_cases
        for one in case.instructions
        if isinstance(one, model.CreateProcessInstance)
    }
    named = {*started, *_named(cases.model_dump(by_alias=True, mode="json"))}
    folder = file.resolve().parent
    for _ in range(_LEVELS):
        found = {path: _known(path, path.stat().st_mtime_ns) for path in _below(folder)}
        if found and started <= {name for known in found.values() for name in known.defines}:
            return _once(_closure(found, named))
        if any((folder / name).exists() for name in _ROOTS) or folder.parent == folder:
            break
        folder = folder.parent
    missing = " and ".join(sorted(name for _, name in started)) or "anything"
    raise ConfigurationError(f"{file}: no diagram with process {missing} up to {folder}; name the files or folders to deploy with --deploy")


def _named(value: Any) -> Iterator[Name]:
    if isinstance(value, dict):
        for key, one in cast("dict[str, Any]", value).items():
            if key in _SELECTED and isinstance(one, str):
                yield _SELECTED[key], one
            else:
                yield from _named(one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _named(one)


def _closure(found: dict[Path, _Known], named: set[Name]) -> list[Path]:
    chosen: dict[Path, None] = {}
    wanted = set(named)
    while new := [path for path, known in found.items() if path not in chosen and known.defines & wanted]:
        for path in new:
            chosen[path] = None
            wanted |= found[path].refers
    return [path for path in found if path in chosen]


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        found += [Path(place, name) for name in sorted(names) if name.endswith(_KINDS)]
        if len(found) > _MOST_FILES:
            break
    return found


@lru_cache(maxsize=2048)
def _known(path: Path, changed: int) -> _Known:
    del changed  # part of the key: a file that changed is read again
    content = path.read_bytes()
    if path.suffix == ".dmn":
        return _Known(frozenset(("decision", one) for one in read_decisions(content)), frozenset())
    if path.suffix == ".form":
        try:
            form: Any = json.loads(content)
        except ValueError:
            return _Known(frozenset(), frozenset())
        identifier = cast("dict[str, Any]", form).get("id") if isinstance(form, dict) else None
        return _Known(frozenset({("form", str(identifier))}), frozenset())
    root = parse(content)
    if root is None:
        return _Known(frozenset(), frozenset())
    refers = {
        *(("process", str(one.get("processId"))) for one in root.iter(f"{ZEEBE}calledElement")),
        *(("decision", str(one.get("decisionId"))) for one in root.iter(f"{ZEEBE}calledDecision")),
        *(("form", str(one.get("formId"))) for one in root.iter(f"{ZEEBE}formDefinition")),
    }
    return _Known(frozenset(("process", str(one.get("id"))) for one in root.iter(f"{BPMN}process")), frozenset(refers))


def _once(paths: Iterable[Path]) -> list[Path]:
    """One file per name: the engine tells resources apart by name, and builds copy them (target, classes)."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(path.name, path)
    return list(found.values())
