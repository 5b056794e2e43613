"""Searches and look-ups, answered from the read model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import ColumnElement, select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body
from camunda_workers.engine.embedded.rest.context import model_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.engine.embedded.rest.search_schema import search_schema
from camunda_workers.errors import InvalidArgument, NotFound
from camunda_workers.events import ReadModel
from camunda_workers.events.entities import ELEMENT_INSTANCE, INCIDENT, PROCESS_INSTANCE, USER_TASK, VARIABLE
from camunda_workers.events.entities_audit import AUDIT_LOG
from camunda_workers.events.entities_messages import CORRELATED_SUBSCRIPTION, DECISION_REQUIREMENTS, MESSAGE_SUBSCRIPTION
from camunda_workers.events.entities_static import DECISION_DEFINITION, DECISION_INSTANCE, JOB, PROCESS_DEFINITION
from camunda_workers.events.projections.audit import task_operations
from camunda_workers.events.projections.work import incident_scopes, incidents
from camunda_workers.events.search import Entity

Endpoint = Callable[..., Awaitable[Response]]

_LEAVES = 1000
"""Values that a filter may have: more would not fit into one statement."""


class Search(Body):
    """A filter, an order, and which part of the answer."""

    filter: dict[str, Any] = {}
    sort: list[dict[str, Any]] = []
    page: dict[str, Any] = {}

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what is too much for one query."""
        if _leaves(self.filter) > _LEAVES or len(self.sort) > 20:
            raise BadRequest(f"the filter is too large: at most {_LEAVES} values, and 20 fields to sort by")


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return sum(map(_leaves, value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return 1


async def answered(found: Awaitable[Any]) -> Response:
    """Return what a query finds; a filter, sort or page that cannot be read is a bad request."""
    try:
        return JSONResponse(await found)
    except InvalidArgument as error:
        raise BadRequest(str(error)) from error


def truncate(request: Request) -> bool:
    """Return whether long values are to be cut.

    Raises:
        BadRequest: it is neither true nor false.
    """
    given = request.query_params.get("truncateValues", "true").lower()
    if given not in ("true", "false"):
        raise BadRequest(f"Query parameter 'truncateValues' must be true or false, not '{given}'")
    return given == "true"


def _search(path: str, name: str, entity: Entity) -> Operation:
    async def endpoint(request: Request, body: Search) -> Response:
        return await answered((await model_of(request)).search(entity, body.filter, body.sort, body.page))

    endpoint.__doc__ = f"Search for {entity.name}s."
    return Operation("POST", f"{path}/search", endpoint, Search, name=name, body_schema=search_schema(entity))


def _get(path: str, name: str, entity: Entity) -> Operation:
    async def endpoint(request: Request) -> Response:
        key = bodies.path_key(request, entity.key_field)
        return JSONResponse(await (await model_of(request)).get(entity, key))

    endpoint.__doc__ = f"One {entity.name}."
    return Operation("GET", f"{path}/{{{entity.key_field}}}", endpoint, refusals=(404,), name=name)


def _form(path: str, name: str, parameter: str, find: Callable[[ReadModel, int], Awaitable[dict[str, Any] | None]]) -> Operation:
    async def endpoint(request: Request) -> Response:
        """The form, or nothing."""
        form = await find(await model_of(request), bodies.path_key(request, parameter))
        return Response(status_code=204) if form is None else JSONResponse(form)

    return Operation("GET", path, endpoint, answers=(200, 204), refusals=(404,), name=name)


async def get_form_by_key(request: Request) -> Response:
    """One form."""
    return JSONResponse(await (await model_of(request)).get_form(bodies.path_key(request, "formKey")))


async def get_process_definition_xml(request: Request) -> Response:
    """The BPMN of a process definition."""
    model = await model_of(request)
    return Response(await model.get_process_definition_xml(bodies.path_key(request, "processDefinitionKey")), media_type="text/xml")


async def get_decision_definition_xml(request: Request) -> Response:
    """The DMN of a decision definition."""
    model = await model_of(request)
    return Response(await model.get_decision_definition_xml(bodies.path_key(request, "decisionDefinitionKey")), media_type="text/xml")


async def get_decision_requirements_xml(request: Request) -> Response:
    """The DMN of decision requirements."""
    model = await model_of(request)
    return Response(await model.get_decision_requirements_xml(bodies.path_key(request, "decisionRequirementsKey")), media_type="text/xml")


async def get_decision_instance(request: Request) -> Response:
    """One evaluated decision, with its inputs and matched rules."""
    key = str(request.path_params["decisionEvaluationInstanceKey"])
    evaluation, _, number = key.partition("-")
    if not (evaluation.isascii() and evaluation.isdigit() and number.isascii() and number.isdigit()):
        raise NotFound(f"there is no decision instance with the key {key}")
    return JSONResponse(await (await model_of(request)).get_decision_instance(key))


async def search_user_task_audit_logs(request: Request, body: Search) -> Response:
    """What was done with a user task, when and by whom."""
    model, key = await model_of(request), bodies.path_key(request, "userTaskKey")
    await model.get(USER_TASK, key)
    of_task = task_operations.c.user_task_key == key
    return await answered(model.search(AUDIT_LOG, body.filter, body.sort, body.page, conditions=[of_task]))


def _incidents(path: str, name: str, parameter: str, found: Callable[[ReadModel, int], Awaitable[Any]]) -> Operation:
    async def endpoint(request: Request, body: Search) -> Response:
        """Incidents in a scope: of it and of everything inside, called process instances too."""
        model, key = await model_of(request), bodies.path_key(request, parameter)
        await found(model, key)
        inside: ColumnElement[bool] = incidents.c.key.in_(_incidents_in(key))
        return await answered(model.search(INCIDENT, body.filter, body.sort, body.page, conditions=[inside]))

    schema = search_schema(INCIDENT)
    return Operation("POST", f"{path}/incidents/search", endpoint, Search, refusals=(404,), name=name, body_schema=schema)


def _incidents_in(scope: int) -> Any:
    return select(incident_scopes.c.incident_key).where(incident_scopes.c.scope_key == scope)


OPERATIONS = [
    _search("/user-tasks", "searchUserTasks", USER_TASK),
    _search("/process-instances", "searchProcessInstances", PROCESS_INSTANCE),
    _search("/element-instances", "searchElementInstances", ELEMENT_INSTANCE),
    _search("/incidents", "searchIncidents", INCIDENT),
    _search("/jobs", "searchJobs", JOB),
    _search("/process-definitions", "searchProcessDefinitions", PROCESS_DEFINITION),
    _search("/decision-definitions", "searchDecisionDefinitions", DECISION_DEFINITION),
    _search("/decision-requirements", "searchDecisionRequirements", DECISION_REQUIREMENTS),
    _search("/decision-instances", "searchDecisionInstances", DECISION_INSTANCE),
    _search("/message-subscriptions", "searchMessageSubscriptions", MESSAGE_SUBSCRIPTION),
    _search("/correlated-message-subscriptions", "searchCorrelatedMessageSubscriptions", CORRELATED_SUBSCRIPTION),
    _get("/user-tasks", "getUserTask", USER_TASK),
    _get("/process-instances", "getProcessInstance", PROCESS_INSTANCE),
    _get("/element-instances", "getElementInstance", ELEMENT_INSTANCE),
    _get("/incidents", "getIncident", INCIDENT),
    _get("/variables", "getVariable", VARIABLE),
    _get("/process-definitions", "getProcessDefinition", PROCESS_DEFINITION),
    _get("/decision-definitions", "getDecisionDefinition", DECISION_DEFINITION),
    _get("/decision-requirements", "getDecisionRequirements", DECISION_REQUIREMENTS),
    Operation(
        "POST",
        "/user-tasks/{userTaskKey}/audit-logs/search",
        search_user_task_audit_logs,
        Search,
        refusals=(404,),
        body_schema=search_schema(AUDIT_LOG),
    ),
    Operation("GET", "/forms/{formKey}", get_form_by_key, refusals=(404,)),
    Operation("GET", "/decision-instances/{decisionEvaluationInstanceKey}", get_decision_instance, refusals=(404,)),
    Operation(
        "GET",
        "/process-definitions/{processDefinitionKey}/xml",
        get_process_definition_xml,
        refusals=(404,),
        shown="text/xml",
        name="getProcessDefinitionXML",
    ),
    Operation(
        "GET",
        "/decision-definitions/{decisionDefinitionKey}/xml",
        get_decision_definition_xml,
        refusals=(404,),
        shown="text/xml",
        name="getDecisionDefinitionXML",
    ),
    Operation(
        "GET",
        "/decision-requirements/{decisionRequirementsKey}/xml",
        get_decision_requirements_xml,
        refusals=(404,),
        shown="text/xml",
        name="getDecisionRequirementsXML",
    ),
    _form("/user-tasks/{userTaskKey}/form", "getUserTaskForm", "userTaskKey", lambda model, key: model.get_user_task_form(key)),
    _form(
        "/process-definitions/{processDefinitionKey}/form",
        "getStartProcessForm",
        "processDefinitionKey",
        lambda model, key: model.get_process_definition_start_form(key),
    ),
    _incidents(
        "/process-instances/{processInstanceKey}",
        "searchProcessInstanceIncidents",
        "processInstanceKey",
        lambda model, key: model.get(PROCESS_INSTANCE, key),
    ),
    _incidents(
        "/element-instances/{elementInstanceKey}",
        "searchElementInstanceIncidents",
        "elementInstanceKey",
        lambda model, key: model.get(ELEMENT_INSTANCE, key),
    ),
]
