"""Lists of tasks: one's own, one's groups', those of people one stands in for, those one has given to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from pydantic.alias_generators import to_snake

from camunda_workers.client import UserTask
from camunda_workers.tasks.access import TaskAccess
from camunda_workers.tasks.caller import Caller

Scope = Literal["mine", "team", "standing-in", "delegated", "all"]
Search = dict[str, object]

ALIVE: Final = ("CREATED", "ASSIGNING", "UPDATING", "COMPLETING")
"""The states of a task that is not over."""


class TaskLists(TaskAccess):
    """Lists of tasks."""

    async def list(
        self,
        caller: Caller,
        scope: Scope = "all",
        *,
        filter: Mapping[str, object] | None = None,
        sort: str | Sequence[str] = ("due_date", "-priority"),
        limit: int = 100,
    ) -> Sequence[UserTask]:
        """Tasks somebody may work on.

        Args:
            caller: who asks.
            scope: ``mine`` is assigned to the caller; ``team`` is open for the caller's groups; ``standing-in`` is assigned to people who are
                away and for whom the caller stands in; ``delegated`` is the caller's and with somebody else; ``all`` is the first three,
                and for a supervisor everything.
            filter: as for `Client.search_user_tasks`; tasks that are not over unless it names a state.
            sort: fields, ``-field`` for descending.
            limit: how many at most.
        """
        base: Search = {"state": {"$in": list(ALIVE)}, **(filter or {})}
        if caller.tenants is not None:
            base["tenant_id"] = {"$in": sorted(caller.tenants)}
        found: dict[int, UserTask] = {}
        for one in await self._searches(caller, scope):
            page = await self._client.search_user_tasks({**base, **one}, sort, {"from": 0, "limit": limit})
            found |= {task.key: task for task in page}
        return in_order(list(found.values()), sort)[:limit]

    async def _searches(self, caller: Caller, scope: Scope) -> Sequence[Search]:
        if scope == "all" and await self._supervises(caller):
            return [{}]
        searches: list[Search] = []
        if scope in ("mine", "all"):
            searches.append({"assignee": caller.user})
        if scope in ("team", "all"):
            groups = sorted(await self._groups(caller))
            nobody: Search = {"assignee": {"$exists": False}}
            searches += [{**nobody, "candidate_group": {"$in": groups}}] if groups else []
            searches.append({**nobody, "candidate_user": caller.user})
        if scope in ("standing-in", "all") and (away := await self._away(caller)):
            searches.append({"assignee": {"$in": away}})
        if scope == "delegated" and (out := await self._store.delegations.by_owner(caller.user)):
            searches.append({"user_task_key": {"$in": [str(one.task_key) for one in out]}})
        return searches

    async def _away(self, caller: Caller) -> Sequence[str]:
        """The accounts of everybody who is away and for whom the caller stands in now."""
        now, people = self._clock.now(), self._desk.people
        if not self._desk.section.delegation:
            return []
        absences = await self._store.delegations.absences(now)
        away = {one.person for one in absences if one.starts_at <= now and people.same(one.substitute, caller.user)}
        return sorted({account for person in away for account in people.accounts_of(person)})


def in_order(tasks: Sequence[UserTask], sort: str | Sequence[str]) -> list[UserTask]:
    """Tasks of several searches in one order; what has no date comes last, whichever way it is sorted."""
    ordered = list(tasks)
    for name in reversed([sort] if isinstance(sort, str) else sort):
        field, down = to_snake(name.removeprefix("-")), name.startswith("-")
        having = [task for task in ordered if getattr(task, field, None) is not None]
        lacking = [task for task in ordered if getattr(task, field, None) is None]
        ordered = sorted(having, key=lambda task, field=field: getattr(task, field), reverse=down) + lacking
    return ordered
