"""What went around the rules, found in the log afterwards and recorded.

Listeners keep everybody from it, where they are asked. An engine before 8.8 asks none, a diagram may lack them, and a switch may have been
turned off for an hour. So every completed task that a rule is about is looked at once more: either a listener has allowed that very completion,
or the rules are asked again, over what the log had when the task was completed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from camunda_workers.events import EventLog
from camunda_workers.events.record import Record
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.desk import Asked, DutyDesk
from camunda_workers.tasks.duties.facts import Decision
from camunda_workers.tasks.duties.history import CaseHistory, LogHistory
from camunda_workers.tasks.duties.identity import Directory, People
from camunda_workers.tasks.duties.listener import variables_of
from camunda_workers.tasks.duties.ready import rules_about

if TYPE_CHECKING:
    from camunda_workers.tasks.store import TaskStore

_OVER: Final = frozenset({"CREATED", "UPDATED", "MIGRATED"})


@dataclass(frozen=True, slots=True)
class Violation:
    """Somebody completed a task that the rules deny them.

    Attributes:
        completed: the engine's record of it.
        decision: what the rules say.
    """

    completed: Record
    decision: Decision

    @property
    def user(self) -> str:
        """Who had the task; empty where nobody had it."""
        return str(self.completed.value.get("assignee") or "")


class DutyAudit:
    """Looks at completed tasks.

    Args:
        section: the rules.
        log: who did what.
        store: what listeners allowed, approvals, delegations.
        directory: knows people's groups; the project file's ``[duties.people]`` when not given.
    """

    def __init__(self, section: DutiesSection, log: EventLog, store: TaskStore, *, directory: Directory | None = None) -> None:
        self._section = section
        self._log = log
        self._store = store
        self._directory = directory
        self._people = People(section)
        self._history = LogHistory(log)
        self._needed = frozenset(variables_of(section))

    async def look_at(self, completed: Record) -> Violation | None:
        """Return what is wrong with a completion; ``None`` when nothing is.

        Args:
            completed: the engine's record of a completed user task.
        """
        value = completed.value
        process_id, element_id = str(value.get("bpmnProcessId") or ""), completed.element_id or ""
        about = self._section.candidates_only or next(rules_about(self._section, process_id, element_id), None) is not None
        key = completed.process_instance_key
        if not about or key is None or await self._was_asked(completed):
            return None
        before, variables = await self._variables(completed, key)
        asked = Asked(
            action="complete",
            user=str(value.get("assignee") or ""),
            process_id=process_id,
            element_id=element_id,
            task_key=completed.key,
            process_instance_key=key,
            business_id=completed.business_id,
            variables=variables,
            replaced=before,
            candidate_groups=tuple(value.get("candidateGroupsList") or ()),
            candidate_users=tuple(value.get("candidateUsersList") or ()),
            through="listener",  # whoever made the call counts, too, as it does there
        )
        desk = DutyDesk(
            self._section, _Then(self._history, completed), self._store, directory=self._directory, clock=_Stopped(completed.time)
        )
        decision = await desk.ask(asked)
        return None if decision.allowed else Violation(completed, decision)

    async def _was_asked(self, completed: Record) -> bool:
        """Whether a listener has allowed it: to whoever completed it, when all that counts was known."""
        user = str(completed.value.get("assignee") or "")
        return any(
            fact.data.get("allowed") and fact.data.get("action") == "complete" and fact.data.get("through") == "listener"
            for fact in await self._store.ledger.facts(completed.key, kind="duty.decided")
            if self._people.same(fact.actor, user)
        )

    async def _variables(self, completed: Record, process_instance_key: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """What the task saw of what was submitted, and all that the rules look at as it was then: the nearest scope's value of each."""
        if not self._needed:
            return {}, {}
        parents: dict[int, int] = {}
        values: dict[int, dict[str, Any]] = {}
        records = self._log.records(
            partition=completed.partition, value_types={"VARIABLE", "PROCESS_INSTANCE"}, process_instance_keys=[process_instance_key]
        )
        async for one in records:
            if one.position >= completed.position:
                break
            if not one.is_event:
                continue
            if one.value_type == "PROCESS_INSTANCE":
                parents[one.key] = int(one.value.get("flowScopeKey") or -1)
            elif one.intent in _OVER and (name := str(one.value.get("name"))) in self._needed:
                values.setdefault(int(one.value.get("scopeKey") or -1), {})[name] = _json(one.value.get("value"))
        scopes: list[int] = []
        scope = int(completed.value.get("elementInstanceKey") or -1)
        while scope > 0 and scope not in scopes:
            scopes.append(scope)
            scope = parents.get(scope, -1)
        seen: dict[str, Any] = {}
        for key in reversed(scopes):
            seen |= values.get(key, {})
        entered: Mapping[str, Any] = completed.value.get("variables") or {}
        entered = {name: one for name, one in entered.items() if name in self._needed}
        return {name: one for name, one in seen.items() if name in entered}, seen | entered


class _Then:
    """A `History` that ends where a record was written."""

    def __init__(self, history: LogHistory, record: Record) -> None:
        self._history = history
        self._record = record

    async def of(self, process_instance_key: int, *, business_id: str | None, task_key: int, fence: int | None = None) -> CaseHistory:
        """See `History.of`."""
        return await self._history.before(self._record, business_id=business_id)


class _Stopped:
    """A `Clock` that shows one moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._moment


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None  # erased: what a rule needs and cannot read is a no, as everywhere
