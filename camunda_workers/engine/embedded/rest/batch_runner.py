"""Batch operations: one command for each thing a filter finds, run beside everything else, a few at a time.

Camunda's own batch operations find their items in a search database that the engine asks; this engine has none, so the gateway does it.
A durable engine keeps them in its folder, and one that was under way goes on at the next start; otherwise the list ends with the process.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from camunda_workers.ending import end_tasks
from camunda_workers.engine.embedded.rest.batch_model import Batch, Item
from camunda_workers.errors import BackPressure, CamundaWorkersError, EngineUnavailable, InvalidState, NotFound

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.engine import EmbeddedEngine
    from camunda_workers.engine.embedded.rest.batch_store import BatchStore

_log = logging.getLogger(__name__)

_AT_ONCE = 16
_KEPT = 1000
"""Batches that are remembered; the oldest finished ones are forgotten."""
_FIRST_KEY = 2**61
"""Above every key the engine makes, and apart from start to start."""
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

Execute = Callable[[Batch, Item, Callable[[], Awaitable[None]]], Awaitable[None]]


class Batches:
    """The batch operations of one engine.

    Args:
        engine: whose time it is.
        execute: does what is to be done to an item.
        store: where they are kept, for an engine that keeps things.
    """

    def __init__(self, engine: EmbeddedEngine, execute: Execute, store: BatchStore | None = None) -> None:
        self._engine = engine
        self._execute = execute
        self._store = store
        self._keys = itertools.count(_FIRST_KEY + time.time_ns() // 1000)
        self._batches: dict[int, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed: dict[int, set[int]] = {}
        self._writing = asyncio.Lock()

    def go_on(self) -> None:
        """Take up what a former process left.

        Raises:
            ConfigurationError: what it left cannot be read.
        """
        for batch in [] if self._store is None else self._store.load():
            self._batches[batch.key] = batch
            if batch.ended_at is None:
                if batch.state != "SUSPENDED":
                    batch.running.set()
                self._begin(batch)

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

    async def start(self, kind: str, items: Sequence[Item], order: Mapping[str, Any]) -> Batch:
        """Start one; it runs on its own, and a durable engine will finish it, whatever happens now."""
        gone = [one.key for one in self._batches.values() if one.ended_at is not None][: max(0, len(self._batches) - _KEPT + 1)]
        batch = Batch(next(self._keys), kind, items, self._now(), order)
        if self._store is not None:
            await self._store.add(batch)
            if gone:
                await self._store.forget(gone)
        for old in gone:
            self._batches.pop(old, None)
        batch.running.set()
        self._batches[batch.key] = batch
        self._begin(batch)
        return batch

    async def suspend(self, key: int) -> None:
        """Hold one back; what is under way is finished."""
        batch = self._open(key)
        batch.running.clear()
        batch.state = "SUSPENDED"
        await self._keep(batch)

    async def resume(self, key: int) -> None:
        """Let one go on."""
        batch = self._open(key)
        if batch.state != "SUSPENDED":
            raise InvalidState(f"Batch operation with key '{key}' is not suspended, but {batch.state}")
        batch.state = "ACTIVE"
        await self._keep(batch)
        batch.running.set()

    async def cancel(self, key: int) -> None:
        """End one; what is under way is finished, the rest is not done."""
        batch = self._open(key)
        left = [number for number, item in enumerate(batch.items) if item.state == "ACTIVE"]
        for number in left:
            batch.items[number].state = "CANCELED"
        batch.state, batch.ended_at = "CANCELED", self._now()
        await self._keep(batch, *left)
        batch.running.set()

    async def close(self) -> None:
        """Stop whatever runs; what is kept goes on at the next start."""
        await end_tasks(*self._tasks)
        if self._store is not None:
            await self._store.close()

    def _begin(self, batch: Batch) -> None:
        task = asyncio.create_task(self._run(batch), name=f"camunda-workers-batch-{batch.key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _open(self, key: int) -> Batch:
        batch = self.get(key)
        if batch.ended_at is not None:
            raise NotFound(f"Batch operation with key '{key}' is already {batch.state}")
        return batch

    def _now(self) -> int:
        return int(self._engine.now().timestamp() * 1000)

    async def _keep(self, batch: Batch, *numbers: int) -> None:
        """Write down what changed; what others change meanwhile goes along, so that many items are one write."""
        if self._store is None:
            return
        self._changed.setdefault(batch.key, set()).update(numbers)
        async with self._writing:
            changed = self._changed.pop(batch.key, None)
            if changed is None:
                return  # somebody else has written it
            try:
                await self._store.mark(batch, changed)
            except BaseException:
                self._changed.setdefault(batch.key, set()).update(changed)
                raise

    async def _run(self, batch: Batch) -> None:
        left = iter(enumerate(batch.items))

        async def work() -> None:
            for number, item in left:
                await batch.running.wait()
                if item.state == "ACTIVE":
                    await self._do(batch, number, item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(batch.items))):
                    group.create_task(work())
            if batch.ended_at is None:
                batch.state, batch.ended_at = "COMPLETED", self._now()
                await self._keep_for_certain(batch)
        except Exception as error:
            stopped = isinstance(error, ExceptionGroup) and error.split(EngineUnavailable)[1] is None  # pyright: ignore[reportUnknownMemberType]
            if not stopped:  # otherwise the engine ends, and what is kept goes on at the next start
                _log.exception("batch operation %s cannot go on", batch.key)

    async def _do(self, batch: Batch, number: int, item: Item) -> None:
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            try:
                await self._execute(batch, item, lambda: self._keep(batch, number))
            except BackPressure:
                # Too busy, or its disk is full: that says nothing about the item.
                await asyncio.sleep(pause)
                continue
            except EngineUnavailable:
                raise
            except CamundaWorkersError as error:
                state, problem = "FAILED", str(error)
            except Exception as error:
                _log.exception("an item of batch operation %s failed", batch.key)
                state, problem = "FAILED", f"{type(error).__name__}: {error}"
            else:
                state, problem = "COMPLETED", None
            break
        else:
            return
        item.state, item.error, item.processed_at = state, problem, self._now()
        await self._keep_for_certain(batch, number)

    async def _keep_for_certain(self, batch: Batch, *numbers: int) -> None:
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            try:
                await self._keep(batch, *numbers)
                break
            except BackPressure:
                await asyncio.sleep(pause)
