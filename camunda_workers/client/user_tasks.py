"""Commands and searches of the REST API v2: user tasks first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from camunda_workers.client.commands import Commands
from camunda_workers.client.models import (
    Form,
    Incident,
    Page,
    ProcessInstanceItem,
    RestModel,
    UserTask,
    VariableItem,
    page_of,
)
from camunda_workers.client.queries import Filter, Sort, camel, search_body
from camunda_workers.client.retry import Repeat
from camunda_workers.client.variables import to_jsonable
from camunda_workers.errors import EngineFailure, InvalidArgument

M = TypeVar("M", bound=RestModel)

_CHANGEABLE = ("candidateGroups", "candidateUsers", "dueDate", "followUpDate", "priority")


class UserTaskCommands(Commands):
    """Do human tasks and look for what is there.

    A task listener may deny an assignment, an update or a completion: that is an `InvalidState` whose text has the listener's reason.
    """

    async def assign_user_task(self, key: int, assignee: str, *, allow_override: bool = True, action: str | None = None) -> None:
        """Assign a user task.

        Args:
            key: the task.
            assignee: to whom.
            allow_override: whether it may be taken from somebody else.
            action: handed to listeners; ``assign`` when not given.

        Raises:
            InvalidState: it is somebody else's, or a listener denies it.
        """
        body = {"assignee": assignee, "allowOverride": allow_override, **_action(action)}
        # Without override a second try would find the task assigned, by the first.
        repeat = Repeat.ALWAYS if allow_override else Repeat.IF_REFUSED
        await self._rest().call("POST", f"/user-tasks/{key:d}/assignment", body, repeat=repeat)

    async def unassign_user_task(self, key: int) -> None:
        """Take a user task from whoever has it."""
        await self._rest().call("DELETE", f"/user-tasks/{key:d}/assignee", repeat=Repeat.ALWAYS)

    async def update_user_task(self, key: int, changeset: Mapping[str, object], *, action: str | None = None) -> None:
        """Change a user task's attributes.

        Args:
            key: the task.
            changeset: any of candidate_groups, candidate_users, due_date, follow_up_date, priority (0 to 100), in snake or camel case;
                an empty text or list clears, ``None`` keeps.
            action: handed to listeners; ``update`` when not given.
        """
        changes = {camel(name): value for name, value in changeset.items()}
        unknown = sorted(set(changes) - set(_CHANGEABLE))
        if unknown:
            raise InvalidArgument(f"update_user_task: {', '.join(unknown)} cannot be changed so; {', '.join(_CHANGEABLE)} can")
        await self._rest().call("PATCH", f"/user-tasks/{key:d}", {"changeset": changes, **_action(action)}, repeat=Repeat.ALWAYS)

    async def complete_user_task(self, key: int, variables: object = None, *, action: str | None = None) -> None:
        """Complete a user task.

        Args:
            key: the task.
            variables: what the form gave.
            action: handed to listeners; ``complete`` when not given.

        Raises:
            NotFound: it is not there (any more).
            InvalidState: a listener denies it, or something else is being done to it.
            DeadlineExceeded: no answer in time; the task may have been completed.
        """
        body = {"variables": to_jsonable(variables), **_action(action)}
        await self._rest().call("POST", f"/user-tasks/{key:d}/completion", body, repeat=Repeat.IF_REFUSED)

    async def get_user_task(self, key: int) -> UserTask:
        """One user task; `NotFound` when it is not there."""
        return _read(UserTask, await self._rest().call("GET", f"/user-tasks/{key:d}", repeat=Repeat.ALWAYS))

    async def get_user_task_form(self, key: int) -> Form | None:
        """A user task's form; ``None`` when it has none."""
        answer = await self._rest().call("GET", f"/user-tasks/{key:d}/form", repeat=Repeat.ALWAYS)
        return _read(Form, answer) if answer is not None else None

    async def search_user_tasks(self, filter: Filter = None, sort: Sort = None, page: Mapping[str, object] | None = None) -> Page[UserTask]:
        """Search user tasks.

        Args:
            filter: fields of the API in snake or camel case, each a value or operators (``{"due_date": {"$lt": when}}``), or a
                `UserTaskFilter`.
            sort: a field, ``-field`` for descending, or several of them.
            page: ``{"from": 0, "limit": 100}``, or ``{"after": cursor, "limit": 100}``.
        """
        return await self._search("/user-tasks/search", UserTask, filter, sort, page)

    async def search_user_task_variables(
        self, key: int, filter: Filter = None, sort: Sort = None, page: Mapping[str, object] | None = None, *, truncate: bool = True
    ) -> Page[VariableItem]:
        """Search the variables that a user task sees: its own scope's and those of the scopes around it; see `search_variables`."""
        path = f"/user-tasks/{key:d}/variables/search"
        return await self._search(path if truncate else f"{path}?truncateValues=false", VariableItem, filter, sort, page)

    async def search_process_instances(
        self, filter: Filter = None, sort: Sort = None, page: Mapping[str, object] | None = None
    ) -> Page[ProcessInstanceItem]:
        """Search process instances; arguments as for `search_user_tasks`."""
        return await self._search("/process-instances/search", ProcessInstanceItem, filter, sort, page)

    async def search_incidents(self, filter: Filter = None, sort: Sort = None, page: Mapping[str, object] | None = None) -> Page[Incident]:
        """Search incidents; arguments as for `search_user_tasks`."""
        return await self._search("/incidents/search", Incident, filter, sort, page)

    async def search_variables(
        self, filter: Filter = None, sort: Sort = None, page: Mapping[str, object] | None = None, *, truncate: bool = True
    ) -> Page[VariableItem]:
        """Search variables; arguments as for `search_user_tasks`, and:

        Args:
            filter: see there.
            sort: see there.
            page: see there.
            truncate: let the engine cut long values off; without it they come whole.
        """
        path = "/variables/search" if truncate else "/variables/search?truncateValues=false"
        return await self._search(path, VariableItem, filter, sort, page)

    async def _search(self, path: str, model: type[M], filter: Filter, sort: Sort, page: Mapping[str, object] | None) -> Page[M]:
        answer = await self._rest().call("POST", path, search_body(filter, sort, page), repeat=Repeat.ALWAYS)
        try:
            return page_of(model, answer)
        except ValueError as error:
            raise EngineFailure(f"POST {path}: the engine's answer cannot be read: {error}") from error


def _action(action: str | None) -> dict[str, str]:
    return {} if action is None else {"action": action}


def _read(model: type[M], answer: Any) -> M:
    try:
        return model.model_validate(answer)
    except ValueError as error:
        raise EngineFailure(f"the engine's answer cannot be read as {model.__name__}: {error}") from error
