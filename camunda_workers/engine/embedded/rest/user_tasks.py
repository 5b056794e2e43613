"""User tasks: assign, unassign, update, complete."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Moment, Text
from camunda_workers.engine.embedded.rest.context import bridge_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.errors import InvalidArgument


class AssignUserTask(Body):
    """To whom."""

    assignee: Text
    allow_override: bool = True
    action: str = ""


async def assign_user_task(request: Request, body: AssignUserTask) -> Response:
    """Assign a user task."""
    key = bodies.path_key(request, "userTaskKey")
    command = commands.assign_user_task(key, body.assignee, allow_override=body.allow_override, action=body.action)
    await bridge_of(request).execute(command)
    return Response(status_code=204)


async def unassign_user_task(request: Request) -> Response:
    """Take the assignee off a user task."""
    await bridge_of(request).execute(commands.unassign_user_task(bodies.path_key(request, "userTaskKey")))
    return Response(status_code=204)


class _Changeset(Body):
    candidate_groups: list[str] | None = None
    candidate_users: list[str] | None = None
    due_date: Moment | None = None
    follow_up_date: Moment | None = None
    priority: int | None = Field(default=None, ge=0, le=100)


class UpdateUserTask(Body):
    """What to change; null leaves a field as it is, an empty text or list clears it."""

    changeset: _Changeset = _Changeset()
    action: str = ""


_LISTS = {"candidateGroups": "candidateGroupsList", "candidateUsers": "candidateUsersList"}


async def update_user_task(request: Request, body: UpdateUserTask) -> Response:
    """Change a user task."""
    given = body.changeset.model_dump(by_alias=True, exclude_none=True)
    changes: dict[str, Any] = {_LISTS.get(name, name): value for name, value in given.items()}
    if not changes and not body.action:
        raise InvalidArgument("No update data provided: give at least one of the changeset's fields or an action.")
    await bridge_of(request).execute(commands.update_user_task(bodies.path_key(request, "userTaskKey"), changes, body.action))
    return Response(status_code=204)


class CompleteUserTask(Body):
    """What the task brings."""

    variables: Document = EMPTY
    action: str = ""


async def complete_user_task(request: Request, body: CompleteUserTask) -> Response:
    """Complete a user task."""
    key = bodies.path_key(request, "userTaskKey")
    await bridge_of(request).execute(commands.complete_user_task(key, body.variables, body.action))
    return Response(status_code=204)


_REFUSALS = (404, 409, 504)
OPERATIONS = [
    Operation("POST", "/user-tasks/{userTaskKey}/assignment", assign_user_task, AssignUserTask, (204,), _REFUSALS),
    Operation("DELETE", "/user-tasks/{userTaskKey}/assignee", unassign_user_task, None, (204,), _REFUSALS),
    Operation("POST", "/user-tasks/{userTaskKey}/completion", complete_user_task, CompleteUserTask, (204,), _REFUSALS),
    Operation("PATCH", "/user-tasks/{userTaskKey}", update_user_task, UpdateUserTask, (204,), _REFUSALS),
]
