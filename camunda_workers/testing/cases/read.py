"""Reads files of test cases, and says what is wrong with them in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from camunda_workers.errors import ConfigurationError
from camunda_workers.testing.cases.model import Action, Assertion, ConditionalBehavior, TestCase, TestCases
from camunda_workers.testing.failures import near

SUFFIX = ".test.json"
FOLDERS = {"test-cases", "test-cases-isolated", "scenarios"}
"""Folders in which a .json file with test cases is taken for one; elsewhere its name must end in .test.json."""

KNOWN: tuple[str, ...] = tuple(
    sorted(get_args(part.model_fields["type"].annotation)[0] for part in (*get_args(Assertion), *get_args(Action), ConditionalBehavior))
)
"""Every instruction that can be run."""

NEWER = {
    "STUB_CALL_ACTIVITY_COMPLETE": "8.11", "STUB_CALL_ACTIVITY_THROW_ERROR": "8.11", "RUN_CALLED_PROCESS": "8.11", "RELEASE_JOB": "8.11",
    "TRIGGER_TIMER": "8.11",
}  # fmt: skip
_MODELS = {"ASSERT_VARIABLE_SATISFIES_JUDGE", "ASSERT_VARIABLE_SIMILAR_TO", "ASSERT_VARIABLE_JUDGE"}


class BadTestCases(ConfigurationError):
    """A file of test cases that cannot be run; the text names the file, the test case, the instruction and the field."""


def is_case_file(path: Path, *, named: bool = False) -> bool:
    """Whether a file is taken for test cases: by its name, or by its folder or being named and by its content."""
    if path.name.endswith(SUFFIX):
        return True
    if path.suffix != ".json" or not (named or path.parent.name in FOLDERS):
        return False
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return named
    return isinstance(content, dict) and "testCases" in content


def find(paths: Iterable[Path]) -> list[Path]:
    """The files of test cases among these files and below these folders.

    Raises:
        BadTestCases: a path is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update((one, None) for one in sorted(path.rglob("*.json")) if "node_modules" not in one.parts and is_case_file(one))
        elif path.is_file():
            if is_case_file(path, named=True):
                found[path] = None
        else:
            raise BadTestCases(f"{path}: no such file or folder")
    return list(found)


def read(path: Path) -> TestCases:
    """Read a file.

    Returns:
        Its test cases. One with an instruction or a field that cannot be run has no instructions, and its ``refusal`` says why: the others
        of the file run all the same.

    Raises:
        BadTestCases: the file is not JSON, or not test cases.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadTestCases(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise BadTestCases(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise BadTestCases(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict) or "testCases" not in content:
        raise BadTestCases(f"{path}: no test cases: expected an object with 'testCases'")
    found = cast("dict[str, Any]", content)
    given: Any = found["testCases"]
    checked = [_checked(path, found, number) for number in range(len(cast("list[Any]", given)))] if isinstance(given, list) else given
    try:
        return TestCases.model_validate({"testCases": checked})
    except ValidationError as error:
        raise BadTestCases("; ".join(_said(path, found, one) for one in error.errors()[:5])) from error


def _checked(path: Path, content: Mapping[str, Any], number: int) -> Any:
    """A test case as it is, or without instructions and with the reason why it cannot be run."""
    case: Any = content["testCases"][number]
    if not isinstance(case, dict):
        return case
    given = {name: value for name, value in cast("dict[str, Any]", case).items() if name != "refusal"}
    try:
        for place, instruction in _instructions(given):
            _check_type(path, place, instruction)
        TestCase.model_validate(given)
    except BadTestCases as error:
        return {**given, "instructions": (), "refusal": str(error)}
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["loc"][0] == "instructions" and len(one["loc"]) > 1]
        if len(wrong) < error.error_count():
            return given  # more than its instructions is wrong: that is for the whole file to say
        said = [_said(path, content, {**one, "loc": ("testCases", number, *one["loc"])}) for one in wrong[:5]]
        return {**given, "instructions": (), "refusal": "; ".join(said)}
    return given


def _instructions(case: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for number, instruction in enumerate(_objects(case.get("instructions")), start=1):
        place = f"test case '{case.get('name', '?')}', instruction {number}"
        yield place, instruction
        for name in ("conditions", "actions"):
            for part in _objects(instruction.get(name)):
                yield f"{place}, {name}", part


def _objects(given: Any) -> list[dict[str, Any]]:
    """The objects in what should be a list of them; what it is instead, the model says."""
    some = cast("list[Any]", given) if isinstance(given, list) else []
    return [cast("dict[str, Any]", one) for one in some if isinstance(one, dict)]


def _check_type(path: Path, place: str, instruction: Mapping[str, Any]) -> None:
    kind = instruction.get("type")
    if kind in KNOWN:
        if kind == "CREATE_PROCESS_INSTANCE":
            for name in ("reserveJobs", "stubCallActivities", "holdTimers"):
                if instruction.get(name):
                    raise BadTestCases(
                        f"{path}: {place}: '{name}' needs an engine of Camunda 8.11; mock the jobs or the child process instead"
                    )
        return
    if not isinstance(kind, str):
        raise BadTestCases(f"{path}: {place}: has no 'type'")
    if kind in NEWER:
        raise BadTestCases(
            f"{path}: {place}: the instruction {kind} needs an engine of Camunda {NEWER[kind]}; this one has no such command"
        )
    if kind in _MODELS:
        raise BadTestCases(f"{path}: {place}: the instruction {kind} asks a language model, and tests here ask none")
    meant = near(kind, KNOWN)
    hint = f"; did you mean {' or '.join(meant)}?" if meant else f"; known are {', '.join(KNOWN)}"
    raise BadTestCases(f"{path}: {place}: unknown instruction {kind}{hint}")


def _said(path: Path, content: Mapping[str, Any], error: Any) -> str:
    places = list(error["loc"])
    case: Any = content
    shown: list[str] = []
    while places:
        place = places.pop(0)
        if place == "testCases" and places and isinstance(places[0], int):
            case = content["testCases"][places.pop(0)]
            name = cast("dict[str, Any]", case).get("name", "?") if isinstance(case, dict) else "?"
            shown.append(f"test case '{name}'")
        elif place in ("instructions", "conditions", "actions") and places and isinstance(places[0], int):
            shown.append(f"{str(place).removesuffix('s')} {places.pop(0) + 1}")
        elif place in KNOWN:
            shown[-1] += f" ({place})"
        else:
            shown.append(f"'{place}'")
    what = {"extra_forbidden": "this field is unknown here", "missing": "this field is missing"}.get(error["type"], error["msg"])
    return f"{path}: {', '.join(shown)}: {what}"
