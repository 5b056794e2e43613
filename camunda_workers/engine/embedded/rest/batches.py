"""Batch operations: cancel, resolve, migrate and modify what a filter finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.batch_model import Item
from camunda_workers.engine.embedded.rest.batch_runner import Batches
from camunda_workers.engine.embedded.rest.batch_work import CANCEL, MIGRATE, MODIFY, RESOLVE
from camunda_workers.engine.embedded.rest.bodies import Body, Reference, Referenced, Text
from camunda_workers.engine.embedded.rest.context import model_of
from camunda_workers.engine.embedded.rest.listing import listed
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.engine.embedded.rest.process_instances import MigrationPlan
from camunda_workers.engine.embedded.rest.search import Search
from camunda_workers.errors import InvalidArgument
from camunda_workers.events.entities import INCIDENT, PROCESS_INSTANCE
from camunda_workers.events.projections.instances import process_instances
from camunda_workers.events.projections.work import incidents
from camunda_workers.events.search import Entity

_PAGE = 1000


def _batches(request: Request) -> Batches:
    return request.app.state.batches


class OnInstances(Body):
    """Which process instances."""

    filter: dict[str, Any]
    operation_reference: Reference | None = None


async def _found(request: Request, entity: Entity, filter: Mapping[str, Any], *conditions: Any) -> list[dict[str, Any]]:
    model = await model_of(request)
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {"limit": _PAGE}
    while True:
        try:
            found = await model.search(entity, filter, None, page, conditions=conditions)
        except InvalidArgument as error:
            raise BadRequest(str(error)) from error
        items += found["items"]
        if len(found["items"]) < _PAGE:
            return items
        page = {"limit": _PAGE, "after": found["page"]["endCursor"]}


async def _instances(request: Request, filter: Mapping[str, Any], *conditions: Any) -> list[Item]:
    active = process_instances.c.state == "ACTIVE"
    return [_instance(one) for one in await _found(request, PROCESS_INSTANCE, filter, active, *conditions)]


def _instance(one: Mapping[str, Any]) -> Item:
    key, root = int(one["processInstanceKey"]), one["rootProcessInstanceKey"]
    return Item(key, key, None if root is None else int(root))


async def _start(request: Request, kind: str, items: Sequence[Item], **order: Any) -> Response:
    batch = await _batches(request).start(kind, items, order)
    return JSONResponse({"batchOperationKey": str(batch.key), "batchOperationType": batch.kind})


async def cancel_process_instances_batch_operation(request: Request, body: OnInstances) -> Response:
    """Cancel process instances; those that others called end with their callers."""
    items = await _instances(request, body.filter, process_instances.c.parent_process_instance_key.is_(None))
    return await _start(request, CANCEL, items, operationReference=body.operation_reference)


async def _resolve(request: Request, keys: Sequence[int], reference: int | None) -> Response:
    found = await _found(request, INCIDENT, {"state": "ACTIVE"}, incidents.c.process_instance_key.in_(keys))
    items = [Item(int(one["incidentKey"]), int(one["processInstanceKey"])) for one in found]
    return await _start(request, RESOLVE, items, operationReference=reference)


async def resolve_incidents_batch_operation(request: Request, body: OnInstances) -> Response:
    """Resolve the incidents of process instances."""
    return await _resolve(request, [item.key for item in await _instances(request, body.filter)], body.operation_reference)


async def resolve_process_instance_incidents(request: Request) -> Response:
    """Resolve the incidents of one process instance."""
    key = bodies.path_key(request, "processInstanceKey")
    await (await model_of(request)).get(PROCESS_INSTANCE, key)
    return await _resolve(request, [key], None)


class MigrateInstances(OnInstances):
    """Which process instances, and how."""

    migration_plan: MigrationPlan


async def migrate_process_instances_batch_operation(request: Request, body: MigrateInstances) -> Response:
    """Move process instances to another definition."""
    items, plan = await _instances(request, body.filter), body.migration_plan
    target = plan.target_process_definition_key
    return await _start(request, MIGRATE, items, target=target, mapping=plan.mapping(), operationReference=body.operation_reference)


class _Move(Body):
    source_element_id: Text
    target_element_id: Text


class ModifyInstances(OnInstances):
    """Which process instances, and which element to put in the place of which."""

    move_instructions: list[_Move] = Field(min_length=1)


async def modify_process_instances_batch_operation(request: Request, body: ModifyInstances) -> Response:
    """In process instances, end elements and activate others in their place."""
    items = await _instances(request, body.filter)
    moves = {one.source_element_id: one.target_element_id for one in body.move_instructions}
    return await _start(request, MODIFY, items, moves=moves, operationReference=body.operation_reference)


async def search_batch_operations(request: Request, body: Search) -> Response:
    """Search for batch operations."""
    rows = [batch.shown() for batch in _batches(request).all()]
    return JSONResponse(listed(rows, body.filter, body.sort, body.page, names={"operationType": "batchOperationType"}))


async def search_batch_operation_items(request: Request, body: Search) -> Response:
    """Search for what batch operations consist of."""
    rows = [item for batch in _batches(request).all() for item in batch.shown_items()]
    return JSONResponse(listed(rows, body.filter, body.sort, body.page))


def _key(request: Request) -> int:
    return bodies.path_key(request, "batchOperationKey")


async def get_batch_operation(request: Request) -> Response:
    """One batch operation."""
    return JSONResponse(_batches(request).get(_key(request)).shown())


async def cancel_batch_operation(request: Request, body: Referenced) -> Response:
    """End a batch operation."""
    await _batches(request).cancel(_key(request))
    return Response(status_code=204)


async def suspend_batch_operation(request: Request, body: Referenced) -> Response:
    """Hold a batch operation back."""
    await _batches(request).suspend(_key(request))
    return Response(status_code=204)


async def resume_batch_operation(request: Request, body: Referenced) -> Response:
    """Let a batch operation go on."""
    await _batches(request).resume(_key(request))
    return Response(status_code=204)


_MANY, _ONE = "/process-instances", "/batch-operations/{batchOperationKey}"
OPERATIONS = [
    Operation("POST", f"{_MANY}/cancellation", cancel_process_instances_batch_operation, OnInstances),
    Operation("POST", f"{_MANY}/incident-resolution", resolve_incidents_batch_operation, OnInstances),
    Operation("POST", f"{_MANY}/migration", migrate_process_instances_batch_operation, MigrateInstances),
    Operation("POST", f"{_MANY}/modification", modify_process_instances_batch_operation, ModifyInstances),
    Operation("POST", f"{_MANY}/{{processInstanceKey}}/incident-resolution", resolve_process_instance_incidents, refusals=(404,)),
    Operation("POST", "/batch-operations/search", search_batch_operations, Search),
    Operation("POST", "/batch-operation-items/search", search_batch_operation_items, Search),
    Operation("GET", _ONE, get_batch_operation, refusals=(404,)),
    Operation("POST", f"{_ONE}/cancellation", cancel_batch_operation, Referenced, (204,), (404,)),
    Operation("POST", f"{_ONE}/suspension", suspend_batch_operation, Referenced, (204,), (404,)),
    Operation("POST", f"{_ONE}/resumption", resume_batch_operation, Referenced, (204,), (404, 409)),
]
