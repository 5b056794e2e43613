"""Searches and look-ups, answered from the read model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.context import engine_of
from camunda_workers.engine.embedded.rest.problem import BadRequest
from camunda_workers.errors import InvalidArgument

if TYPE_CHECKING:
    from camunda_workers.events import ReadModel

Endpoint = Callable[[Request], Awaitable[Response]]


async def _question(request: Request) -> tuple[Any, Any, Any]:
    body = await bodies.json_body(request, ["filter", "sort", "page"])
    filter_: Any = body.get("filter") or {}
    page: Any = body.get("page") or {}
    sort: Any = body.get("sort") or []
    if not isinstance(filter_, Mapping) or not isinstance(page, Mapping) or not isinstance(sort, list):
        raise BadRequest("Request property [filter], [sort] or [page] cannot be parsed: filter and page are objects, sort is a list")
    return cast(Any, filter_), cast(Any, sort), cast(Any, page)


async def _asked(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except InvalidArgument as error:
        raise BadRequest(str(error)) from error


def _search(name: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        filter_, sort, page = await _question(request)
        model = await engine_of(request).read_model()
        method: Any = getattr(model, f"search_{name}")
        return JSONResponse(await _asked(method(filter_, sort, page)))

    endpoint.__name__ = f"search_{name}"
    return endpoint


def _get(name: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        key = bodies.path_key(request, "key")
        model = await engine_of(request).read_model()
        method: Any = getattr(model, f"get_{name}")
        return JSONResponse(await method(key))

    endpoint.__name__ = f"get_{name}"
    return endpoint


def _form(find: Callable[[ReadModel, int], Awaitable[dict[str, Any] | None]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        form = await find(await engine_of(request).read_model(), bodies.path_key(request, "key"))
        return Response(status_code=204) if form is None else JSONResponse(form)

    return endpoint


async def user_task_variables(request: Request) -> Response:
    """The variables a user task sees."""
    filter_, sort, page = await _question(request)
    model = await engine_of(request).read_model()
    truncate = request.query_params.get("truncateValues", "true") != "false"
    key = bodies.path_key(request, "key")
    return JSONResponse(await _asked(model.search_user_task_variables(key, filter_, sort, page, truncate=truncate)))


async def variables(request: Request) -> Response:
    """Variables; long values are cut unless ``truncateValues=false``."""
    filter_, sort, page = await _question(request)
    model = await engine_of(request).read_model()
    truncate = request.query_params.get("truncateValues", "true") != "false"
    return JSONResponse(await _asked(model.search_variables(filter_, sort, page, truncate=truncate)))


async def process_definition_xml(request: Request) -> Response:
    """The BPMN of a process definition."""
    model = await engine_of(request).read_model()
    return Response(await model.get_process_definition_xml(bodies.path_key(request, "key")), media_type="text/xml")


async def decision_definition_xml(request: Request) -> Response:
    """The DMN of a decision definition."""
    model = await engine_of(request).read_model()
    return Response(await model.get_decision_definition_xml(bodies.path_key(request, "key")), media_type="text/xml")


async def decision_instance(request: Request) -> Response:
    """One evaluated decision, with its inputs and matched rules."""
    model = await engine_of(request).read_model()
    return JSONResponse(await _asked(model.get_decision_instance(request.path_params["key"])))


_SEARCHED = {
    "user-tasks": "user_tasks",
    "process-instances": "process_instances",
    "element-instances": "element_instances",
    "incidents": "incidents",
    "jobs": "jobs",
    "process-definitions": "process_definitions",
    "decision-definitions": "decision_definitions",
    "decision-instances": "decision_instances",
}
_FOUND = {
    "user-tasks": "user_task",
    "process-instances": "process_instance",
    "element-instances": "element_instance",
    "incidents": "incident",
    "variables": "variable",
    "process-definitions": "process_definition",
    "decision-definitions": "decision_definition",
}

ROUTES = [
    *(Route(f"/v2/{path}/search", _search(name), methods=["POST"]) for path, name in _SEARCHED.items()),
    Route("/v2/variables/search", variables, methods=["POST"]),
    Route("/v2/user-tasks/{key}/variables/search", user_task_variables, methods=["POST"]),
    *(Route(f"/v2/{path}/{{key}}", _get(name)) for path, name in _FOUND.items()),
    Route("/v2/decision-instances/{key}", decision_instance),
    Route("/v2/process-definitions/{key}/xml", process_definition_xml),
    Route("/v2/decision-definitions/{key}/xml", decision_definition_xml),
    Route("/v2/user-tasks/{key}/form", _form(lambda model, key: model.get_user_task_form(key))),
    Route("/v2/process-definitions/{key}/form", _form(lambda model, key: model.get_process_definition_start_form(key))),
]
