"""Lists of tasks: one's own, one's groups', those of people one stands in for, those one has given to others."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic.alias_generators import to_snake

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.access import TaskAccess, business_of
from camunda_workers.tasks.audience import Wanted
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.effort import Effort, slack
from camunda_workers.tasks.looks import SLACK, searched_in, words_of
from camunda_workers.tasks.queue import TaskList
from camunda_workers.tasks.sensitive import marks_forms, names_shown, title_of
from camunda_workers.tasks.store.desk_view import DeskView, desk_view
from camunda_workers.tasks.store.filters import SavedFilter

Scope = Literal["mine", "team", "standing-in", "delegated", "all"]
Search = dict[str, object]
Sort = str | Sequence[str]
COUNTED: Final[tuple[Scope, ...]] = ("mine", "team", "standing-in")
"""The scopes whose tasks are counted beside a list."""

ALIVE: Final = ("CREATED", "ASSIGNING", "UPDATING", "COMPLETING")
"""The states of a task that is not over."""

_DEEPEST: Final = 2_000
_READ: Final = 500


@dataclass(frozen=True)
class Overview:
    """A list with what stands beside it.

    Attributes:
        tasks: the page.
        counts: how many there are in each scope.
        variables: by process instance and name, those that were asked for.
        saved: the caller's filters.
        forms: the ids of the listed tasks' forms, by form key, where a form makes a case sensitive.
    """

    tasks: TaskList
    counts: Mapping[Scope, int]
    variables: Mapping[int, Mapping[str, Any]]
    saved: Sequence[SavedFilter]
    forms: Mapping[int, str] = field(default_factory=dict[int, str])


class TaskLists(TaskAccess):
    """Lists of tasks."""

    async def list(
        self,
        caller: Caller,
        scope: Scope = "all",
        *,
        filter: Mapping[str, object] | None = None,
        sort: Sort = ("due_date", "-priority"),
        limit: int = 100,
    ) -> Sequence[UserTask]:
        """Tasks somebody may work on: the first page of `page`."""
        return (await self.page(caller, scope, filter=filter, sort=sort, limit=limit)).items

    async def page(
        self,
        caller: Caller,
        scope: Scope = "all",
        *,
        filter: Mapping[str, object] | None = None,
        sort: Sort = (SLACK, "-priority"),
        limit: int = 50,
        after: str | None = None,
        count_to: int | None = None,
        words: str = "",
    ) -> TaskList:
        """A page of the tasks somebody may work on, and how many there are in all.

        Args:
            caller: who asks.
            scope: ``mine`` is assigned to the caller; ``team`` is open for the caller's groups; ``standing-in`` is assigned to people who are
                away and for whom the caller stands in; ``delegated`` is the caller's and with somebody else; ``all`` is the first three,
                and for a supervisor everything.
            filter: as for `Client.search_user_tasks`; tasks that are not over unless it names a state.
            sort: ``slack`` (time left minus expected work), or fields, ``-field`` for descending.
            limit: how many at most.
            after: the cursor of the page before.
            count_to: where it is enough to know that there are at least so many; all of a long queue takes longer to count than to show.
            words: only tasks in whose names, case, title, people or groups every one of these words is; all of them are searched.

        Raises:
            InvalidArgument: there is no such field, or the cursor is not of this list.
        """
        fields = [sort] if isinstance(sort, str) else [*sort]
        limited = self._limited(caller, filter)
        wanted = await self._wanted(caller, scope)
        if self._queue is not None:
            return await self._queue.page(
                wanted, filter=limited, sort=fields, limit=limit, after=after, count_to=count_to, words=words, shows=self._shows
            )
        return await self._searched(wanted, limited, fields, limit, after, words)

    async def overview(
        self,
        caller: Caller,
        scope: Scope = "all",
        *,
        filter: Mapping[str, object] | None = None,
        sort: Sort = (SLACK, "-priority"),
        limit: int = 50,
        count_to: int | None = None,
        names: Sequence[str] = (),
        words: str = "",
    ) -> Overview:
        """A list with what stands beside it, in as few looks at the databases as there are databases.

        Args:
            caller: see `page`.
            scope: see there.
            filter: see there.
            sort: see there.
            limit: see there.
            count_to: how far the scopes' tasks are counted; those of the list are not.
            names: the variables of the listed tasks' process instances that are wanted.
            words: see `page`.

        Raises:
            InvalidArgument: see `page`.
        """
        fields = [sort] if isinstance(sort, str) else [*sort]
        seen = await desk_view(self._store.database, caller.user, self._desk.people.one(caller.user), self._clock.now())
        wanted = await self._wanted(caller, scope, seen)
        others = [await self._wanted(caller, one, seen) for one in COUNTED]
        numbers: Mapping[Scope, int]
        if self._queue is None:
            found = await self._searched(wanted, self._limited(caller, filter), fields, limit, None, words)
            numbers = await self.counts(caller, COUNTED, count_to=count_to)
            variables = await self._searched_variables(found.items, names)
            forms = await self._searched_forms(found.items)
        else:
            view = await self._queue.view(
                wanted,
                filter=self._limited(caller, filter),
                sort=fields,
                limit=limit,
                count_to=0,
                counted=others,
                count_each_to=count_to,
                within=self._limited(caller, None),
                names=names,
                words=words,
                shows=self._shows,
            )
            found, variables, forms = view.tasks, view.variables, view.forms
            numbers = dict(zip(COUNTED, view.counts, strict=True))
        given: dict[Scope, int] = {"delegated": len(seen.delegated)}
        return Overview(found, {**numbers, **given}, variables, seen.saved, forms)

    async def _searched_variables(self, tasks: Sequence[UserTask], names: Sequence[str]) -> Mapping[int, Mapping[str, Any]]:
        instances = sorted({task.process_instance_key for task in tasks if task.process_instance_key})
        result: dict[int, dict[str, Any]] = {}
        if not names or not instances:
            return result
        where: Search = {"scopeKey": {"$in": instances}, "name": {"$in": list(names)}}
        page = {"from": 0, "limit": len(instances) * len(names)}
        for item in await self._client.search_variables(where, page=page, truncate=False):
            with suppress(ValueError):
                result.setdefault(item.scope_key or 0, {})[item.name] = json.loads(item.value)
        return result

    async def _searched_forms(self, tasks: Sequence[UserTask]) -> Mapping[int, str]:
        if not marks_forms(self._shows):
            return {}
        found: dict[int, str] = {}
        for key, task in {task.form_key: task for task in tasks if task.form_key is not None}.items():
            if (form := await self._client.get_user_task_form(task.key)) is not None:
                found[key] = form.form_id
        return found

    async def counts(self, caller: Caller, scopes: Sequence[Scope] = COUNTED, *, count_to: int | None = None) -> Mapping[Scope, int]:
        """How many tasks there are in each scope; ``count_to`` as for `page`."""
        limited = self._limited(caller, None)
        wanted = [await self._wanted(caller, scope) for scope in scopes]
        if self._queue is not None:
            return dict(zip(scopes, await self._queue.count(*wanted, filter=limited, count_to=count_to), strict=True))
        found = [await self._searched(one, limited, ["creation_date"], 1, None) for one in wanted]
        return {scope: one.total for scope, one in zip(scopes, found, strict=True)}

    async def efforts(self) -> Mapping[tuple[str, str], Effort]:
        """How long tasks take once somebody has them, by process id and element id: stated in the project file, or measured in the log."""
        return await self._queue.efforts() if self._queue is not None else self._stated.stated

    async def slack(self, task: UserTask) -> timedelta | None:
        """A task's time left minus the work it is expected to be; ``None`` without a due date."""
        return slack(task, await self.efforts(), self._clock.now())

    async def saved_filters(self, caller: Caller) -> Sequence[SavedFilter]:
        """The caller's filters, by name."""
        return await self._store.filters.of(self._desk.people.one(caller.user))

    async def save_filter(self, caller: Caller, name: str, query: Mapping[str, str]) -> SavedFilter:
        """Keep a filter under a name; one of the same name is replaced.

        Raises:
            InvalidArgument: no name, too long, or one too many.
        """
        return await self._store.filters.save(self._desk.people.one(caller.user), name, query, self._clock.now())

    async def forget_filter(self, caller: Caller, name: str) -> None:
        """Forget a filter."""
        await self._store.filters.forget(self._desk.people.one(caller.user), name)

    @staticmethod
    def _limited(caller: Caller, filter: Mapping[str, object] | None) -> Search:
        """The filter within the caller's tenants, whatever it says of tenants itself."""
        limited = dict(filter or {})
        if caller.tenants is not None:
            limited.pop("tenantId", None)
            limited["tenant_id"] = {"$in": sorted(caller.tenants)}
        return limited

    async def _wanted(self, caller: Caller, scope: Scope, seen: DeskView | None = None) -> Wanted:
        if scope == "all" and await self._supervises(caller):
            return Wanted(everything=True)
        if seen is None and scope in ("standing-in", "delegated", "all"):
            seen = await desk_view(self._store.database, caller.user, self._desk.people.one(caller.user), self._clock.now())
        assignees, groups, user, keys = list[str](), frozenset[str](), None, list[int]()
        if scope in ("mine", "all"):
            assignees.append(caller.user)
        if scope in ("team", "all"):
            groups, user = await self._groups(caller), caller.user
        if scope in ("standing-in", "all") and seen is not None:
            assignees += self._away(caller, seen)
        if scope == "delegated" and seen is not None:
            keys = [*seen.delegated]
        return Wanted(tuple(dict.fromkeys(assignees)), groups, user, keys)

    async def _searched(
        self, wanted: Wanted, filter: Search, sort: Sequence[str], limit: int, after: str | None, words: str = ""
    ) -> TaskList:
        """The same by the engine's own search, where there is no log that follows it: by slack only as far as work is stated."""
        base: Search = {"state": {"$in": list(ALIVE)}, **filter}
        begin, looked_for = _offset(after), words_of(words)
        # Several searches have no cursor in common: each is read from its start, and what was shown already is left out.
        fields = ["due_date" if name.removeprefix("-") == SLACK else name for name in sort]
        most = _DEEPEST if SLACK in sort else begin + limit
        total, found = 0, dict[int, UserTask]()
        for one in _searches(wanted):
            if looked_for:
                # The engine finds no words: every task that the person may see is read.
                found |= {task.key: task async for task in self._all({**base, **one}, fields)}
                continue
            page = await self._client.search_user_tasks({**base, **one}, fields, {"from": 0, "limit": most})
            total += page.total - sum(task.key in found for task in page)
            found |= {task.key: task for task in page}
        if looked_for:
            found = await self._with_words(found, looked_for)
            total = len(found)
        ordered = in_order(list(found.values()), fields)
        if SLACK in sort:
            now, known = self._clock.now(), self._stated.stated
            left = {task.key: slack(task, known, now) for task in ordered}
            ordered.sort(key=lambda task: ((value := left[task.key]) is None, value or timedelta(0)))
        shown = ordered[begin : begin + limit]
        more = begin + limit < total and shown
        return TaskList(shown, total, base64.urlsafe_b64encode(str(begin + limit).encode()).decode() if more else None)

    async def _all(self, where: Search, fields: Sequence[str]) -> AsyncIterator[UserTask]:
        page: Mapping[str, object] = {"limit": _READ}
        while True:
            found = await self._client.search_user_tasks(where, fields, page)
            for task in found:
                yield task
            if len(found) < _READ or found.end_cursor is None:
                return
            page = {"limit": _READ, "after": found.end_cursor}

    async def _with_words(self, tasks: Mapping[int, UserTask], words: Sequence[str]) -> dict[int, UserTask]:
        """Those tasks in whose text the words are, titles of cases that are not sensitive included."""
        items, titles = list(tasks.values()), dict[int, str]()
        names = names_shown(self._shows.processes)
        for begin in range(0, len(items) if names else 0, _READ):
            some = items[begin : begin + _READ]
            values, forms = await self._searched_variables(some, names), await self._searched_forms(some)
            titles |= {
                task.key: title_of(
                    self._shows,
                    task.process_definition_id,
                    task.element_id,
                    values.get(task.process_instance_key or 0, {}),
                    forms.get(task.form_key or 0),
                )
                for task in some
            }
        texts = {task.key: searched_in(task, business_of(task), titles.get(task.key, "")) for task in items}
        return {key: task for key, task in tasks.items() if all(word in texts[key] for word in words)}

    def _away(self, caller: Caller, seen: DeskView) -> Sequence[str]:
        """The accounts of everybody who is away and for whom the caller stands in now."""
        people = self._desk.people
        if not self._desk.section.delegation:
            return []
        away = {person for person, substitute in seen.away if people.same(substitute, caller.user)}
        return sorted({account for person in away for account in people.accounts_of(person)})


def _searches(wanted: Wanted) -> Sequence[Search]:
    if wanted.everything:
        return [{}]
    nobody: Search = {"assignee": {"$exists": False}}
    searches: list[Search] = []
    if wanted.assignees:
        searches.append({"assignee": {"$in": list(wanted.assignees)}})
    if wanted.groups:
        searches.append({**nobody, "candidate_group": {"$in": sorted(wanted.groups)}})
    if wanted.user is not None:
        searches.append({**nobody, "candidate_user": wanted.user})
    if wanted.keys:
        searches.append({"user_task_key": {"$in": [str(key) for key in sorted(wanted.keys)]}})
    return searches


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error) as error:
        raise InvalidArgument("this is not where a page of this list begins: look at the list from its start") from error


def in_order(tasks: Sequence[UserTask], sort: str | Sequence[str]) -> list[UserTask]:
    """Tasks of several searches in one order; what has no date comes last, whichever way it is sorted."""
    ordered = list(tasks)
    for name in reversed([sort] if isinstance(sort, str) else sort):
        field, down = to_snake(name.removeprefix("-")), name.startswith("-")
        having = [task for task in ordered if getattr(task, field, None) is not None]
        lacking = [task for task in ordered if getattr(task, field, None) is None]
        ordered = sorted(having, key=lambda task, field=field: getattr(task, field), reverse=down) + lacking
    return ordered
