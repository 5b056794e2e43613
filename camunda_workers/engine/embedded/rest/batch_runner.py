"""Batch operations: one command for each thing a filter finds, run beside everything else, a few at a time.

Camunda's own batch operations find their items in a search database that the engine asks; this engine has none, so the gateway does it.
What is under way is kept in memory: the commands that were executed are in the engine's log, the list of them ends with the process.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from camunda_workers.errors import CamundaWorkersError, InvalidState, NotFound
from camunda_workers.events.dates import to_iso

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine

_AT_ONCE = 16
_KEPT = 1000
"""Batches that are remembered; the oldest finished ones are forgotten."""
_FIRST_KEY = 2**61
"""Above every key the engine makes, and apart from start to start."""

Execute = Callable[["Item"], Awaitable[None]]


@dataclass(slots=True)
class Item:
    """One thing to do.

    Attributes:
        key: the incident, or the process instance itself.
        process_instance_key: the instance it belongs to.
    """

    key: int
    process_instance_key: int
    root_process_instance_key: int | None = None
    state: str = "ACTIVE"
    processed_at: int | None = None
    error: str | None = None


@dataclass(slots=True)
class Batch:
    """One batch operation."""

    key: int
    kind: str
    items: Sequence[Item]
    started_at: int
    state: str = "ACTIVE"
    ended_at: int | None = None
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


class Batches:
    """The batch operations of one engine."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine
        self._keys = itertools.count(_FIRST_KEY + time.time_ns() // 1000)
        self._batches: dict[int, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[Batch]:
        """Return what is remembered, oldest first."""
        return list(self._batches.values())

    def get(self, key: int) -> Batch:
        """Return one.

        Raises:
            NotFound: there is none of that key.
        """
        found = self._batches.get(key)
        if found is None:
            raise NotFound(f"Batch operation with key '{key}' not found")
        return found

    def start(self, kind: str, items: Sequence[Item], execute: Execute) -> Batch:
        """Start one; it runs on its own."""
        for old in [one.key for one in self._batches.values() if one.ended_at is not None][: max(0, len(self._batches) - _KEPT + 1)]:
            del self._batches[old]
        batch = Batch(next(self._keys), kind, items, self._now())
        batch.running.set()
        self._batches[batch.key] = batch
        task = asyncio.create_task(self._run(batch, execute), name=f"camunda-workers-batch-{batch.key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def suspend(self, key: int) -> None:
        """Hold one back; what is under way is finished."""
        batch = self._open(key)
        batch.running.clear()
        batch.state = "SUSPENDED"

    def resume(self, key: int) -> None:
        """Let one go on."""
        batch = self._open(key)
        if batch.state != "SUSPENDED":
            raise InvalidState(f"Batch operation with key '{key}' is not suspended, but {batch.state}")
        batch.state = "ACTIVE"
        batch.running.set()

    def cancel(self, key: int) -> None:
        """End one; what is under way is finished, the rest is not done."""
        batch = self._open(key)
        for item in batch.items:
            if item.state == "ACTIVE":
                item.state = "CANCELED"
        batch.state, batch.ended_at = "CANCELED", self._now()
        batch.running.set()

    async def close(self) -> None:
        """Stop whatever runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _open(self, key: int) -> Batch:
        batch = self.get(key)
        if batch.ended_at is not None:
            raise NotFound(f"Batch operation with key '{key}' is already {batch.state}")
        return batch

    def _now(self) -> int:
        return int(self._engine.now().timestamp() * 1000)

    async def _run(self, batch: Batch, execute: Execute) -> None:
        left = iter(batch.items)

        async def work() -> None:
            for item in left:
                await batch.running.wait()
                if item.state != "ACTIVE":
                    continue
                try:
                    await execute(item)
                    item.state = "COMPLETED"
                except CamundaWorkersError as error:
                    item.state, item.error = "FAILED", str(error)
                item.processed_at = self._now()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(batch.items))):
                group.create_task(work())
        if batch.ended_at is None:
            batch.state, batch.ended_at = "COMPLETED", self._now()
