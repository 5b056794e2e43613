"""What batch operations consist of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from camunda_workers.events.dates import to_iso


@dataclass(slots=True)
class Item:
    """One thing to do.

    Attributes:
        key: the incident, or the process instance itself.
        process_instance_key: the instance it belongs to.
        plan: what exactly is about to be done, where that cannot be told afterwards; kept before it is done.
    """

    key: int
    process_instance_key: int
    root_process_instance_key: int | None = None
    state: str = "ACTIVE"
    processed_at: int | None = None
    error: str | None = None
    plan: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Batch:
    """One batch operation.

    Attributes:
        order: what is done to each item beside the kind of operation: a target definition, a mapping, an operation reference.
        resumed: it was begun by a process that has ended, so an item that is active may have been done.
    """

    key: int
    kind: str
    items: Sequence[Item]
    started_at: int
    order: Mapping[str, Any] = field(default_factory=dict[str, Any])
    state: str = "ACTIVE"
    ended_at: int | None = None
    resumed: bool = False
    running: asyncio.Event = field(default_factory=asyncio.Event)

    def shown(self) -> dict[str, Any]:
        """Return it in the shape of the REST API."""

        def count(state: str) -> int:
            return sum(item.state == state for item in self.items)

        return {
            "batchOperationKey": str(self.key),
            "state": self.state,
            "batchOperationType": self.kind,
            "startDate": to_iso(self.started_at),
            "endDate": None if self.ended_at is None else to_iso(self.ended_at),
            "actorType": None,
            "actorId": None,
            "operationsTotalCount": len(self.items),
            "operationsFailedCount": count("FAILED"),
            "operationsCompletedCount": count("COMPLETED"),
            "errors": [],
        }

    def shown_items(self) -> list[dict[str, Any]]:
        """Return its items in the shape of the REST API."""
        return [
            {
                "operationType": self.kind,
                "batchOperationKey": str(self.key),
                "itemKey": str(item.key),
                "processInstanceKey": str(item.process_instance_key),
                "rootProcessInstanceKey": None if item.root_process_instance_key is None else str(item.root_process_instance_key),
                "state": item.state,
                "processedDate": None if item.processed_at is None else to_iso(item.processed_at),
                "errorMessage": item.error,
            }
            for item in self.items
        ]
