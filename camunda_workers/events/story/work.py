"""Steps of work: service tasks, agents, people, decisions, incidents, variables set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from camunda_workers.events.dates import moment_or_none
from camunda_workers.events.projections.user_tasks import actor_of
from camunda_workers.events.record import Record
from camunda_workers.events.story.model import Actor, Tone
from camunda_workers.events.story.telling import Telling
from camunda_workers.events.story.words import brief, cut, from_json_text, variables

_LISTENERS = {"TASK_LISTENER", "EXECUTION_LISTENER"}
_STUCK = {
    "JOB_NO_RETRIES": "no tries left",
    "EXECUTION_LISTENER_NO_RETRIES": "the listener has no tries left",
    "TASK_LISTENER_NO_RETRIES": "the task's listener has no tries left",
    "UNHANDLED_ERROR_EVENT": "an error that nothing catches",
    "IO_MAPPING_ERROR": "a variable could not be mapped",
    "EXTRACT_VALUE_ERROR": "an expression gave no usable value",
    "CONDITION_ERROR": "no condition of the gateway holds",
    "DECISION_EVALUATION_ERROR": "the decision could not be made",
    "CALLED_DECISION_ERROR": "there is no such decision",
    "CALLED_ELEMENT_ERROR": "there is no such process to call",
    "FORM_NOT_FOUND": "there is no such form",
}
_TASK_FIELDS = {
    "assignee": "assignee",
    "dueDate": "due date",
    "followUpDate": "follow-up date",
    "candidateGroupsList": "candidate groups",
    "candidateUsersList": "candidate users",
    "priority": "priority",
}


def job(telling: Telling, record: Record) -> None:
    """A worker's doing; listeners are told only when they fail, their verdicts belong to the task."""
    value = record.value
    is_listener = value.get("jobKind") in _LISTENERS
    who = str(value.get("worker") or value.get("type") or "")
    actor = Actor.AGENT if value.get("type") in telling.agents or _reasons(value.get("variables")) is not None else Actor.SERVICE
    listening = f"listener {value.get('type')}: " if is_listener else ""
    error = cut(str(value.get("errorMessage") or "no message"))
    match record.intent:
        case "CREATED":
            telling.since[record.key] = record.time
        case "COMPLETED" if not is_listener:
            result = cast("Mapping[str, Any]", value.get("variables") or {})
            telling.tell(record, actor, who, "completed", Tone.GOOD, *_result(result), took=telling.took(record))
        case "FAILED":
            left: int = value.get("retries", 0)
            rest = f"{left} {'try' if left == 1 else 'tries'} left" if left else "no tries left"
            telling.tell(record, actor, who, f"{listening}failed, {rest}", Tone.CAREFUL if left else Tone.BAD, error)
        case "ERROR_THROWN":
            telling.tell(record, actor, who, f"{listening}error {value.get('errorCode')}", Tone.CAREFUL, error, took=telling.took(record))
        case "TIMED_OUT":
            telling.tell(record, actor, who, f"{listening}did not answer in time, handed out again", Tone.CAREFUL)
        case "RETRIES_UPDATED":
            telling.tell(record, Actor.OPERATOR, actor_of(record), f"{listening}tries set to {value.get('retries')}")
        case _:
            pass


def _reasons(given: Any) -> tuple[str, Mapping[str, Any]] | None:
    """The part of a job's result that says how sure an agent is and why, and the variable it is in."""
    for name, value in cast("Mapping[str, Any]", given or {}).items():
        if isinstance(value, Mapping) and "confidence" in value and "rationale" in value:
            return name, cast("Mapping[str, Any]", value)
    return None


def _result(result: Mapping[str, Any]) -> list[str]:
    reasons = _reasons(result)
    if reasons is None:
        return [variables(result)] if result else []
    name, decision = reasons
    sure = decision["confidence"]
    certainty = f"{sure:.0%} sure: " if isinstance(sure, float | int) else ""
    rest = {key: value for key, value in decision.items() if key not in {"confidence", "rationale"}}
    return [line for line in (f"{name}: {brief(rest)}" if rest else "", cut(f"{certainty}{decision['rationale']}", 300)) if line]


def user_task(telling: Telling, record: Record) -> None:
    """A person's doing, and a listener's no."""
    value = record.value
    assignee: str = value.get("assignee") or ""
    asked_by = actor_of(record)
    match record.intent:
        case "CREATED":
            telling.since[record.key] = record.time
            for_whom = ", ".join(
                [*([assignee] if assignee else []), *value.get("candidateGroupsList", []), *value.get("candidateUsersList", [])]
            )
            opened = f"task opened for {for_whom}" if for_whom else "task opened, for nobody in particular"
            telling.tell(record, Actor.ENGINE, None, opened, due=moment_or_none(value.get("dueDate")))
        case "ASSIGNING" | "CLAIMING":
            telling.wanted_assignee[record.key] = assignee
        case "ASSIGNED":
            action = value.get("action")
            what = ("claimed" if action == "claim" else f"assigned to {assignee}") if assignee else "given back"
            who = asked_by or (assignee if action == "claim" else None)
            telling.tell(record, Actor.PERSON, who, what)
        case "UPDATED":
            changed = cast("list[str]", value.get("changedAttributes") or [])
            words = [f"{_TASK_FIELDS.get(name, name)} {brief(value.get(name))}" for name in changed if name in _TASK_FIELDS]
            telling.tell(record, Actor.PERSON, asked_by, "task changed", Tone.PLAIN, "; ".join(words))
        case "COMPLETED":
            given = cast("Mapping[str, Any]", value.get("variables") or {})
            took = telling.took(record)
            telling.tell(record, Actor.PERSON, asked_by or assignee, "completed", Tone.GOOD, variables(given) if given else "", took=took)
        case "CANCELED":
            telling.tell(record, Actor.ENGINE, None, "task withdrawn", Tone.CAREFUL)
        case "ASSIGNMENT_DENIED":
            whom = telling.wanted_assignee.get(record.key) or assignee
            telling.tell(
                record, Actor.PERSON, asked_by, f"assignment to {whom} denied" if whom else "giving back denied", Tone.BAD, _reason(value)
            )
        case "UPDATE_DENIED":
            telling.tell(record, Actor.PERSON, asked_by, "change denied", Tone.BAD, _reason(value))
        case "COMPLETION_DENIED":
            telling.tell(record, Actor.PERSON, asked_by or assignee, "completion denied", Tone.BAD, _reason(value))
        case _:
            pass


def _reason(value: Mapping[str, Any]) -> str:
    return cut(str(value.get("deniedReason") or "no reason given"), 300)


def decision(telling: Telling, record: Record) -> None:
    """A DMN decision with the rules that matched; decisions it required are told as well when there are several."""
    value = record.value
    if record.intent not in {"EVALUATED", "FAILED"}:
        return
    if record.intent == "FAILED":
        failure = cut(str(value.get("evaluationFailureMessage") or "no reason given"), 300)
        telling.tell(record, Actor.RULES, value.get("decisionName"), "decision failed", Tone.BAD, failure)
        return
    evaluated = cast("list[Mapping[str, Any]]", value.get("evaluatedDecisions") or [])
    asked_for: str = value.get("decisionId", "")
    details = [line for one in evaluated for line in _matched(one, asked_for, named=len(evaluated) > 1)]
    telling.tell(
        record,
        Actor.RULES,
        value.get("decisionName"),
        f"decided: {brief(from_json_text(value.get('decisionOutput')))}",
        Tone.PLAIN,
        *details,
    )


def _matched(evaluated: Mapping[str, Any], asked_for: str, *, named: bool) -> list[str]:
    given = cast("list[Mapping[str, Any]]", evaluated.get("evaluatedInputs") or [])
    inputs = ", ".join(f"{one.get('inputName') or one.get('inputId')} {brief(from_json_text(one.get('inputValue')))}" for one in given)
    rules = cast("list[Mapping[str, Any]]", evaluated.get("matchedRules") or [])
    prefix = f"{evaluated.get('decisionName')}: " if named else ""
    if not rules:  # an expression: its output is all there is to say, and that of the decision asked for has been said
        is_said = evaluated.get("decisionId") == asked_for
        return [] if is_said else [f"{prefix}{brief(from_json_text(evaluated.get('decisionOutput')))}"]
    which = " and ".join(f"{one.get('ruleIndex')} ({one.get('ruleId')})" for one in rules)
    return [f"{prefix}rule{'s' if len(rules) > 1 else ''} {which}" + (f" for {cut(inputs)}" if inputs else "")]


def incident(telling: Telling, record: Record) -> None:
    """Something is stuck, or no longer."""
    if record.intent == "CREATED":
        telling.since[record.key] = record.time
        kind = str(record.value.get("errorType", ""))
        error = cut(str(record.value.get("errorMessage") or ""), 300)
        # A failed job has just said the same.
        said = bool(telling.steps) and telling.steps[-1].element_id == record.element_id and cut(error) in telling.steps[-1].details
        what = _STUCK.get(kind, kind.replace("_", " ").lower())
        telling.tell(record, Actor.ENGINE, None, f"incident: {what}", Tone.BAD, "" if said else error)
    elif record.intent == "RESOLVED":
        telling.tell(record, Actor.OPERATOR, actor_of(record), "incident resolved", Tone.GOOD, took=telling.took(record))


def variable(telling: Telling, record: Record) -> None:
    """A variable set from outside; those that work sets are told with the work."""
    if record.intent in {"CREATED", "UPDATED"} and record.source_position in telling.set_from_outside:
        value = brief(from_json_text(record.value.get("value")))
        scope = telling.element_of.get(record.value.get("scopeKey", -1))
        element = scope or str(record.value.get("bpmnProcessId", ""))
        telling.tell(
            record, Actor.OPERATOR, actor_of(record), f"variable {record.value.get('name')} set", Tone.PLAIN, value, element_id=element
        )
