"""What batch operations do to each of their items, once: whatever a former process may have done is looked for first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.rest.batch_model import Batch, Item
from camunda_workers.errors import InvalidState, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from camunda_workers.engine.embedded.engine import EmbeddedEngine

CANCEL = "CANCEL_PROCESS_INSTANCE"
RESOLVE = "RESOLVE_INCIDENT"
MIGRATE = "MIGRATE_PROCESS_INSTANCE"
MODIFY = "MODIFY_PROCESS_INSTANCE"


class BatchWork:
    """Does it.

    A command that was acknowledged is in the engine's log, and so in the read model. An item that is not marked as done may have been done
    by a process that was killed before it could mark it: the read model tells.

    Args:
        engine: what the commands go to.
    """

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine

    async def __call__(self, batch: Batch, item: Item, remember: Callable[[], Awaitable[None]]) -> None:
        """Do what the batch operation does to one item.

        Args:
            batch: says what is to be done.
            item: to what.
            remember: keeps the item's plan, before it is carried out.

        Raises:
            EngineError: the engine refused it.
        """
        if batch.resumed and await self._is_done(batch, item):
            return
        reference = batch.order.get("operationReference")
        match batch.kind:
            case "CANCEL_PROCESS_INSTANCE":
                command = commands.cancel_instance(item.key, reference)
            case "RESOLVE_INCIDENT":
                command = commands.resolve_incident(item.key, reference)
            case "MIGRATE_PROCESS_INSTANCE":
                command = commands.migrate_instance(item.key, batch.order["target"], batch.order["mapping"], reference)
            case _:
                plan = item.plan = item.plan or await self._moves(item.key, batch.order["moves"])
                await remember()
                command = commands.modify_instance(item.key, plan["activate"], plan["terminate"], reference)
        await self._engine.bridge.execute(command)

    async def _moves(self, instance: int, moves: Mapping[str, str]) -> dict[str, Any]:
        """Which element instances end, and what begins in their place."""
        model = await self._engine.read_model()
        asked = {"processInstanceKey": instance, "state": "ACTIVE", "$or": [{"elementId": source} for source in moves]}
        found = (await model.search_element_instances(asked, page={"limit": 10_000}))["items"]
        activate: list[dict[str, Any]] = [
            {"elementId": moves[one["elementId"]], "ancestorScopeKey": -1, "variableInstructions": []} for one in found
        ]
        return {"activate": activate, "terminate": [int(one["elementInstanceKey"]) for one in found]}

    async def _is_done(self, batch: Batch, item: Item) -> bool:
        model = await self._engine.read_model()
        try:
            if batch.kind == RESOLVE:
                return (await model.get_incident(item.key))["state"] == "RESOLVED"
            if batch.kind == MODIFY:
                return item.plan is not None and await self._is_moved(item.plan["terminate"])
            instance = await model.get_process_instance(item.key)
        except NotFound:
            return False
        if batch.kind == CANCEL:
            return instance["state"] == "TERMINATED"
        return instance["processDefinitionKey"] == str(batch.order["target"])

    async def _is_moved(self, terminated: list[int]) -> bool:
        # A modification is one command: it ended all of them or none, and nobody else ends an element and leaves it to be moved.
        model = await self._engine.read_model()
        states = {(await model.get_element_instance(key))["state"] for key in terminated}
        if states == {"COMPLETED"}:
            raise InvalidState("its elements were completed before they could be moved")
        return bool(states) and "ACTIVE" not in states
