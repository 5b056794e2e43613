"""What all parts of the task service share: finding a task, and whether somebody may see and work on it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from camunda_workers.client import Client, Form, UserTask
from camunda_workers.client.business_id import business_id_of
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import DeadlineExceeded, InvalidState, NotFound, PermissionDenied
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.documents import EngineShelf
from camunda_workers.tasks.duties.desk import Asked, DutyDesk
from camunda_workers.tasks.duties.facts import Action, Decision, Reason
from camunda_workers.tasks.duties.sink import Fact
from camunda_workers.tasks.effort import Efforts
from camunda_workers.tasks.errors import DutyDenied, TaskClosed, TaskTaken
from camunda_workers.tasks.forms.feel import FeelEvaluator, feel_here
from camunda_workers.tasks.notifications.outbox import Channel, Kind, Notice, Outbox
from camunda_workers.tasks.sensitive import VIEWED, mark_of, marks_anything, marks_forms, names_needed

if TYPE_CHECKING:
    from camunda_workers.tasks.queue import TaskQueue
    from camunda_workers.tasks.store import TaskStore

OVER: Final = frozenset({"COMPLETED", "CANCELED", "CANCELING", "FAILED"})
_DENIED: Final = re.compile(r"denied by Task Listener\. Reason to deny: '(?P<reason>.*)'\s*$", re.DOTALL)
_PAGE: Final = 500
_MOST_VARIABLES: Final = 10_000
_MOST_FORMS: Final = 200
_LONGEST_PAUSE: Final = 2.0


class TaskAccess:
    """The engine, the store and the rules behind the service.

    Args:
        client: the way to the engine.
        store: what is ours about tasks.
        desk: answers questions about duties.
        feel: evaluates the expressions of forms; this installation's when not given.
        clock: the time.
        channels: over which news goes out.
        queue: reads lists of tasks from our own log; the engine's search is asked when not given.
        expected: how long tasks take, as the project file says, where there is no log to measure it in.
        shows: what is shown of cases, and which of them are sensitive.
    """

    def __init__(
        self,
        client: Client,
        store: TaskStore,
        desk: DutyDesk,
        *,
        feel: FeelEvaluator | None = None,
        clock: Clock | None = None,
        channels: Sequence[Channel] = ("email",),
        queue: TaskQueue | None = None,
        expected: Mapping[str, timedelta] | None = None,
        shows: InboxSection | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._desk = desk
        self._feel = feel or feel_here()
        self._clock = clock or SystemClock()
        self._outbox = Outbox(store.database)
        self._channels = tuple(channels)
        self._queue = queue
        self._stated = Efforts(expected)
        self._shelf = EngineShelf(client, store.attachments)
        self._forms: dict[int, Form] = {}
        self._shows = shows or InboxSection()

    async def _find(self, caller: Caller, key: int) -> UserTask:
        """A task the caller may know of.

        Raises:
            NotFound: there is none, or it is another tenant's: then nobody is told that it exists.
        """
        task = await self._client.get_user_task(key)
        if caller.tenants is not None and task.tenant_id not in caller.tenants:
            raise NotFound(f"there is no user task with the key {key}")
        return task

    async def _groups(self, caller: Caller) -> frozenset[str]:
        return caller.groups if caller.groups is not None else await self._desk.people.groups_of(caller.user) or frozenset()

    async def _supervises(self, caller: Caller) -> bool:
        vouched = caller.vouched_groups
        groups = vouched if vouched is not None else await self._desk.people.groups_of(caller.user) or frozenset[str]()
        return bool(groups & set(self._desk.section.supervisors))

    async def _may_work(self, caller: Caller, task: UserTask) -> bool:
        """Whether a task is one of the caller's: assigned, or for one of the caller's groups, or for everybody."""
        if caller.is_(task.assignee) or any(map(caller.is_, task.candidate_users)):
            return True
        if set(task.candidate_groups) & await self._groups(caller):
            return True
        return task.assignee is None and not task.candidate_groups and not task.candidate_users

    async def _settled(self, caller: Caller, key: int, assignee: str | None) -> UserTask:
        """A task as it is once the engine's search shows an assignment that has just been made: at once on the embedded engine, after a
        moment on a cluster, whose search follows. Whoever looks next must see what was done."""
        task, pause = await self._find(caller, key), 0.05
        while task.assignee != assignee and pause < _LONGEST_PAUSE:
            await asyncio.sleep(pause)
            task, pause = await self._find(caller, key), pause * 2
        return task

    async def _has_part(self, caller: Caller, task: UserTask) -> bool:
        """Whether the caller may see a task: works on it, supervises, has delegated it, or stands in for who has it."""
        if await self._may_work(caller, task) or await self._supervises(caller):
            return True
        if any(caller.is_(one.owner) or caller.is_(one.delegate) for one in await self._store.delegations.of([task.key])):
            return True
        return task.assignee is not None and caller.is_(await self._desk.substitute_for(task.assignee, task.tenant_id))

    async def _visible(self, caller: Caller, key: int) -> UserTask:
        """A task the caller may see.

        Raises:
            NotFound: there is none for this tenant.
            PermissionDenied: it is for others.
        """
        task = await self._find(caller, key)
        if not await self._has_part(caller, task):
            raise PermissionDenied(f"task {key} is for {', '.join(task.candidate_groups) or task.assignee or 'others'}")
        return task

    async def _open(self, caller: Caller, key: int) -> UserTask:
        """A task the caller may see and that is not over.

        Raises:
            TaskClosed: it is over; says who completed it.
        """
        task = await self._visible(caller, key)
        if task.state in OVER:
            raise TaskClosed(key, task.state, task.assignee)
        return task

    async def _variables(self, task: UserTask) -> dict[str, Any]:
        """What a task sees, whole; the innermost scope wins."""
        found: dict[str, tuple[int, Any]] = {}
        read = 0
        while True:
            page = await self._client.search_user_task_variables(task.key, page={"from": read, "limit": _PAGE}, truncate=False)
            for item in page:
                # Scopes are created from the outside to the inside, so an inner one's key is larger.
                scope = item.scope_key or 0
                if scope >= found.get(item.name, (-1, None))[0]:
                    found[item.name] = (scope, item.parsed)
            read += len(page)
            if not page or read >= page.total or read >= _MOST_VARIABLES:
                return {name: value for name, (_, value) in sorted(found.items())}

    async def _form(self, task: UserTask) -> Form | None:
        """A task's form; ``None`` when it has none. What has a key never changes: it is asked for once."""
        if task.form_key is not None and (known := self._forms.get(task.form_key)) is not None:
            return known
        form = await self._client.get_user_task_form(task.key)
        if form is not None and form.form_key == task.form_key:
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            self._forms[form.form_key] = form
        return form

    def _asked(
        self,
        action: Action,
        user: str,
        task: UserTask,
        variables: Mapping[str, Any],
        *,
        behalf: tuple[str, ...] = (),
        groups: frozenset[str] | None = None,
        replaced: Mapping[str, Any] | None = None,
    ) -> Asked:
        return Asked(
            action=action,
            user=user,
            process_id=task.process_definition_id,
            element_id=task.element_id,
            task_key=task.key,
            process_instance_key=task.process_instance_key or 0,
            business_id=business_of(task),
            variables=variables,
            candidate_groups=tuple(task.candidate_groups),
            candidate_users=tuple(task.candidate_users),
            behalf=behalf,
            fence=task.key,
            groups=groups,
            replaced=replaced,
        )

    async def _allow(self, asked: Asked) -> Decision:
        """Ask the rules; raises `DutyDenied` when they say no and the attempt does not even count as one of several approvals."""
        decision = await self._desk.decide(asked)
        if not decision.allowed and decision.vote is None:
            raise DutyDenied(decision)
        return decision

    async def _record(self, kind: str, caller: Caller, task: UserTask, **data: Any) -> None:
        fact = Fact(kind, self._clock.now(), caller.user, data, task.key, task.process_instance_key, business_of(task))
        await self._desk.record(fact)

    async def mark_of(self, task: UserTask, variables: Mapping[str, Any] | None = None) -> str | None:
        """What makes a task's case sensitive, as the project file says it; ``None`` when nothing does.

        Args:
            task: the task.
            variables: what it sees, where that is known already.
        """
        if not marks_anything(self._shows):
            return None
        if variables is None:
            variables = await self._variables(task) if names_needed(self._shows) else {}
        form = await self._form(task) if marks_forms(self._shows) else None
        form_id = form.form_id if form is not None else None
        return mark_of(self._shows, task.process_definition_id, variables, elements=(task.element_id,), form_id=form_id)

    async def viewed(
        self, caller: Caller, task: UserTask, what: str, *, about: str = "", variables: Mapping[str, Any] | None = None
    ) -> None:
        """Write down that somebody looks at a task, if its case is sensitive. Raises when it cannot be: then nothing may be shown.

        Args:
            caller: who looks.
            task: at which task.
            what: ``task`` or ``file``.
            about: what of it.
            variables: what the task sees, where that is known already.
        """
        if (mark := await self.mark_of(task, variables)) is not None:
            groups = sorted(caller.groups or ())
            await self._record(VIEWED, caller, task, what=what, mark=mark, about=about, groups=groups)

    async def _tell(self, kind: Kind, recipient: str, task: UserTask, once: str, **data: Any) -> None:
        """Write news about a task down for somebody, once for every way to reach them."""
        shown = {
            "task": task.name or task.element_id,
            "case": business_of(task),
            "process": task.process_name or task.process_definition_id,
        }
        if data.get("note") and await self.mark_of(task) is not None:
            # A mail is read where nobody writes it down.
            data = {**data, "note": None, "protected": True}
        for channel in self._channels:
            if channel == "webhook" or self._desk.people.email_of(recipient) is not None:
                notice = Notice(kind, task.key, recipient, channel, f"{kind}:{task.key}:{once}", {**shown, **data})
                await self._outbox.put(notice, self._clock.now())

    async def _why(self, caller: Caller, key: int, error: InvalidState | NotFound | DeadlineExceeded) -> Exception:
        """What an engine's refusal means to the person: somebody else was faster, a listener said no, or the task is gone."""
        denied = _DENIED.search(str(error))
        if denied is not None:
            return DutyDenied(Decision(False, (Reason("task listener", "listener", False, denied["reason"]),)))
        if isinstance(error, DeadlineExceeded):
            hint = "does a worker for the task's listeners run?"
            return DeadlineExceeded(f"task {key}: the engine did not answer in time ({hint}); look at the task before trying again")
        try:
            task, pause = await self._find(caller, key), 0.05
            # Whoever was faster does not have it before the listeners have said yes.
            while task.assignee is None and task.state not in OVER and pause < _LONGEST_PAUSE:
                await asyncio.sleep(pause)
                task, pause = await self._find(caller, key), pause * 2
        except NotFound:
            return TaskClosed(key, "GONE", None)
        if task.state in OVER:
            return TaskClosed(key, task.state, task.assignee)
        if not caller.is_(task.assignee):
            return TaskTaken(key, task.assignee)
        return error


def business_of(task: UserTask) -> str | None:
    """The case a task belongs to."""
    return task.business_id or business_id_of(task.tags)
