"""Lists of tasks out of our own event log: a page, how many there are in all, and where the next page begins, however many are done or open.

Everything that a list is chosen, counted and ordered by is in one index over the open tasks (`camunda_workers.events.projections.user_tasks`),
so a million tasks that are done cost nothing, and a page costs as much as the queue it is taken from is long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.events.projections import PROJECTIONS
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks.audience import Wanted
from camunda_workers.tasks.effort import Effort, Efforts
from camunda_workers.tasks.looks import SLACK, words_of
from camunda_workers.tasks.paging import counts_of, page_of
from camunda_workers.tasks.search import TaskTexts
from camunda_workers.tasks.shown import forms_of, values_of
from camunda_workers.tasks.statements import begin, rows

__all__ = ["LONGEST_PAGE", "SLACK", "TaskList", "TaskQueue", "Viewed"]

T = TypeVar("T")

LONGEST_PAGE: Final = 10_000


@dataclass(frozen=True)
class TaskList:
    """A page of tasks.

    Attributes:
        items: the tasks, in order.
        total: how many there are in all, or as far as was to be counted.
        cursor: where the next page begins; ``None`` on the last one.
    """

    items: Sequence[UserTask]
    total: int
    cursor: str | None


@dataclass(frozen=True)
class _Behind:
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Viewed:
    """A page of tasks with what is shown beside it, all of one moment.

    Attributes:
        tasks: the page.
        counts: how many there are of each that was asked for.
        variables: by process instance and name.
        forms: the ids of the tasks' forms, by form key.
    """

    tasks: TaskList
    counts: Sequence[int]
    variables: Mapping[int, Mapping[str, Any]]
    forms: Mapping[int, str]


class TaskQueue:
    """Reads lists of tasks from the event log's read model.

    Args:
        log: the event log; whoever follows the engine writes it.
        catch_up: makes the log follow the engine at once, where it is pumped in this process.
        expected: how long tasks take, by ``element`` or ``process/element``; measured in the log for all others.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        catch_up: Callable[[], Awaitable[object]] | None = None,
        expected: Mapping[str, timedelta] | None = None,
    ) -> None:
        self._log = log
        self._catch_up = catch_up
        self._models: dict[int, ReadModel] = {}
        self._efforts = Efforts(expected)
        self._texts = TaskTexts(InboxSection())

    async def page(
        self,
        wanted: Wanted,
        *,
        filter: Mapping[str, Any] | None = None,
        sort: Sequence[str] = (SLACK,),
        limit: int = 50,
        after: str | None = None,
        count_to: int | None = None,
        words: str = "",
        shows: InboxSection | None = None,
    ) -> TaskList:
        """A page of tasks.

        Args:
            wanted: whose.
            filter: as for `Client.search_user_tasks`; open tasks only, unless it names a state.
            sort: ``slack``, or fields of `UserTask`, ``-field`` for descending; what has no value comes last.
            limit: how many at most.
            after: the cursor of the page before, of the same list.
            count_to: count no further than this in each part of the list, and not at all with 0; all of a long queue takes longer than its page.
            words: only tasks in whose names, case, title, people or groups every one of these words is.
            shows: says what a case's title is; without it, titles are not searched.

        Raises:
            InvalidArgument: there is no such field, the cursor is not of this list, or words are to be found in tasks that are over.
        """
        seen = await self.view(wanted, filter=filter, sort=sort, limit=limit, after=after, count_to=count_to, words=words, shows=shows)
        return seen.tasks

    async def view(
        self,
        wanted: Wanted,
        *,
        filter: Mapping[str, Any] | None = None,
        sort: Sequence[str] = (SLACK,),
        limit: int = 50,
        after: str | None = None,
        count_to: int | None = None,
        counted: Sequence[Wanted] = (),
        count_each_to: int | None = None,
        within: Mapping[str, Any] | None = None,
        names: Sequence[str] = (),
        words: str = "",
        shows: InboxSection | None = None,
    ) -> Viewed:
        """A page as `page` has it, and what is shown beside it: one look at the database instead of several.

        Args:
            wanted: see `page`.
            filter: see there.
            sort: see there.
            limit: see there.
            after: see there.
            count_to: see there.
            counted: what else is counted.
            count_each_to: how far.
            within: the filter for what else is counted.
            names: the variables of the page's process instances that are wanted, too.
            words: see there.
            shows: see there.
        """
        if not 1 <= limit <= LONGEST_PAGE:
            raise InvalidArgument(f"a page has 1 to {LONGEST_PAGE:,} tasks")
        efforts: Mapping[tuple[str, str], Effort] = {}
        if any(one.removeprefix("-") == SLACK for one in sort):
            efforts = await self.efforts()

        looked_for, texts = words_of(words), self._texts_of(shows or InboxSection())
        if looked_for and "state" in (filter or {}):
            raise InvalidArgument("words are looked for among the tasks that are open: leave out the state")

        def read(connection: Connection) -> Viewed:
            among = texts.find(connection, looked_for) if looked_for else None
            items, total, cursor = page_of(connection, wanted, filter or {}, sort, limit, after, efforts, count_to, among)
            counts = counts_of(connection, counted, within or {}, count_each_to)
            instances = sorted({task.process_instance_key for task in items if task.process_instance_key})
            forms = forms_of(connection, sorted({task.form_key for task in items if task.form_key}))
            return Viewed(TaskList(items, total, cursor), counts, values_of(connection, instances, names), forms)

        return await self._read(read)

    async def prepare_search(self, shows: InboxSection | None = None) -> None:
        """Read what searches look through: some seconds for 100,000 open tasks, which the first one who searches need not wait then."""
        await self._read(self._texts_of(shows or InboxSection()).prepare)

    def _texts_of(self, shows: InboxSection) -> TaskTexts:
        if self._texts.shows != shows:
            self._texts = TaskTexts(shows)
        return self._texts

    async def efforts(self) -> Mapping[tuple[str, str], Effort]:
        """How long tasks take, by process id and element id."""
        return await self._efforts.of(self._read)

    def forget(self) -> None:
        """Measure anew how long tasks take."""
        self._efforts.forget()

    async def count(self, *wanted: Wanted, filter: Mapping[str, Any] | None = None, count_to: int | None = None) -> Sequence[int]:
        """How many tasks there are in all, of each; see `page`."""
        return await self._read(lambda connection: counts_of(connection, wanted, filter or {}, count_to))

    async def _read(self, read: Callable[[Connection], T]) -> T:
        """Read after everything that is in the log, of every partition."""
        if self._catch_up is not None:
            await self._catch_up()
        found = await self._log.database.read(partial(_attempt, read)) if self._models else _Behind((1,))
        if not isinstance(found, _Behind):
            return found
        for partition in sorted({*found.partitions, *(await self._log.heads())} - {FACTS_PARTITION}):
            await self._models.setdefault(partition, ReadModel(self._log, partition=partition)).catch_up()
        # What has come since is for the next one who asks: a log that never rests must not keep anybody waiting.
        return await self._log.database.read(partial(_at_once, read))


def _at_once(read: Callable[[Connection], T], connection: Connection) -> T:
    begin(connection)
    return read(connection)


def _attempt(read: Callable[[Connection], T], connection: Connection) -> T | _Behind:
    """Look whether the lists are up to date, and read, in one go."""
    begin(connection)
    behind = tuple(row[0] for row in rows(connection, _BEHIND, {}))
    return _Behind(behind) if behind else read(connection)


_CURRENT: Final = " OR ".join(f"(name = '{one.name}' AND version = {one.version})" for one in PROJECTIONS)
_BEHIND: Final = (
    f"SELECT partition FROM heads WHERE partition <> {FACTS_PARTITION} AND (SELECT count(*) FROM projection_positions "
    f"WHERE projection_positions.partition = heads.partition AND projection_positions.position = heads.position AND ({_CURRENT})) "
    f"< {len(PROJECTIONS)}"
)
"""The partitions of which not every projection has everything that is in the log."""
