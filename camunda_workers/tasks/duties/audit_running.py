"""The audit of completed tasks as it runs beside workers and inbox: it follows the log, and writes down each violation once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import func, select

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog
from camunda_workers.events.facts import Fact as LogFact
from camunda_workers.events.facts import FactKind, Facts
from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.events.record import Record
from camunda_workers.events.schema import fact_ids
from camunda_workers.events.subscription import Where, subscribe
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.audit import DutyAudit, Violation
from camunda_workers.tasks.duties.identity import Directory
from camunda_workers.tasks.duties.sink import Fact

if TYPE_CHECKING:
    from camunda_workers.tasks.store import TaskStore

COMPLETED: Final = Where({"valueType": ("USER_TASK",), "intent": ("COMPLETED",), "recordType": ("EVENT",)})
EVERY: Final = 1000
"""After so many completed tasks the log is told how far the audit has come: after a kill it goes on from there."""
PAUSE: Final = 5.0
"""Seconds until the next try, when log or store cannot be reached."""
_DONE: Final = "duties-audited:"

_log = structlog.get_logger("camunda_workers.duties")


class AuditTrail:
    """Goes through the log and records violations in it, and in the store.

    Args:
        section: the rules.
        log: what is gone through, and where violations are recorded.
        store: see `DutyAudit`.
        directory: see `DutyAudit`.
        clock: the time of what is recorded.
    """

    def __init__(
        self, section: DutiesSection, log: EventLog, store: TaskStore, *, directory: Directory | None = None, clock: Clock | None = None
    ) -> None:
        self._audit = DutyAudit(section, log, store, directory=directory)
        self._log = log
        self._store = store
        self._clock = clock or SystemClock()
        self._facts = Facts(log, clock=self._clock)

    async def everything(self) -> list[Violation]:
        """Go through the whole log, whatever was looked at before, by today's rules; what is new among it is recorded."""
        violations: list[Violation] = []
        for partition in sorted(set(await self._log.heads()) - {FACTS_PARTITION}):
            async for record in self._log.records(partition=partition, value_types={"USER_TASK"}):
                if record.is_event and record.intent == "COMPLETED" and (found := await self._one(record)) is not None:
                    violations.append(found)
        return violations

    async def follow(self) -> None:
        """Look at what was completed since the last look, then at what comes, until cancelled."""
        reached = noted = await self._place()
        looked_at = 0
        try:
            async with aclosing(subscribe(self._log, after=noted, where=COMPLETED)) as completions:
                async for found in completions:
                    await self._one(found.record)
                    reached, looked_at = found.seq, looked_at + 1
                    if looked_at >= EVERY:
                        await self._note(reached, looked_at)
                        noted, looked_at = reached, 0
        finally:
            if reached > noted:
                with suppress(ReadModelError):
                    await asyncio.shield(self._note(reached, looked_at))

    async def _place(self) -> int:
        query = select(func.max(fact_ids.c.id)).where(fact_ids.c.id.like(f"{_DONE}%"))
        found = await self._log.database.read(lambda connection: connection.scalar(query))
        return int(found.removeprefix(_DONE)) if found else -1

    async def _note(self, reached: int, looked_at: int) -> None:
        value = {"fact": "duties.audited", "upTo": reached, "completions": looked_at}
        # As many digits each time: the last one is the greatest.
        await self._facts.record(LogFact(FactKind.POLICY_DECISION, value, id=f"{_DONE}{reached:018d}", intent="AUDITED"))

    async def _one(self, completed: Record) -> Violation | None:
        violation = await self._audit.look_at(completed)
        if violation is not None and await self._facts.record(_fact_of(violation)):
            data = {**violation.decision.to_json(), "action": "complete", "user": violation.user, "elementId": completed.element_id}
            await self._store.ledger.record(
                Fact(
                    "duty.violated",
                    self._clock.now(),
                    violation.user,
                    data,
                    completed.key,
                    completed.process_instance_key,
                    completed.business_id,
                )
            )
            _log.error(
                "duties.violated",
                task=completed.key,
                element_id=completed.element_id,
                process_instance_key=completed.process_instance_key,
                user=violation.user,
                reason=violation.decision.text,
            )
        return violation


@asynccontextmanager
async def auditing(
    section: DutiesSection, log: EventLog, store: TaskStore, *, directory: Directory | None = None, clock: Clock | None = None
) -> AsyncGenerator[None]:
    """Look at completed tasks meanwhile, as `AuditTrail.follow` does; nothing where there are no rules.

    Args:
        section: see `AuditTrail`.
        log: see there.
        store: see there.
        directory: see there.
        clock: see there.
    """
    if not section.any_rules:
        yield
        return

    async def work() -> None:
        while True:
            try:
                await AuditTrail(section, log, store, directory=directory, clock=clock).follow()
            except ReadModelError as error:
                # Nothing is lost: the next try begins where the last one was noted.
                _log.warning("duties.audit", problem=str(error))
            await asyncio.sleep(PAUSE)

    working = asyncio.create_task(work(), name="camunda-workers-duties-audit")
    try:
        yield
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


def _fact_of(violation: Violation) -> LogFact:
    """The violation in the log: what happened is kept for ever, names and reasons, which name people, can be erased."""
    completed, decision = violation.completed, violation.decision
    rules = [{"rule": one.rule, "kind": one.kind, "allowed": one.allowed} for one in decision.reasons]
    value: dict[str, Any] = {
        "fact": "duty.violated",
        "outcome": "violated",
        "action": "complete",
        "processId": completed.value.get("bpmnProcessId"),
        "completedAt": [completed.partition, completed.position],
        "rules": rules,
    }
    reasons = [{"rule": one.rule, "text": one.text} for one in decision.denials]
    return LogFact(
        FactKind.POLICY_DECISION,
        value,
        {"actor": violation.user, "user": violation.user, "reason": decision.text, "reasons": reasons},
        id=f"duty-violated:{completed.partition}:{completed.position}",
        intent="VIOLATED",
        business_id=completed.business_id,
        process_instance_key=completed.process_instance_key,
        element_id=completed.element_id,
        key=completed.key,
    )
