"""What a test holds in its hands: a process instance, a user task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from camunda_workers.events.dates import moment_or_none
from camunda_workers.testing.failures import ExpectationFailed, is_expectation
from camunda_workers.testing.story import text_of

if TYPE_CHECKING:
    from camunda_workers.testing.facts import InstanceFact
    from camunda_workers.testing.kit_core import Core


__tracebackhide__ = is_expectation


class Instance:
    """A process instance of a test; ``await expect(instance).to_…`` says what must be."""

    def __init__(self, kit: Core, key: int, process_id: str) -> None:
        self._kit = kit
        self.key = key
        self.process_id = process_id

    def __repr__(self) -> str:
        return f"<process instance {self.key} of '{self.process_id}'>"

    @property
    def kit(self) -> Core:
        """The kit it belongs to."""
        return self._kit

    def fact(self) -> InstanceFact | None:
        """What is known of it, as far as the records have been read."""
        return self._kit.journal.instances.get(self.key)

    async def variables(self) -> dict[str, Any]:
        """Its variables (those of the process, not of single elements)."""
        await self._kit.up_to_date()
        return dict(self._kit.journal.variables.get(self.key, {}))

    async def path(self) -> list[str]:
        """Ids of its completed elements, in order."""
        await self._kit.up_to_date()
        fact = self.fact()
        return fact.path() if fact is not None else []

    async def story(self) -> str:
        """What happened to it so far, as failures tell it."""
        await self._kit.up_to_date()
        return await text_of(self._kit.journal, self.key)

    async def set_variables(self, variables: Mapping[str, Any] | None = None, /, *, element: str | None = None, **more: Any) -> None:
        """Set variables; with ``element`` they are local to that active element."""
        scope = self.key
        if element is not None:
            scope = (await self._kit.active_element(self, element)).key
        await self._kit.do(self._kit.client.set_variables(scope, {**(variables or {}), **more}, local=element is not None), self.key)

    async def cancel(self) -> None:
        """Cancel it."""
        await self._kit.do(self._kit.client.cancel(self.key), self.key)


class UserTask:
    """A user task of a test."""

    def __init__(self, kit: Core, key: int) -> None:
        self._kit = kit
        self.key = key

    def __repr__(self) -> str:
        return f"<user task {self.key} at '{self.element_id}'>"

    @property
    def kit(self) -> Core:
        """The kit it belongs to."""
        return self._kit

    @property
    def _value(self) -> dict[str, Any]:
        return self._kit.journal.tasks[self.key].value

    @property
    def state(self) -> str:
        """``created``, ``completed`` or ``canceled``."""
        return self._kit.journal.tasks[self.key].state

    @property
    def element_id(self) -> str:
        """The element in the diagram."""
        return str(self._value["elementId"])

    @property
    def name(self) -> str:
        """The element's name in the diagram; its id where it has none."""
        diagram = self._kit.diagram_of(self._kit.journal.tasks[self.key].instance)
        element = diagram.elements.get(self.element_id) if diagram is not None else None
        return (element.name if element is not None else "") or self.element_id

    @property
    def assignee(self) -> str | None:
        """Who has it."""
        return self._value.get("assignee") or None

    @property
    def candidate_groups(self) -> list[str]:
        """Groups whose members may claim it."""
        return list(self._value.get("candidateGroupsList", ()))

    @property
    def candidate_users(self) -> list[str]:
        """Users who may claim it."""
        return list(self._value.get("candidateUsersList", ()))

    @property
    def priority(self) -> int:
        """0 to 100."""
        return int(self._value.get("priority", 50))

    @property
    def due_date(self) -> datetime | None:
        """When it is due."""
        return moment_or_none(self._value.get("dueDate"))

    @property
    def follow_up_date(self) -> datetime | None:
        """When to look at it again."""
        return moment_or_none(self._value.get("followUpDate"))

    @property
    def form_key(self) -> int | None:
        """The key of its Camunda form."""
        key = self._value.get("formKey", -1)
        return key if key > 0 else None

    @property
    def variables(self) -> dict[str, Any]:
        """Variables local to it, as far as the records have been read."""
        return dict(self._kit.journal.variables.get(self._value["elementInstanceKey"], {}))

    async def complete(self, variables: Mapping[str, Any] | None = None, /, *, action: str = "", **more: Any) -> None:
        """Complete it.

        Args:
            variables: what the form gives; or as keyword arguments.
            action: handed to listeners.
            more: further variables.

        Raises:
            InvalidState: a listener denies it, or it is completed already; the text has the listener's reason.
        """
        await self._do(self._kit.ground.complete_task(self.key, {**(variables or {}), **more}, action))

    async def assign(self, assignee: str, *, allow_override: bool = True, action: str = "") -> None:
        """Assign it; raises InvalidState when a listener denies it."""
        await self._do(self._kit.ground.assign_task(self.key, assignee, allow_override=allow_override, action=action))

    async def unassign(self) -> None:
        """Take it from whoever has it."""
        await self._do(self._kit.ground.unassign_task(self.key))

    async def update(self, changes: Mapping[str, Any] | None = None, /, *, action: str = "", **more: Any) -> None:
        """Change candidate_groups, candidate_users, due_date, follow_up_date or priority."""
        await self._do(self._kit.ground.update_task(self.key, {**(changes or {}), **more}, action))

    async def _do(self, command: Awaitable[None]) -> None:
        task = asyncio.ensure_future(command)
        try:
            await self._kit.do(task, self._kit.journal.tasks[self.key].instance)
        except ExpectationFailed as error:
            await self._kit.up_to_date()
            waiting = [
                one for one in self._kit.journal.jobs.values() if one.value.get("jobKind") == "TASK_LISTENER" and one.state == "created"
            ]
            if not waiting:
                raise
            kind = waiting[0].type
            text = f"the user task '{self.element_id}' waits for its task listener: no worker took the job of type '{kind}'"
            raise ExpectationFailed(text, f"{text}; camunda.mock_job('{kind}') lets it pass\n{error}") from error
