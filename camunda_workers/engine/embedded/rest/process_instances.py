"""Process instances: create, cancel, modify, migrate, and what one has gone through."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.client.business_id import business_id_of, tags_with
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY, unpack
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Int32, Int64, Key, Reference, Referenced, Tenant, Text
from camunda_workers.engine.embedded.rest.context import bridge_of, model_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.errors import DeadlineExceeded, InvalidArgument, NotSupported

_RESULT_TIMEOUT = 15.0
"""Seconds that an awaited instance may take when the caller names no time."""


class _StartAt(Body):
    element_id: Text


class _TerminateAfter(Body):
    type: Literal["TERMINATE_PROCESS_INSTANCE"] = "TERMINATE_PROCESS_INSTANCE"
    after_element_id: Text


class CreateProcessInstance(Body):
    """What to start: a definition by id (and version) or by key."""

    process_definition_id: str = ""
    process_definition_key: Key | None = None
    process_definition_version: Int32 = -1
    variables: Document = EMPTY
    tenant_id: Tenant = ""
    operation_reference: Reference | None = None
    start_instructions: list[_StartAt] = []
    runtime_instructions: list[_TerminateAfter] = []
    await_completion: bool = False
    fetch_variables: list[str] = []
    request_timeout: Int64 = 0
    tags: list[str] = []
    business_id: str | None = None


async def create_process_instance(request: Request, body: CreateProcessInstance) -> Response:
    """Create a process instance; with ``awaitCompletion`` answer with its variables when it has completed."""
    if body.process_definition_id and body.process_definition_key:
        raise InvalidArgument("Only one of [processDefinitionId, processDefinitionKey] is allowed.")
    if not body.process_definition_id and not body.process_definition_key:
        raise InvalidArgument("At least one of [processDefinitionId, processDefinitionKey] is required.")
    native = bridge_of(request).knows_business_ids
    command = commands.create_instance(
        process_id=body.process_definition_id,
        definition_key=body.process_definition_key or 0,
        version=body.process_definition_version,
        variables=body.variables,
        tags=tags_with(body.business_id, body.tags, native=native),
        business_id=(body.business_id or "") if native else "",
        start_elements=[item.element_id for item in body.start_instructions],
        terminate_after=[item.after_element_id for item in body.runtime_instructions],
        tenant_id=body.tenant_id,
        await_result=body.await_completion,
        fetch_variables=body.fetch_variables,
        operation_reference=body.operation_reference,
    )
    wait = min(body.request_timeout, 2**31) / 1000 if body.request_timeout > 0 else _RESULT_TIMEOUT
    try:
        async with asyncio.timeout(wait if body.await_completion else None):
            answer = await bridge_of(request).execute(command)
    except TimeoutError:
        raise DeadlineExceeded("the process instance did not complete in time") from None
    value = answer.value
    shown: dict[str, Any] = {
        "processDefinitionKey": str(value["processDefinitionKey"]),
        "processDefinitionId": value["bpmnProcessId"],
        "processDefinitionVersion": value["version"],
        "processInstanceKey": str(value["processInstanceKey"]),
        "tenantId": value["tenantId"],
        "tags": value["tags"],
        "businessId": value.get("businessId") or business_id_of(value["tags"]),
        "variables": unpack(value["variables"]) if body.await_completion else {},
    }
    return JSONResponse(shown)


async def cancel_process_instance(request: Request, body: Referenced) -> Response:
    """Cancel a process instance."""
    key = bodies.path_key(request, "processInstanceKey")
    await bridge_of(request).execute(commands.cancel_instance(key, body.operation_reference))
    return Response(status_code=204)


class _Variables(Body):
    variables: Document
    scope_id: str = ""


class _Activate(Body):
    element_id: Text
    variable_instructions: list[_Variables] = []
    ancestor_element_instance_key: Key | Literal["-1"] | None = None


class _Terminate(Body):
    element_instance_key: Key | None = None
    element_id: str = ""


class ModifyProcessInstance(Body):
    """Which elements to activate, and which to end."""

    operation_reference: Reference | None = None
    activate_instructions: list[_Activate] = []
    terminate_instructions: list[_Terminate] = []
    move_instructions: list[dict[str, Any]] = []


async def modify_process_instance(request: Request, body: ModifyProcessInstance) -> Response:
    """Activate and end elements of a process instance."""
    if body.move_instructions:
        raise NotSupported("Camunda 8.8 has no move instructions: give an activate and a terminate instruction instead")
    key = bodies.path_key(request, "processInstanceKey")
    activate = [
        {
            "elementId": item.element_id,
            "ancestorScopeKey": -1 if item.ancestor_element_instance_key in (None, "-1") else item.ancestor_element_instance_key,
            "variableInstructions": [{"elementId": one.scope_id, "variables": one.variables} for one in item.variable_instructions],
        }
        for item in body.activate_instructions
    ]
    terminate: list[int] = []
    for item in body.terminate_instructions:
        if (item.element_instance_key is None) == (not item.element_id):
            raise InvalidArgument("Exactly one of [elementInstanceKey, elementId] is required in each terminate instruction.")
        terminate += [item.element_instance_key] if item.element_instance_key else await _instances_of(request, key, item.element_id)
    await bridge_of(request).execute(commands.modify_instance(key, activate, terminate, body.operation_reference))
    return Response(status_code=204)


async def _instances_of(request: Request, process_instance: int, element_id: str) -> list[int]:
    """Which element instances of this element are active: the 8.8 engine takes keys only."""
    asked = {"processInstanceKey": process_instance, "elementId": element_id, "state": "ACTIVE"}
    found = await (await model_of(request)).search_element_instances(asked, page={"limit": 10_000})
    if not found["items"]:
        raise InvalidArgument(f"No active instance of the element '{element_id}' found in process instance '{process_instance}'.")
    return [int(item["elementInstanceKey"]) for item in found["items"]]


class _Mapping(Body):
    source_element_id: Text
    target_element_id: Text


class MigrationPlan(Body):
    """Where to, and which element becomes which."""

    target_process_definition_key: Key
    mapping_instructions: list[_Mapping] = Field(min_length=1)

    def mapping(self) -> dict[str, str]:
        """Return the target of each source element.

        Raises:
            InvalidArgument: an element is mapped twice.
        """
        mapping = {one.source_element_id: one.target_element_id for one in self.mapping_instructions}
        if len(mapping) < len(self.mapping_instructions):
            raise InvalidArgument("Each source element may be mapped only once in mappingInstructions.")
        return mapping


class MigrateProcessInstance(MigrationPlan):
    """A plan for one instance."""

    operation_reference: Reference | None = None


async def migrate_process_instance(request: Request, body: MigrateProcessInstance) -> Response:
    """Move a process instance to another definition."""
    key, target = bodies.path_key(request, "processInstanceKey"), body.target_process_definition_key
    await bridge_of(request).execute(commands.migrate_instance(key, target, body.mapping(), body.operation_reference))
    return Response(status_code=204)


_ONE = "/process-instances/{processInstanceKey}"
OPERATIONS = [
    Operation("POST", "/process-instances", create_process_instance, CreateProcessInstance, refusals=(404, 409, 504)),
    Operation("POST", f"{_ONE}/cancellation", cancel_process_instance, Referenced, (204,), (404, 409, 504)),
    Operation("POST", f"{_ONE}/modification", modify_process_instance, ModifyProcessInstance, (204,), (404, 409, 501)),
    Operation("POST", f"{_ONE}/migration", migrate_process_instance, MigrateProcessInstance, (204,), (404, 409)),
]
