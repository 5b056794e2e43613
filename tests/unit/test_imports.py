"""The direction of imports (docs/architecture.md): a package knows only those below it, and only libraries it declares."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "camunda_workers"
LAYERS: list[set[str]] = [
    {"errors", "clock", "settings", "project", "project_people", "project_values", "logs", "lazy", "serving", "ending"},
    {"client"},
    {"events"},
    {"engine"},
    {"worker", "cases"},
    {"tasks", "ai", "connect", "experiments", "monitoring", "governance"},
    {"inbox"},
    {"app"},
    {"cli"},
    {"__main__"},
]
NEVER = {
    ("worker", "events"): "nothing hooks into the worker to observe it, and it observes nothing",
}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "proto" not in path.parts)
TEST_COMMAND = PACKAGE / "cli" / "test.py"  # runs the test tools, so it may know them
PUBLIC = PACKAGE / "__init__.py"  # re-exports from wherever the public names are
EXTRAS_OF = {"engine": {"embedded"}, "ai": {"ai"}, "inbox": {"inbox"}, "testing": {"embedded", "testing"}}
"""Packages that are an optional part as a whole: they may import its libraries at once, all others only inside functions."""


def area(path: Path) -> str:
    """The part of the package that a file belongs to: ``client``, ``errors``, ..."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Every import of a file: line, dotted module, and whether it runs when the file is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, id(node) not in late
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "camunda_workers" else [module]
            for name in names:
                yield node.lineno, name, id(node) not in late


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in MODULES if path != PUBLIC], ids=relative)
def test_a_module_imports_only_what_is_below_it(path: Path) -> None:
    own = area(path)
    assert own in LEVEL or own == "testing", f"{own} has no place in the layers yet: give it one here and in docs/architecture.md"
    for line, name, _ in imports(path):
        if not name.startswith("camunda_workers."):
            continue
        other = name.split(".")[1]
        where = f"{relative(path)}:{line} imports {name}"
        assert other != "testing" or own == "testing" or path == TEST_COMMAND, f"{where}: the test tools are for tests"
        if own in (other, "testing") or other == "testing":
            continue
        assert other in LEVEL, f"{where}: import from the module, not from the package's public names"
        below = sorted(name for name, level in LEVEL.items() if level < LEVEL[own])
        beside = LEVEL[own] == LEVEL[other] == 0
        assert LEVEL[other] < LEVEL[own] or beside, f"{where}: {own} may only know {below}"
        assert (own, other) not in NEVER, f"{where}: {NEVER[own, other]}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_the_framework_knows_nothing_of_the_reference_application(path: Path) -> None:
    for line, name, _ in imports(path):
        assert name.split(".")[0] not in ("connectors", "ai_tasks", "tests", "bench", "scripts"), f"{relative(path)}:{line} imports {name}"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "settings.py"], ids=relative)
def test_only_settings_read_the_environment(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # A child process is given this one's environment; that is handing on, not reading.
    assert not re.search(r"os\.getenv|os\.environ(\.get|\[)", text), f"{relative(path)} reads the environment"


def declared() -> tuple[set[str], dict[str, set[str]]]:
    """The distributions that pyproject.toml declares: always needed, and per extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {normal(re.split(r"[\s\[<>=!~;]", requirement)[0]) for requirement in requirements}

    return names(project["dependencies"]), {
        extra: names(needs) for extra, needs in project["optional-dependencies"].items() if extra != "all"
    }


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions() -> dict[str, set[str]]:
    """Import name -> distributions that provide it."""
    return {module: {normal(name) for name in names} for module, names in importlib.metadata.packages_distributions().items()}


def test_every_library_is_declared_and_optional_ones_are_imported_late() -> None:
    core, extras = declared()
    provided = distributions()
    wrong: list[str] = []
    for path in MODULES:
        at_once = core.union(*(extras.get(extra, set()) for extra in EXTRAS_OF.get(area(path), set())))
        for line, name, now in imports(path):
            root = name.split(".")[0]
            if root == "camunda_workers" or root in sys.stdlib_module_names:
                continue
            # google.protobuf and others share a top-level name: one declared provider is enough.
            by = provided.get(root, {normal(root)})
            if not by & core.union(*extras.values()):
                wrong.append(f"{relative(path)}:{line} imports {name}, which pyproject.toml does not declare")
            elif now and not by & at_once:
                wrong.append(f"{relative(path)}:{line} imports {name} at once, which is only in an extra: import it where it is used")
    assert not wrong, "\n".join(wrong)
