"""Element instances: variables and ad-hoc activities; incidents: resolution."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Reference, Referenced, Text
from camunda_workers.engine.embedded.rest.context import bridge_of
from camunda_workers.engine.embedded.rest.operation import Operation


class SetVariables(Body):
    """Which variables, and whether they stay in this scope."""

    variables: Document
    local: bool = False
    operation_reference: Reference | None = None


async def create_element_instance_variables(request: Request, body: SetVariables) -> Response:
    """Set variables at an element instance."""
    scope = bodies.path_key(request, "elementInstanceKey")
    command = commands.set_variables(scope, body.variables, local=body.local, operation_reference=body.operation_reference)
    await bridge_of(request).execute(command)
    return Response(status_code=204)


class _Activity(Body):
    element_id: Text
    variables: Document = EMPTY


class ActivateActivities(Body):
    """Which activities of an ad-hoc sub-process."""

    elements: list[_Activity] = Field(min_length=1)
    cancel_remaining_instances: bool = False


async def activate_ad_hoc_sub_process_activities(request: Request, body: ActivateActivities) -> Response:
    """Activate activities of an ad-hoc sub-process."""
    scope = bodies.path_key(request, "adHocSubProcessInstanceKey")
    elements = [(one.element_id, one.variables) for one in body.elements]
    await bridge_of(request).execute(commands.activate_activities(scope, elements, cancel_remaining=body.cancel_remaining_instances))
    return Response(status_code=204)


async def resolve_incident(request: Request, body: Referenced) -> Response:
    """Resolve an incident: the engine tries again what failed."""
    key = bodies.path_key(request, "incidentKey")
    await bridge_of(request).execute(commands.resolve_incident(key, body.operation_reference))
    return Response(status_code=204)


_AD_HOC = "/element-instances/ad-hoc-activities/{adHocSubProcessInstanceKey}/activation"
_VARIABLES = "/element-instances/{elementInstanceKey}/variables"
OPERATIONS = [
    Operation("PUT", _VARIABLES, create_element_instance_variables, SetVariables, (204,), (404, 409, 504)),
    Operation("POST", _AD_HOC, activate_ad_hoc_sub_process_activities, ActivateActivities, (204,), (404, 409)),
    Operation("POST", "/incidents/{incidentKey}/resolution", resolve_incident, Referenced, (204,), (404, 409)),
]
