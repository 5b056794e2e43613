"""Lists of tasks: one's own, one's groups', those of people one stands in for, those one has given to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from camunda_workers.client import UserTask
from camunda_workers.tasks.audience import Wanted
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.effort import Effort, slack
from camunda_workers.tasks.engine_lists import EngineLists, Search
from camunda_workers.tasks.looks import SLACK
from camunda_workers.tasks.queue import TaskList
from camunda_workers.tasks.store.desk_view import DeskView, desk_view
from camunda_workers.tasks.store.filters import SavedFilter

Scope = Literal["mine", "team", "standing-in", "delegated", "all"]
Sort = str | Sequence[str]
COUNTED: Final[tuple[Scope, ...]] = ("mine", "team", "standing-in")
"""The scopes whose tasks are counted beside a list."""


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


class TaskLists(EngineLists):
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

    async def prepare_search(self) -> None:
        """Read what searches look through, before somebody searches; nothing where the engine is asked."""
        if self._queue is not None:
            await self._queue.prepare_search(self._shows)

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
        away: Sequence[tuple[str, frozenset[str]]] = ()
        if scope in ("mine", "all"):
            assignees.append(caller.user)
        if scope in ("team", "all"):
            groups, user = await self._groups(caller), caller.user
        if scope in ("standing-in", "all") and seen is not None:
            everywhere, away = self._away(caller, seen)
            assignees += everywhere
        if scope == "delegated" and seen is not None:
            keys = [*seen.delegated]
        return Wanted(tuple(dict.fromkeys(assignees)), groups, user, keys, away=away)

    def _away(self, caller: Caller, seen: DeskView) -> tuple[Sequence[str], Sequence[tuple[str, frozenset[str]]]]:
        """The accounts of everybody who is away and for whom the caller stands in now: in all tenants, and in some."""
        people = self._desk.people
        if not self._desk.section.delegation:
            return [], []
        tenants: dict[str, frozenset[str] | None] = {}
        for person, substitute, about in seen.away:
            if about is not None and caller.tenants is not None:
                about = about & caller.tenants  # in other tenants, what is there is nobody's business here
            if people.same(substitute, caller.user) and about != frozenset():
                known = tenants.get(person, frozenset())
                tenants[person] = None if about is None or known is None else known | about
        accounts = sorted({(account, about) for person, about in tenants.items() for account in people.accounts_of(person)}, key=str)
        return [name for name, about in accounts if about is None], [(name, about) for name, about in accounts if about is not None]
