"""Working on a task: look at it, take it, give it back, complete it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from camunda_workers.client import Form, UserTask
from camunda_workers.errors import DeadlineExceeded, InvalidArgument, InvalidState, NotFound, PermissionDenied
from camunda_workers.tasks.access import business_of
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.duties.desk import Asked
from camunda_workers.tasks.duties.facts import Decision, Reason
from camunda_workers.tasks.duties.history import LogIsBehind
from camunda_workers.tasks.errors import TaskChanged, TaskTaken
from camunda_workers.tasks.forms.data import is_plain_json, too_deep
from camunda_workers.tasks.forms.schema import read_form
from camunda_workers.tasks.forms.submission import Surroundings, check_submission
from camunda_workers.tasks.listing import TaskLists
from camunda_workers.tasks.store.attachments import Attachment
from camunda_workers.tasks.store.comments import Comment
from camunda_workers.tasks.store.delegations import Delegation
from camunda_workers.tasks.store.drafts import Draft

REFUSALS = (InvalidState, NotFound, DeadlineExceeded)


@dataclass(frozen=True)
class TaskPage:
    """A task and everything about it.

    Attributes:
        form: the form it is filled in with; ``None`` for a task without one, whose variables are shown instead.
        may_complete: what the rules would say if the caller completed it now, with the variables as they are.
    """

    task: UserTask
    business_id: str | None
    form: Form | None
    variables: Mapping[str, Any]
    draft: Draft | None
    comments: Sequence[Comment]
    attachments: Sequence[Attachment]
    delegation: Delegation | None
    may_complete: Decision


@dataclass(frozen=True)
class Completion:
    """What became of a completion.

    Attributes:
        state: ``completed``; or ``approved``: it counts as one of several approvals, and the task waits for the others.
        variables: what the task was completed with.
        text: for the person.
    """

    state: Literal["completed", "approved"]
    variables: Mapping[str, Any]
    text: str


class TaskWork(TaskLists):
    """Look, claim, unclaim, complete."""

    async def show(self, caller: Caller, key: int) -> TaskPage:
        """A task and everything about it."""
        task = await self._visible(caller, key)
        variables, form = await asyncio.gather(self._variables(task), self._form(task))
        asked = self._asked("complete", task.assignee or caller.user, task, variables, groups=await self._known_groups(caller, task))
        return TaskPage(
            task=task,
            business_id=business_of(task),
            form=form,
            variables=variables,
            draft=await self._store.drafts.get(key, caller.user),
            comments=await self._store.comments.of(key),
            attachments=await self._store.attachments.of(key, task.process_instance_key),
            delegation=await self._store.delegations.open_one(key),
            may_complete=await self._opinion(asked),
        )

    async def _opinion(self, asked: Asked) -> Decision:
        try:
            return await self._desk.ask(asked)
        except LogIsBehind as error:
            # The page is of use all the same; completing asks again, and says no while nobody knows.
            return Decision(False, (Reason("event log", "log", False, str(error)),))

    async def explain(
        self, caller: Caller | None, key: int, user: str, *, groups: frozenset[str] | None = None
    ) -> tuple[Decision, Decision]:
        """What the rules say if somebody were to have, and to complete, a task: every rule with its reason. Nothing is recorded.

        Args:
            caller: who wants to know; ``None`` for whoever runs this installation.
            key: the task.
            user: about whom.
            groups: that person's groups, where they are not known otherwise.
        """
        task = await self._visible(caller, key) if caller is not None else await self._client.get_user_task(key)
        variables = await self._variables(task)
        if caller is not None and caller.is_(user) and caller.vouched_groups is not None:
            groups = caller.vouched_groups
        elif (known := await self._desk.groups_of(user)) is not None:
            # What is only said of somebody is nothing that a listener would go by.
            groups = known
        first = await self._desk.ask(replace(self._asked("assign", user, task, variables, groups=groups), through="explain"))
        return first, await self._desk.ask(replace(self._asked("complete", user, task, variables, groups=groups), through="explain"))

    async def claim(self, caller: Caller, key: int) -> UserTask:
        """Take a task that nobody has. Of two who try at once, one gets it, and the other is told who has it.

        Raises:
            TaskTaken: somebody else has it.
            TaskClosed: it is over.
            DutyDenied: a rule says no.
            PermissionDenied: it is for others.
        """
        task = await self._open(caller, key)
        if caller.is_(task.assignee):
            return task
        if task.assignee is not None:
            raise TaskTaken(key, task.assignee)
        if not await self._may_work(caller, task):
            raise PermissionDenied(f"task {key} is for {', '.join(task.candidate_groups) or 'others'}")
        await self._allow(self._asked("assign", caller.user, task, await self._variables(task), groups=caller.vouched_groups))
        try:
            await self._client.assign_user_task(key, caller.user, allow_override=False, action="claim")
        except REFUSALS as error:
            raise await self._why(caller, key, error) from error
        await self._record("task.claimed", caller, task)
        return await self._settled(caller, key, caller.user)

    async def unclaim(self, caller: Caller, key: int) -> UserTask:
        """Give a task back to its group; one that was delegated goes back to its owner."""
        task = await self._mine(caller, key, or_supervisor=True)
        delegation = await self._store.delegations.open_one(key)
        # What a substitute gives back goes to the group: its owner is away.
        back_to = delegation.owner if delegation is not None and delegation.kind == "DELEGATED" else None
        try:
            if back_to is not None:
                await self._client.assign_user_task(key, back_to, action="undelegate")
            else:
                await self._client.unassign_user_task(key)
        except REFUSALS as error:
            raise await self._why(caller, key, error) from error
        if delegation is not None:
            await self._store.delegations.settle(delegation.id, "WITHDRAWN", self._clock.now())
        await self._record("task.unclaimed", caller, task, had=task.assignee)
        return await self._settled(caller, key, back_to)

    async def complete(
        self,
        caller: Caller,
        key: int,
        variables: Mapping[str, Any] | None = None,
        *,
        action: str | None = None,
        revision: str | None = None,
        through: str = "",
    ) -> Completion:
        """Complete a task that the caller has.

        Args:
            caller: who completes it; must be its assignee.
            key: the task.
            variables: what was entered; checked against the task's form, if it has one.
            action: handed to listeners, ``complete`` when not given.
            revision: the state of the task that was decided on, where it must not be another one by now; see `revision_of`.
            through: how it came, for the record (``mail``).

        Raises:
            TaskChanged: the task is not what was decided on any more.
            TaskTaken: somebody else has it.
            TaskClosed: it is over: a second click, another tab, another person.
            FormRejected: the entries do not fit the form; has the messages by field.
            DutyDenied: a rule says no, here or in a task listener.
            InvalidState: the task was delegated to the caller, who hands it back instead.
        """
        task = await self._mine(caller, key)
        delegation = await self._store.delegations.open_one(key)
        if delegation is not None and delegation.kind == "DELEGATED" and caller.is_(delegation.delegate):
            raise InvalidState(f"task {key} is {delegation.owner}'s, who asked you to work on it: hand it back (resolve) when you are done")
        seen, form = await asyncio.gather(self._variables(task), self._form(task))
        if revision is not None and revision != revision_of(task, form, seen):
            raise TaskChanged(key)
        result = await self._checked(task, form, seen, variables or {})
        asked = self._asked("complete", caller.user, task, {**seen, **result}, groups=caller.vouched_groups, replaced=seen)
        decision = await self._allow(asked)
        if not decision.allowed:
            return await self._approved(caller, task, result, decision, through)
        try:
            await self._client.complete_user_task(key, result, action=action)
        except REFUSALS as error:
            raise await self._why(caller, key, error) from error
        now = self._clock.now()
        await self._store.drafts.forget(key)
        for one in await self._store.delegations.of([key]):
            if one.state == "OPEN":
                await self._store.delegations.settle(one.id, "RESOLVED", now)
        evidence = {"formId": form.form_id, "formVersion": form.version} if form is not None else dict[str, Any]()
        evidence |= {"through": through} if through else {}
        await self._record("task.completed", caller, task, **evidence, shownSha256=digest(seen), enteredSha256=digest(result))
        return Completion("completed", result, "completed")

    async def _approved(self, caller: Caller, task: UserTask, result: Mapping[str, Any], decision: Decision, through: str) -> Completion:
        """One approval of several: the task goes back to its group, where the next person finds it."""
        way = {"through": through} if through else {}
        await self._record("task.approved", caller, task, enteredSha256=digest(result), **way)
        try:
            await self._client.unassign_user_task(task.key)
        except REFUSALS as error:
            raise await self._why(caller, task.key, error) from error
        return Completion("approved", result, f"your approval is recorded; {decision.text}")

    async def _checked(self, task: UserTask, form: Form | None, seen: Mapping[str, Any], entered: Mapping[str, Any]) -> dict[str, Any]:
        if form is None:
            if too_deep(entered) or not is_plain_json(entered):
                raise InvalidArgument("these values are not JSON that every reader takes")
            return dict(entered)
        model = read_form(form.schema, name=form.form_id)
        files = await self._store.attachments.of(task.key, task.process_instance_key)
        around = Surroundings(seen, self._feel, self._clock.now(), frozenset(one.document_id or one.id for one in files))
        check = partial(check_submission, model, entered, around)
        # In a thread either way: a pattern may take its time, too.
        return await (self._feel.run(check) if model.needs_feel else asyncio.to_thread(check))

    async def _mine(self, caller: Caller, key: int, *, or_supervisor: bool = False) -> UserTask:
        task = await self._open(caller, key)
        if caller.is_(task.assignee) or (or_supervisor and task.assignee is not None and await self._supervises(caller)):
            return task
        if task.assignee is None:
            raise InvalidState(f"nobody has task {key}: claim it first")
        raise TaskTaken(key, task.assignee)

    async def _known_groups(self, caller: Caller, task: UserTask) -> frozenset[str] | None:
        return caller.vouched_groups if task.assignee is None or caller.is_(task.assignee) else None


def revision_of(task: UserTask, form: Form | None, seen: Mapping[str, Any]) -> str:
    """What a task is to whoever decides on it: another one as soon as its form, its assignee or anything it sees has changed."""
    return digest({"form": [form.form_id, form.version] if form is not None else None, "assignee": task.assignee, "seen": seen})


def digest(value: Any) -> str:
    """A hash of data, the same for the same data: evidence of what was shown and entered without the data itself."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
