"""What a case waits for: what was opened and not closed."""

from __future__ import annotations

from datetime import UTC, datetime

from camunda_workers.events.dates import moment_or_none
from camunda_workers.events.record import Record
from camunda_workers.events.story.model import Actor, Wait
from camunda_workers.events.story.telling import Telling
from camunda_workers.events.story.words import cut

_CLOSED = {
    "USER_TASK": {"COMPLETED", "CANCELED"},
    "JOB": {"COMPLETED", "ERROR_THROWN", "CANCELED"},
    "TIMER": {"TRIGGERED", "CANCELED"},
    "PROCESS_MESSAGE_SUBSCRIPTION": {"DELETED"},
    "INCIDENT": {"RESOLVED"},
}
_AWAITED = {"intermediateCatchEvent", "receiveTask"}
"""Elements whose message or timer a case cannot go on without; on others it may come or not."""


class Waits:
    """A fold of records into what is open."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._open: dict[int, Wait] = {}

    def hear(self, record: Record) -> None:
        """Take in the next record."""
        if record.value_type not in _CLOSED:
            return
        is_correlated_once = (
            record.value_type == "PROCESS_MESSAGE_SUBSCRIPTION" and record.intent == "CORRELATED" and record.value.get("interrupting")
        )
        if record.intent in _CLOSED[record.value_type] or is_correlated_once:
            self._open.pop(record.key, None)
        elif (wait := self._wait(record)) is not None:
            self._open[record.key] = wait

    def now(self) -> tuple[Wait, ...]:
        """What is open, what the case cannot go on without first."""
        stuck = {wait.element_id for wait in self._open.values() if wait.actor is Actor.OPERATOR}
        shown = [wait for wait in self._open.values() if not (wait.actor in {Actor.SERVICE, Actor.AGENT} and wait.element_id in stuck)]
        return tuple(sorted(shown, key=lambda wait: (wait.optional, wait.due or wait.since)))

    def _wait(self, record: Record) -> Wait | None:
        match record.value_type:
            case "USER_TASK":
                return self._user_task(record)
            case "JOB":
                return self._job(record)
            case "TIMER" if record.intent == "CREATED":
                due = datetime.fromtimestamp(record.value.get("dueDate", 0) / 1000, UTC)
                return self._made(record, Actor.TIMER, None, "time to pass", due=due)
            case "PROCESS_MESSAGE_SUBSCRIPTION" if record.intent == "CREATED":
                name, correlation = record.value.get("messageName"), record.value.get("correlationKey")
                return self._made(record, Actor.MESSAGE, str(name), f"message '{name}' for '{correlation}'")
            case "INCIDENT" if record.intent == "CREATED":
                return self._made(
                    record, Actor.OPERATOR, None, f"somebody to resolve the incident: {cut(str(record.value.get('errorMessage') or ''))}"
                )
            case _:
                return None

    def _user_task(self, record: Record) -> Wait | None:
        if record.intent not in {"CREATED", "ASSIGNED", "UPDATED"}:
            return None
        value = record.value
        assignee: str = value.get("assignee") or ""
        groups = ", ".join([*value.get("candidateGroupsList", []), *value.get("candidateUsersList", [])])
        what = f"{assignee} to complete it" if assignee else f"someone of {groups} to claim it" if groups else "someone to claim it"
        due = moment_or_none(value.get("dueDate"))
        return self._made(record, Actor.PERSON, assignee or groups or None, what, due=due)

    def _job(self, record: Record) -> Wait | None:
        value = record.value
        job_type = str(value.get("type"))
        actor = Actor.AGENT if job_type in self._telling.agents else Actor.SERVICE
        match record.intent:
            case "CREATED" | "TIMED_OUT" | "RETRIES_UPDATED" | "RECURRED_AFTER_BACKOFF":
                return self._made(record, actor, job_type, f"a worker for '{job_type}'")
            case "FAILED" if value.get("retries", 0) > 0:
                return self._made(record, actor, job_type, f"another try of '{job_type}'")
            case _:
                return None

    def _made(self, record: Record, actor: Actor, who: str | None, what: str, *, due: datetime | None = None) -> Wait:
        known = self._open.get(record.key)
        element_id = record.element_id or ""
        element = self._telling.element(record, element_id)
        return Wait(
            actor=actor,
            who=who,
            element_id=element_id,
            element=element.name or element_id,
            what=what,
            since=known.since if known is not None else record.time,
            due=due,
            position=record.position,
            partition=record.partition,
            optional=actor in {Actor.TIMER, Actor.MESSAGE} and bool(element.type) and element.type not in _AWAITED,
        )
