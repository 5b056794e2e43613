"""Deployments, process instances, messages, signals, decisions, variables, incidents: the commands of the REST API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import unpack
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.context import bridge_of
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.errors import DeadlineExceeded

_RESULT_TIMEOUT = 15.0
"""Seconds that an awaited instance may take when the caller names no time."""


async def deploy(request: Request) -> Response:
    """Deploy every ``resources`` part of a multipart form, all or none."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest("send the resources as multipart/form-data")
    async with request.form(max_files=1000, max_part_size=bodies.MAX_BODY) as form:
        parts = [part for part in form.getlist("resources") if isinstance(part, UploadFile)]
        if not parts:
            raise BadRequest("No resources provided: each file is a part named 'resources'")
        resources = [(part.filename or "", await part.read()) for part in parts]
        tenant = form.get("tenantId")
    answer = await bridge_of(request).execute(commands.deploy(resources, tenant if isinstance(tenant, str) else ""))
    value = answer.value
    deployments: list[dict[str, Any]] = [{"processDefinition": _process(meta)} for meta in value["processesMetadata"]]
    deployments += [{"decisionDefinition": _decision(meta)} for meta in value["decisionsMetadata"]]
    deployments += [{"decisionRequirements": _requirements(meta)} for meta in value["decisionRequirementsMetadata"]]
    deployments += [{"form": _form(meta)} for meta in value["formMetadata"]]
    return JSONResponse({"deploymentKey": str(answer.key), "deployments": deployments, "tenantId": value["tenantId"]})


def _process(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "processDefinitionId": meta["bpmnProcessId"],
        "processDefinitionVersion": meta["version"],
        "processDefinitionKey": str(meta["processDefinitionKey"]),
        "resourceName": meta["resourceName"],
        "tenantId": meta["tenantId"],
    }


def _decision(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "decisionDefinitionId": meta["decisionId"],
        "name": meta["decisionName"],
        "version": meta["version"],
        "decisionDefinitionKey": str(meta["decisionKey"]),
        "decisionRequirementsId": meta["decisionRequirementsId"],
        "decisionRequirementsKey": str(meta["decisionRequirementsKey"]),
        "tenantId": meta["tenantId"],
    }


def _requirements(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "decisionRequirementsId": meta["decisionRequirementsId"],
        "decisionRequirementsName": meta["decisionRequirementsName"],
        "version": meta["decisionRequirementsVersion"],
        "decisionRequirementsKey": str(meta["decisionRequirementsKey"]),
        "resourceName": meta["resourceName"],
        "tenantId": meta["tenantId"],
    }


def _form(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "formId": meta["formId"],
        "version": meta["version"],
        "formKey": str(meta["formKey"]),
        "resourceName": meta["resourceName"],
        "tenantId": meta["tenantId"],
    }


_CREATE = [
    "processDefinitionId",
    "processDefinitionVersion",
    "processDefinitionKey",
    "variables",
    "tenantId",
    "operationReference",
    "startInstructions",
    "runtimeInstructions",
    "awaitCompletion",
    "fetchVariables",
    "requestTimeout",
    "tags",
]


async def create_instance(request: Request) -> Response:
    """Create a process instance; with ``awaitCompletion`` answer with its variables when it has completed."""
    body = await bodies.json_body(request, _CREATE)
    process_id = bodies.text(body, "processDefinitionId")
    key = bodies.as_key(body["processDefinitionKey"], "processDefinitionKey") if body.get("processDefinitionKey") else 0
    if bool(process_id) == bool(key):
        raise BadRequest("Provide either processDefinitionId or processDefinitionKey, and not both.")
    awaited = bodies.flag(body, "awaitCompletion", False)
    command = commands.create_instance(
        process_id=process_id,
        definition_key=key,
        version=bodies.whole(body, "processDefinitionVersion", -1),
        variables=bodies.variables(body),
        tags=bodies.texts(body, "tags"),
        start_elements=[str(item.get("elementId", "")) for item in _objects(body, "startInstructions")],
        terminate_after=[str(item.get("afterElementId", "")) for item in _objects(body, "runtimeInstructions")],
        tenant_id=bodies.text(body, "tenantId"),
        await_result=awaited,
        fetch_variables=bodies.texts(body, "fetchVariables"),
        operation_reference=bodies.whole(body, "operationReference", 0) or None,
    )
    wait = bodies.whole(body, "requestTimeout", 0) / 1000 or _RESULT_TIMEOUT
    try:
        async with asyncio.timeout(wait if awaited else None):
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
        "variables": unpack(value["variables"]) if awaited else {},
    }
    return JSONResponse(shown)


def _objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value: Any = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast(list[Any], value)):
        raise BadRequest(f"Request property [{name}] cannot be parsed: expected a list of objects")
    return cast(list[dict[str, Any]], value)


async def cancel_instance(request: Request) -> Response:
    """Cancel a process instance."""
    body = await bodies.json_body(request, ["operationReference"])
    reference = bodies.whole(body, "operationReference", 0) or None
    await bridge_of(request).execute(commands.cancel_instance(bodies.path_key(request, "key"), reference))
    return Response(status_code=204)


async def publish_message(request: Request) -> Response:
    """Publish a message."""
    body = await bodies.json_body(request, ["name", "correlationKey", "timeToLive", "messageId", "variables", "tenantId"])
    command = commands.publish_message(
        bodies.text(body, "name", required=True),
        bodies.text(body, "correlationKey"),
        bodies.whole(body, "timeToLive", 0),
        bodies.text(body, "messageId"),
        bodies.variables(body),
        bodies.text(body, "tenantId"),
    )
    answer = await bridge_of(request).execute(command)
    return JSONResponse({"tenantId": answer.value["tenantId"], "messageKey": str(answer.key)})


async def broadcast_signal(request: Request) -> Response:
    """Broadcast a signal."""
    body = await bodies.json_body(request, ["signalName", "variables", "tenantId"])
    name, tenant = bodies.text(body, "signalName", required=True), bodies.text(body, "tenantId")
    answer = await bridge_of(request).execute(commands.broadcast_signal(name, bodies.variables(body), tenant))
    return JSONResponse({"tenantId": answer.value["tenantId"], "signalKey": str(answer.key)})


async def set_variables(request: Request) -> Response:
    """Set variables at an element instance."""
    body = await bodies.json_body(request, ["variables", "local", "operationReference"])
    scope, local = bodies.path_key(request, "key"), bodies.flag(body, "local", False)
    reference = bodies.whole(body, "operationReference", 0) or None
    await bridge_of(request).execute(commands.set_variables(scope, bodies.variables(body), local=local, operation_reference=reference))
    return Response(status_code=204)


async def resolve_incident(request: Request) -> Response:
    """Resolve an incident."""
    await bodies.json_body(request, ["operationReference"])
    await bridge_of(request).execute(commands.resolve_incident(bodies.path_key(request, "key")))
    return Response(status_code=204)


ROUTES = [
    Route("/v2/deployments", deploy, methods=["POST"]),
    Route("/v2/process-instances", create_instance, methods=["POST"]),
    Route("/v2/process-instances/{key}/cancellation", cancel_instance, methods=["POST"]),
    Route("/v2/messages/publication", publish_message, methods=["POST"]),
    Route("/v2/signals/broadcast", broadcast_signal, methods=["POST"]),
    Route("/v2/element-instances/{key}/variables", set_variables, methods=["PUT"]),
    Route("/v2/incidents/{key}/resolution", resolve_incident, methods=["POST"]),
]
