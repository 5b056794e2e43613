"""What the embedded engine is wired from: every Java class, constructor, method and record field that our code names.

Camunda promises none of this between versions. When the engine's version moves, these tests say which of our files leans on what is gone;
without them the first sign would be an error in the middle of a start, or a field that the engine ignores without a word.
"""

from __future__ import annotations

import inspect
import typing
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from camunda_workers.engine.embedded import java_side
from camunda_workers.settings import Settings
from tests.support.engine_surface import ANSWERED, JDK, NOT_EVERYWHERE, OWN, SURFACE, ZEEBE, imported_by_java, named

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", autouse=True)
def _java() -> None:
    from camunda_workers.engine.embedded.jvm import start_jvm

    start_jvm(Settings())


def reflected(name: str) -> Any:
    """The class as Java's reflection shows it; None when there is none of that name."""
    import jpype

    try:
        java_class: Any = jpype.JClass(name)
    except TypeError:
        return None
    return java_class.class_


def signatures(java_class: Any) -> set[str]:
    def shown(name: str, executable: Any) -> str:
        return f"{name}({', '.join(str(kind.getSimpleName()) for kind in executable.getParameterTypes())})"

    constructors = {shown("new", one) for one in java_class.getDeclaredConstructors()}
    methods = {shown(str(one.getName()), one) for one in java_class.getMethods()}
    return constructors | methods | {str(one.getName()) for one in java_class.getFields()}


def test_every_class_that_our_code_names_is_there() -> None:
    gone = {name: sorted(places) for name, places in named().classes.items() if name not in NOT_EVERYWHERE and reflected(name) is None}
    assert len(named().classes) > 30, "the sources could not be read: this test tests nothing"
    assert not gone, f"the engine has no such class (any more), but these files name it: {gone}"


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_constructors_methods_and_constants_are_as_our_code_calls_them(name: str) -> None:
    java_class = reflected(name)
    if java_class is None and name in NOT_EVERYWHERE:
        pytest.skip(f"engine {Settings().engine_version} has no {name}, and need not")
    assert java_class is not None, f"the engine has no class {name} (any more)"
    there = signatures(java_class)
    missing = [one for one in SURFACE[name] if there.isdisjoint(one.split(" | "))]
    alike = sorted(one for one in there if one.split("(")[0] in {gone.split("(")[0] for gone in missing})
    assert not missing, f"{name} has no {missing} (any more); it has {alike}"


def test_this_list_is_complete() -> None:
    unlisted = [name for name in named().classes if name.startswith(OWN) and name not in SURFACE and name not in named().interfaces]
    unlisted += imported_by_java() - set(SURFACE)
    assert not unlisted, f"say in SURFACE what our code uses of {unlisted}"
    listed = {one.split("(")[0] for members in SURFACE.values() for one in members} | JDK
    overridden = {name for methods in named().interfaces.values() for name in methods}
    unknown = {name: sorted(places) for name, places in named().methods.items() if name not in listed | overridden}
    assert not unknown, f"say in SURFACE (or JDK) which class has these methods: {unknown}"


def test_our_java_classes_fit_the_engine_and_are_made_from_their_sources() -> None:
    with zipfile.ZipFile(java_side.JAR) as jar:
        assert jar.read("sources.sha256").decode() == java_side.digest_of_sources(), "a Java source changed: run 'make java'"
        classes = [name.removesuffix(".class").replace("/", ".") for name in jar.namelist() if name.endswith(".class")]
    assert len(classes) > 4
    for name in classes:
        abstract = [str(one.getName()) for one in reflected(name).getMethods() if bool(one.getModifiers() & 0x400)]
        assert not abstract, f"the engine asks more of {name} than it has (any more): {abstract}"


def test_our_implementations_are_of_the_interfaces_as_they_are() -> None:
    for name, overrides in named().interfaces.items():
        wanted = [one for one in reflected(name).getMethods() if bool(one.getModifiers() & 0x400)]
        for method in wanted:
            parameters, takes_more = overrides.get(str(method.getName()), (-1, False))
            count = int(method.getParameterCount())
            fits = parameters == count or (takes_more and 0 <= parameters <= count)
            assert fits, f"{name}.{method.getName()} takes {count} arguments; ours ({named().classes[name]}) does not: {overrides}"
            if name.startswith(OWN):
                answered, known = str(method.getReturnType().getSimpleName()), ANSWERED[f"{name}.{method.getName()}"]
                assert answered in known, f"{name}.{method.getName()} returns {answered}; ours ({named().classes[name]}) returns {known}"


# -- records: a field that the engine does not know is ignored without a word -----------------------------------------------------------

SAMPLES: Mapping[str, Any] = {
    "activate": [{"elementId": "x", "ancestorScopeKey": 1, "variableInstructions": [{"elementId": "x", "variables": b"\x80"}]}],
    "elements": [("x", b"\x80")],
    "changes": {"candidateGroupsList": ["x"], "candidateUsersList": ["x"], "dueDate": "x", "followUpDate": "x", "priority": 1},
    "mapping": {"x": "y"},
    "resources": [("x.bpmn", b"x")],
    "result": {
        "type": "USER_TASK", "denied": True, "deniedReason": "x", "corrections": {"assignee": "x", "candidateGroupsList": ["x"]},
        "correctedAttributes": ["x"], "activateElements": [{"elementId": "x", "variables": b"\x80"}],
        "isCompletionConditionFulfilled": True, "isCancelRemainingInstances": True,
    },
    "terminate": [1],
}  # fmt: skip
BY_TYPE = {int: 1, str: "x", bytes: b"\x80", bool: False, int | None: 1, Sequence[str]: ["x"]}


def _builders() -> dict[str, Any]:
    from camunda_workers.engine.embedded import commands

    hints = {name: typing.get_type_hints(one) for name, one in inspect.getmembers(commands, inspect.isfunction)}
    return {name: getattr(commands, name) for name, hint in hints.items() if hint.get("return") is commands.Command}


def _all_arguments(function: Any) -> dict[str, Any]:
    from camunda_workers.engine.embedded.versions import knows_business_ids

    hints = typing.get_type_hints(function)
    names = [name for name in inspect.signature(function).parameters if name != "business_id" or knows_business_ids()]
    return {name: SAMPLES[name] if name in SAMPLES else BY_TYPE[hints[name]] for name in names}


def _hidden(target: Any, name: str) -> Any:
    java_class = target.getClass()
    while java_class is not None:
        if name in {str(one.getName()) for one in java_class.getDeclaredFields()}:
            found = java_class.getDeclaredField(name)
            found.setAccessible(True)
            return found.get(target)
        java_class = java_class.getSuperclass()
    raise AssertionError(f"{target.getClass().getName()} has no field {name}: this test must learn how records are made now")


def _unknown_fields(record: Any, value: Mapping[str, Any], path: str = "") -> Iterator[str]:
    declared = {str(one.getKey()).strip('"'): one for one in _hidden(record, "declaredProperties")}
    for name, given in value.items():
        if name not in declared:
            yield path + name
        elif isinstance(given, Mapping):
            yield from _unknown_fields(_hidden(declared[name], "value"), typing.cast("Mapping[str, Any]", given), f"{path}{name}.")
        elif isinstance(given, list) and given and isinstance(given[0], Mapping):
            items = typing.cast("list[Mapping[str, Any]]", given)
            for inner, item in zip(_hidden(declared[name], "value"), items, strict=True):
                yield from _unknown_fields(inner, item, f"{path}{name}.")


@pytest.mark.parametrize("name", sorted(_builders()))
def test_every_field_of_a_command_is_one_of_the_engines_record(name: str) -> None:
    from camunda_workers.engine.embedded.documents import pack_document
    from camunda_workers.engine.embedded.java import to_java_buffer, zeebe

    build = _builders()[name]
    command = build(**_all_arguments(build))
    value_type = zeebe("protocol.record.ValueType").valueOf(command.value_type)
    intents = [str(one) for one in zeebe(f"protocol.record.intent.{command.value_type.title().replace('_', '')}Intent").values()]
    assert command.intent in intents, f"{command.value_type} has no intent {command.intent} (any more)"
    record = zeebe("protocol.impl.record.UnifiedRecordValue").fromValueType(value_type)
    record.wrap(to_java_buffer(pack_document(command.value)))
    unknown = list(_unknown_fields(record, command.value))
    assert not unknown, f"{record.getClass().getSimpleName()} has no {unknown}: the engine would ignore what commands.{name} says there"


# -- what the horizon, the bridge and virtual time take for granted ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value_type", "intents"),
    [
        ("Timer", "CREATED TRIGGERED CANCELED MIGRATED"),
        ("JobBatch", "ACTIVATED"),
        ("Incident", "CREATED RESOLVED MIGRATED"),
        ("Message", "PUBLISHED EXPIRED"),
        (
            "Job",
            "CREATED COMPLETED TIMED_OUT FAILED RETRIES_UPDATED CANCELED ERROR_THROWN RECURRED_AFTER_BACKOFF YIELDED TIMEOUT_UPDATED MIGRATED UPDATED",
        ),
    ],
)
def test_the_horizon_knows_every_event_that_moves_it(value_type: str, intents: str) -> None:
    from camunda_workers.engine.embedded.java import zeebe

    events = {str(one) for one in zeebe(f"protocol.record.intent.{value_type}Intent").values() if bool(one.isEvent())}
    assert events == set(intents.split()), f"see whether engine/embedded/horizon.py must follow: {events ^ set(intents.split())}"


def test_every_reason_for_a_rejection_has_an_error_of_ours() -> None:
    from camunda_workers.engine.embedded.bridge import rejection
    from camunda_workers.engine.embedded.java import zeebe
    from camunda_workers.errors import EngineFailure

    kinds = {str(one) for one in zeebe("protocol.record.RejectionType").values()} - {"NULL_VAL", "SBE_UNKNOWN"}
    general = {kind for kind in kinds if type(rejection("X", kind, "because")) is EngineFailure}
    assert general == {"PROCESSING_ERROR"}, f"bridge.py maps these to nothing of their own: {general - {'PROCESSING_ERROR'}}"
    failures = {str(one) for one in zeebe("logstreams.log.LogStreamWriter$WriteFailure").values()}
    assert failures == {"CLOSED", "WRITE_LIMIT_EXHAUSTED", "REQUEST_LIMIT_EXHAUSTED", "INVALID_ARGUMENT"}, "see bridge.py's _write"


def test_constants_that_we_repeat_are_the_engines() -> None:
    from camunda_workers.engine.embedded.commands import DEFAULT_TENANT
    from camunda_workers.engine.embedded.horizon import MESSAGE_CHECK_MS
    from camunda_workers.engine.embedded.java import zeebe
    from camunda_workers.engine.embedded.versions import running_version
    from camunda_workers.engine.embedded.wiring import TIMER_RESOLUTION_MS

    resolution = reflected(ZEEBE + "engine.processing.timer.DueDateTimerCheckScheduler").getDeclaredField("TIMER_RESOLUTION")
    resolution.setAccessible(True)
    assert int(resolution.get(None)) == TIMER_RESOLUTION_MS
    configuration = zeebe("engine.EngineConfiguration")()
    assert int(configuration.getMessagesTtlCheckerInterval().toMillis()) == MESSAGE_CHECK_MS
    assert str(zeebe("protocol.record.value.TenantOwned").DEFAULT_TENANT_IDENTIFIER) == DEFAULT_TENANT
    assert running_version() == Settings().engine_version
