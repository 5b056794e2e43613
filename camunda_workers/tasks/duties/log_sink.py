"""Decisions about duties as facts in the event log, where they are chained, provable, exported and erased like everything else in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from camunda_workers.clock import Clock
from camunda_workers.events import EventLog
from camunda_workers.events.facts import Fact as LogFact
from camunda_workers.events.facts import FactKind, Facts
from camunda_workers.tasks.duties.sink import Fact

_KINDS: Final[Mapping[str, FactKind]] = {
    "duty.decided": FactKind.POLICY_DECISION,
    "task.approved": FactKind.APPROVAL,
    "task.completed": FactKind.APPROVAL,
}
_KEPT: Final = ("allowed", "countsAsApproval", "action", "through", "processId", "formId", "formVersion", "shownSha256", "enteredSha256")
"""What is kept for ever. Names of people, and reasons, which name them, can be erased."""


class LogFacts:
    """A `FactSink` that writes decisions and completions into the event log; other facts stay in the task store.

    Args:
        log: the event log.
        clock: the time.
    """

    def __init__(self, log: EventLog, *, clock: Clock | None = None) -> None:
        self._facts = Facts(log, clock=clock)

    async def record(self, fact: Fact) -> None:
        """See `FactSink.record`."""
        kind = _KINDS.get(fact.kind)
        if kind is None:
            return
        value: dict[str, Any] = {name: fact.data[name] for name in _KEPT if name in fact.data}
        value["fact"] = fact.kind
        reasons: list[dict[str, Any]] = fact.data.get("reasons") or []
        if reasons:
            value["rules"] = [{"rule": one["rule"], "kind": one["kind"], "allowed": one["allowed"]} for one in reasons]
        content = {"actor": fact.actor, **{name: one for name, one in fact.data.items() if name not in value}}
        await self._facts.record(
            LogFact(
                kind,
                value,
                content,
                time=fact.at,
                business_id=fact.business_id,
                process_instance_key=fact.process_instance_key,
                element_id=fact.data.get("elementId"),
                key=fact.task_key,
            )
        )
