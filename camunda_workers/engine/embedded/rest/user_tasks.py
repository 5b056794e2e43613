"""User tasks: assign, unassign, update, complete."""

from __future__ import annotations

from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.context import bridge_of
from camunda_workers.engine.embedded.rest.problem import BadRequest


async def assign(request: Request) -> Response:
    """Assign a user task."""
    body = await bodies.json_body(request, ["assignee", "allowOverride", "action"])
    key, assignee = bodies.path_key(request, "key"), bodies.text(body, "assignee", required=True)
    override = bodies.flag(body, "allowOverride", True)
    command = commands.assign_user_task(key, assignee, allow_override=override, action=bodies.text(body, "action"))
    await bridge_of(request).execute(command)
    return Response(status_code=204)


async def unassign(request: Request) -> Response:
    """Take the assignee off a user task."""
    await bridge_of(request).execute(commands.unassign_user_task(bodies.path_key(request, "key")))
    return Response(status_code=204)


_LISTS = {"candidateGroups": "candidateGroupsList", "candidateUsers": "candidateUsersList"}
_CHANGEABLE = ["candidateGroups", "candidateUsers", "dueDate", "followUpDate", "priority"]


async def update(request: Request) -> Response:
    """Change a user task; null leaves a field as it is, an empty text or list clears it."""
    body = await bodies.json_body(request, ["changeset", "action"])
    given: Any = body.get("changeset") or {}
    if not isinstance(given, dict):
        raise BadRequest("Request property [changeset] cannot be parsed: expected an object")
    changeset = cast(dict[str, Any], given)
    unknown = sorted(set(changeset) - set(_CHANGEABLE))
    if unknown:
        raise BadRequest(f"Request property [changeset.{unknown[0]}] cannot be parsed: unknown; known are {', '.join(_CHANGEABLE)}")
    changes: dict[str, Any] = {}
    for name, value in changeset.items():
        if value is None:
            continue
        if name in _LISTS:
            changes[_LISTS[name]] = bodies.texts(changeset, name)
        elif name == "priority":
            changes[name] = bodies.whole(changeset, name, 50)
            if not 0 <= changes[name] <= 100:
                raise BadRequest("The value for priority is not within the range of 0 to 100.")
        else:
            changes[name] = bodies.moment(changeset, name)
    action = bodies.text(body, "action")
    if not changes and not action:
        raise BadRequest("No update data provided: give at least one of the changeset's fields or an action.")
    await bridge_of(request).execute(commands.update_user_task(bodies.path_key(request, "key"), changes, action))
    return Response(status_code=204)


async def complete(request: Request) -> Response:
    """Complete a user task."""
    body = await bodies.json_body(request, ["variables", "action"])
    key = bodies.path_key(request, "key")
    await bridge_of(request).execute(commands.complete_user_task(key, bodies.variables(body), bodies.text(body, "action")))
    return Response(status_code=204)


ROUTES = [
    Route("/v2/user-tasks/{key}/assignment", assign, methods=["POST"]),
    Route("/v2/user-tasks/{key}/assignee", unassign, methods=["DELETE"]),
    Route("/v2/user-tasks/{key}/completion", complete, methods=["POST"]),
    Route("/v2/user-tasks/{key}", update, methods=["PATCH"]),
]
