"""Deployments and resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Reference
from camunda_workers.engine.embedded.rest.context import bridge_of
from camunda_workers.engine.embedded.rest.multipart import read_form
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.errors import InvalidArgument, NotFound


async def create_deployment(request: Request) -> Response:
    """Deploy every ``resources`` part of a multipart form, all or none."""
    async with read_form(request, bodies.MAX_BODY) as form:
        parts = [part for part in form.getlist("resources") if isinstance(part, UploadFile)]
        if not parts:
            raise InvalidArgument("No resources provided: each file is a part named 'resources'")
        resources = [(part.filename or "", await part.read()) for part in parts]
        tenant = form.get("tenantId")
    if isinstance(tenant, UploadFile):
        raise BadRequest("Request property [tenantId] cannot be parsed: expected a text")
    answer = await bridge_of(request).execute(commands.deploy(resources, bodies.tenant(tenant) or ""))
    value = answer.value
    shown: dict[str, Any] = {
        "deploymentKey": str(answer.key),
        "tenantId": value["tenantId"],
        "deployments": [
            *(_entry("processDefinition", _process(meta)) for meta in value["processesMetadata"]),
            *(_entry("decisionDefinition", _decision(meta)) for meta in value["decisionsMetadata"]),
            *(_entry("decisionRequirements", _requirements(meta)) for meta in value["decisionRequirementsMetadata"]),
            *(_entry("form", _form(meta)) for meta in value["formMetadata"]),
            *(_entry("resource", _resource(meta)) for meta in value["resourceMetadata"]),
        ],
    }
    return JSONResponse(shown)


_KINDS = ("processDefinition", "decisionDefinition", "decisionRequirements", "form", "resource")


def _entry(kind: str, shown: dict[str, Any]) -> dict[str, Any]:
    return {name: shown if name == kind else None for name in _KINDS}


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


def _resource(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resourceId": meta["resourceId"],
        "version": meta["version"],
        "resourceKey": str(meta["resourceKey"]),
        "resourceName": meta["resourceName"],
        "tenantId": meta["tenantId"],
    }


async def _fetched(request: Request) -> Mapping[str, Any]:
    try:
        key = bodies.path_key(request, "resourceKey")
    except InvalidArgument as error:
        # Camunda's description has no 400 here: what no key can name is not there.
        raise NotFound(str(error)) from error
    return (await bridge_of(request).execute(commands.fetch_resource(key))).value


async def get_resource(request: Request) -> Response:
    """A deployed resource that is no process, decision or form (an RPA script, for one)."""
    value = await _fetched(request)
    return JSONResponse(_resource(value) | {"versionTag": value["versionTag"] or None})


async def get_resource_content(request: Request) -> Response:
    """Its content, which is JSON for an RPA script, the only kind there is in 8.8."""
    return Response((await _fetched(request))["resource"], media_type="application/json")


async def get_resource_content_binary(request: Request) -> Response:
    """Its content, as it was deployed."""
    return Response((await _fetched(request))["resource"], media_type="application/octet-stream")


class DeleteResource(Body):
    """What else goes with a resource."""

    operation_reference: Reference | None = None
    delete_history: bool = False


async def delete_resource(request: Request, body: DeleteResource) -> Response:
    """Delete a process, decision, form or other resource; its history stays in the event log, which nothing is taken out of."""
    key = bodies.path_key(request, "resourceKey")
    await bridge_of(request).execute(commands.delete_resource(key, body.operation_reference))
    return JSONResponse({"resourceKey": str(key), "batchOperation": None})


_FORM = {
    "type": "object",
    "properties": {
        "resources": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1},
        "tenantId": {"type": "string"},
    },
    "required": ["resources"],
}

OPERATIONS = [
    Operation("POST", "/deployments", create_deployment, form=_FORM),
    Operation("GET", "/resources/{resourceKey}", get_resource, refusals=(404,)),
    Operation("GET", "/resources/{resourceKey}/content", get_resource_content, refusals=(404,)),
    Operation(
        "GET",
        "/resources/{resourceKey}/content/binary",
        get_resource_content_binary,
        refusals=(404,),
        shown="application/octet-stream",
    ),
    Operation("POST", "/resources/{resourceKey}/deletion", delete_resource, DeleteResource, refusals=(404, 409)),
]
