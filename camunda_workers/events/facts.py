"""Our own facts in the log, beside the engine's: worker runs, decisions of AI tasks, approvals, policy decisions and so on.

They are records of partition 0, in the engine's own record shape, so everything that reads, proves, exports and erases records does the same
with them. What may have to be erased goes into a fact's ``content``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, select

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import InvalidArgument
from camunda_workers.events.bulk import insert_rows
from camunda_workers.events.log import FACTS_PARTITION, EventLog
from camunda_workers.events.schema import fact_ids
from camunda_workers.events.writing import Written, append_facts


class FactKind(StrEnum):
    """What kinds of facts there are; the value types of their records."""

    WORKER_RUN = "WORKER_RUN"
    AI_DECISION = "AI_DECISION"
    APPROVAL = "APPROVAL"
    POLICY_DECISION = "POLICY_DECISION"
    FLAG_EXPOSURE = "FLAG_EXPOSURE"
    SLA_BREACH = "SLA_BREACH"
    RELEASE = "RELEASE"
    ERASURE = "ERASURE"
    ARCHIVE = "ARCHIVE"
    GAP = "GAP"


_INTENTS: Final[Mapping[FactKind, str]] = {
    FactKind.WORKER_RUN: "FINISHED",
    FactKind.AI_DECISION: "DECIDED",
    FactKind.APPROVAL: "GIVEN",
    FactKind.POLICY_DECISION: "DECIDED",
    FactKind.FLAG_EXPOSURE: "EXPOSED",
    FactKind.SLA_BREACH: "BREACHED",
    FactKind.RELEASE: "APPLIED",
    FactKind.ERASURE: "ERASED",
    FactKind.ARCHIVE: "ARCHIVED",
    FactKind.GAP: "FOUND",
}
_LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened and that the engine does not know.

    Attributes:
        kind: what it is.
        value: what is kept for ever: ids, outcomes, names of models and versions; numbers. Nothing personal.
        content: what may have to be erased: inputs, texts, names. Kept apart from the log, which only commits to it.
        id: the fact's own name. Recording a fact with a name that is there already adds nothing, so it may be tried again.
        intent: what became of it, where the kind's usual word does not fit (``REJECTED`` for a release).
        time: when; now, unless said otherwise.
        business_id: the case it belongs to.
        process_instance_key: the process instance it belongs to.
        element_id: the element it belongs to.
        key: the engine's key of what it is about: a job, a user task, an element instance.
    """

    kind: FactKind
    value: Mapping[str, Any] = field(default_factory=dict[str, Any])
    content: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None
    intent: str | None = None
    time: datetime | None = None
    business_id: str | None = None
    process_instance_key: int | None = None
    element_id: str | None = None
    key: int | None = None

    def to_json(self, position: int, now: datetime) -> str:
        """The record, at a position."""
        about = {
            "processInstanceKey": self.process_instance_key,
            "elementId": self.element_id,
            "businessId": self.business_id,
            "factId": self.id,
        }
        value: dict[str, Any] = {name: one for name, one in about.items() if one is not None} | dict(self.value)
        if self.content:
            value["content"] = dict(self.content)
        record: dict[str, Any] = {
            "valueType": self.kind.value,
            "key": self.key if self.key is not None else -1,
            "position": position,
            "timestamp": int((self.time or now).astimezone(UTC).timestamp() * 1000),
            "recordType": "EVENT",
            "intent": self.intent or _INTENTS[self.kind],
            "partitionId": FACTS_PARTITION,
            "rejectionType": "NULL_VAL",
            "rejectionReason": "",
            "value": value,
            "sourceRecordPosition": -1,
        }
        try:
            return json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"a fact of kind {self.kind.value} is not JSON: {error}") from error


class Facts:
    """Writes facts into a log, each exactly once.

    Args:
        log: where they go.
        clock: when a fact that says nothing of it happened.
    """

    def __init__(self, log: EventLog, *, clock: Clock | None = None) -> None:
        self._log = log
        self._clock = clock or SystemClock()

    async def record(self, *facts: Fact) -> int:
        """Add facts in one transaction; when this returns they are in the log, and survive a power cut: nobody could say them again.

        Returns:
            How many were new.

        Raises:
            InvalidArgument: a fact is not JSON, or its id is too long.
            ReadModelError: the log cannot be written.
        """
        if not facts:
            return 0
        for fact in facts:
            if fact.id is not None and not 0 < len(fact.id) <= _LONGEST_ID:
                raise InvalidArgument(f"a fact's id has 1 to {_LONGEST_ID} characters: {fact.id[:80]!r}")
        now = self._clock.now()
        return await self._log.grow(lambda connection, tree: write_facts(connection, facts, now, tree), durable=True)


def write_facts(connection: Connection, facts: Sequence[Fact], now: datetime, tree: Any) -> Written:
    """As `Facts.record`, within a transaction."""
    named = [fact.id for fact in facts if fact.id is not None]
    known = set(connection.scalars(select(fact_ids.c.id).where(fact_ids.c.id.in_(named)))) if named else set[str]()
    new: list[Fact] = []
    for fact in facts:
        if fact.id is not None:
            if fact.id in known:
                continue
            known.add(fact.id)
        new.append(fact)

    def make(first: int) -> list[str]:
        insert_rows(
            connection, fact_ids.name, ("id", "position"), [(fact.id, at) for at, fact in enumerate(new, first) if fact.id is not None]
        )
        return [fact.to_json(position, now) for position, fact in enumerate(new, first)]

    return append_facts(connection, make, FACTS_PARTITION, tree)
