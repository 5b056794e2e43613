"""What belongs to a task without changing who has it: drafts, comments, files, and a cry for help."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.documents import CaseDocument, EngineShelf, chosen, documents_of
from camunda_workers.tasks.forms.data import is_plain_json, too_deep
from camunda_workers.tasks.handing import TaskHanding
from camunda_workers.tasks.store.attachments import Attachment
from camunda_workers.tasks.store.comments import Comment
from camunda_workers.tasks.store.drafts import Draft
from camunda_workers.tasks.work import REFUSALS

LARGEST_DRAFT: Final = 1_000_000
"""Characters of a draft as JSON."""

ESCALATED: Final = 90
"""The priority of an escalated task, at least."""


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document of a task's case that somebody opened.

    Attributes:
        variables: what the task sees.
    """

    task: UserTask
    variables: Mapping[str, Any]
    document: CaseDocument
    content: bytes


class TaskNotes(TaskHanding):
    """Drafts, comments, attachments, escalation."""

    async def save_draft(self, caller: Caller, key: int, variables: Mapping[str, Any], *, revision: int | None = None) -> int:
        """Keep what the caller has entered so far. It is checked when the task is completed, not now.

        Args:
            caller: whose draft; must have the task.
            key: the task.
            variables: as form-js has them.
            revision: the draft's revision that this continues (0: there was none); ``None`` saves over whatever is there.

        Returns:
            The new revision.

        Raises:
            Outdated: another tab has saved meanwhile.
        """
        await self._mine(caller, key)
        if too_deep(variables) or not is_plain_json(dict(variables)) or len(json.dumps(dict(variables))) > LARGEST_DRAFT:
            raise InvalidArgument("a draft this deep or large does not come from a form")
        return await self._store.drafts.save(key, caller.user, variables, self._clock.now(), revision=revision)

    async def draft(self, caller: Caller, key: int) -> Draft | None:
        """What the caller has entered so far."""
        await self._visible(caller, key)
        return await self._store.drafts.get(key, caller.user)

    async def comment(self, caller: Caller, key: int, text: str) -> Comment:
        """Write a comment; whoever is mentioned as ``@user.name`` and may see the task hears of it."""
        task = await self._visible(caller, key)
        one = await self._store.comments.add(key, task.process_instance_key, caller.user, text, self._clock.now())
        await self._record("task.commented", caller, task, comment=one.id, mentions=list(one.mentions))
        for name in one.mentions:
            if await self._has_part(Caller(name), task):
                await self._tell("mentioned", name, task, f"{one.id}", by=caller.user)
        return one

    async def comments(self, caller: Caller, key: int) -> Sequence[Comment]:
        """A task's comments, the oldest first."""
        await self._visible(caller, key)
        return await self._store.comments.of(key)

    async def attach(self, caller: Caller, key: int, name: str, content_type: str, content: AsyncIterable[bytes]) -> Attachment:
        """Attach a file, read piece by piece.

        Raises:
            FileRefused: it is too large, of a kind that is not taken, not what it says it is, or a bomb.
        """
        task = await self._open(caller, key)
        now = self._clock.now()
        add = partial(self._store.attachments.add, shelf=self.shelf, process_id=task.process_definition_id)
        one = await add(key, task.process_instance_key, caller.user, name, content_type, content, now)
        where = {"storeId": one.store_id, "documentId": one.document_id} if one.document_id else {}
        await self._record("task.attached", caller, task, attachment=one.id, name=one.name, size=one.size, sha256=one.sha256, **where)
        return one

    @property
    def shelf(self) -> EngineShelf:
        """Where the contents of files are: in the engine's document store, or in our folder where it has none."""
        return self._shelf

    async def documents(self, caller: Caller, key: int) -> Sequence[CaseDocument]:
        """The documents of a task's case: attached here, or pointed to by a variable that the task sees."""
        task = await self._visible(caller, key)
        return documents_of(await self._store.attachments.of(key, task.process_instance_key), await self._variables(task))

    async def document(self, caller: Caller, key: int, name: str) -> OpenedDocument:
        """A document of a task's case, with its content; that it was read is recorded.

        Args:
            caller: who may see the task.
            key: the task.
            name: the document's id here, or in its document store.

        Raises:
            NotFound: there is none, or its content is gone.
        """
        task = await self._visible(caller, key)
        variables = await self._variables(task)
        found = chosen(documents_of(await self._store.attachments.of(key, task.process_instance_key), variables), name)
        content = await self._shelf.content(found)
        await self._record("task.attachment-read", caller, task, attachment=found.id)
        return OpenedDocument(task, variables, found, content)

    async def escalate(self, caller: Caller, key: int, reason: str, *, to_groups: Sequence[str] = ()) -> UserTask:
        """Ask for help: the task goes up in everybody's list, other groups see it too, and the reason stands beside it.

        Args:
            caller: who may work on it, or a supervisor.
            key: the task.
            reason: why; becomes a comment.
            to_groups: candidate groups besides those it has; the supervisors when not given.
        """
        task = await self._open(caller, key)
        if not reason.strip():
            raise InvalidArgument("an escalation needs a reason")
        wanted = to_groups or self._desk.section.supervisors
        groups = list(dict.fromkeys([*task.candidate_groups, *wanted]))
        # A task for nobody in particular is everybody's already; naming groups would hide it from the others.
        changes: dict[str, object] = {"priority": max(task.priority, ESCALATED)}
        if task.candidate_groups or task.candidate_users:
            changes["candidate_groups"] = groups
        try:
            await self._client.update_user_task(key, changes, action="escalate")
        except REFUSALS as error:
            raise await self._why(caller, key, error) from error
        await self._store.comments.add(key, task.process_instance_key, caller.user, reason, self._clock.now())
        await self._record("task.escalated", caller, task, reason=reason, groups=groups)
        if task.assignee is not None and not caller.is_(task.assignee):
            await self._tell("escalated", task.assignee, task, f"{self._clock.now():%Y%m%d%H%M}", by=caller.user, note=reason)
        return await self._find(caller, key)
