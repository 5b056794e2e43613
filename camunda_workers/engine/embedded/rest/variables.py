"""Variables: of a process, and as a user task sees them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.context import model_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.search import Search, answered, truncate
from camunda_workers.engine.embedded.rest.search_schema import search_schema
from camunda_workers.events.entities import VARIABLE


async def search_variables(request: Request, body: Search) -> Response:
    """Variables; long values are cut unless ``truncateValues=false``."""
    model, cut = await model_of(request), truncate(request)
    return await answered(model.search_variables(body.filter, body.sort, body.page, truncate=cut))


async def search_user_task_variables(request: Request, body: Search) -> Response:
    """The variables of a user task and of everything around it."""
    model, key, cut = await model_of(request), bodies.path_key(request, "userTaskKey"), truncate(request)
    return await answered(model.search_user_task_variables(key, body.filter, body.sort, body.page, truncate=cut))


async def search_user_task_effective_variables(request: Request, body: Search) -> Response:
    """The variables that a user task sees: of two with one name the innermost."""
    model, key, cut = await model_of(request), bodies.path_key(request, "userTaskKey"), truncate(request)
    found = model.search_user_task_variables(key, body.filter, body.sort, body.page, truncate=cut, effective=True)
    return await answered(found)


_QUERY = {"truncateValues": {"type": "boolean"}}
_SCHEMA = search_schema(VARIABLE)
OPERATIONS = [
    Operation("POST", "/variables/search", search_variables, Search, query=_QUERY, body_schema=_SCHEMA),
    Operation(
        "POST",
        "/user-tasks/{userTaskKey}/variables/search",
        search_user_task_variables,
        Search,
        refusals=(404,),
        query=_QUERY,
        body_schema=_SCHEMA,
    ),
    Operation(
        "POST",
        "/user-tasks/{userTaskKey}/effective-variables/search",
        search_user_task_effective_variables,
        Search,
        refusals=(404,),
        query=_QUERY,
        body_schema=_SCHEMA,
    ),
]
