"""Expectations about a user task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from camunda_workers.testing.failures import is_expectation
from camunda_workers.testing.handles import UserTask

__tracebackhide__ = is_expectation


class TaskExpectations:
    """What must be true of a user task; each method waits as those of a process instance do."""

    def __init__(self, task: UserTask, timeout: float | None) -> None:
        self._task = task
        self._timeout = timeout

    async def to_be_created(self) -> None:
        """It waits for somebody."""
        await self._is("state", lambda: self._task.state, "created")

    async def to_be_completed(self) -> None:
        """It was completed."""
        await self._is("state", lambda: self._task.state, "completed")

    async def to_be_canceled(self) -> None:
        """It was withdrawn."""
        await self._is("state", lambda: self._task.state, "canceled")

    async def to_be_assigned_to(self, assignee: str | None) -> None:
        """This person has it; ``None`` for nobody."""
        await self._is("assignee", lambda: self._task.assignee, assignee)

    async def to_have_candidate_groups(self, *groups: str) -> None:
        """Members of exactly these groups may claim it."""
        await self._is("candidate groups", lambda: sorted(self._task.candidate_groups), _sorted(groups))

    async def to_have_candidate_users(self, *users: str) -> None:
        """Exactly these users may claim it."""
        await self._is("candidate users", lambda: sorted(self._task.candidate_users), _sorted(users))

    async def to_have_priority(self, priority: int) -> None:
        """It has this priority."""
        await self._is("priority", lambda: self._task.priority, priority)

    async def to_be_due(self, moment: datetime) -> None:
        """It is due then."""
        await self._is("due date", lambda: self._task.due_date, moment)

    async def to_have_follow_up(self, moment: datetime) -> None:
        """Its follow-up date is then."""
        await self._is("follow-up date", lambda: self._task.follow_up_date, moment)

    async def to_have_name(self, name: str) -> None:
        """The diagram calls it so."""
        await self._is("name", lambda: self._task.name, name)

    async def to_have_element_id(self, element_id: str) -> None:
        """It is this element's."""
        await self._is("element id", lambda: self._task.element_id, element_id)

    async def _is(self, what: str, actual: Callable[[], Any], wanted: Any) -> None:
        kit = self._task.kit
        await kit.ready()
        await kit.waiting.until(
            lambda: actual() == wanted or None,
            lambda: f"expected the {what} of user task '{self._task.element_id}' to be {wanted}, but it is {actual()}",
            instance=kit.journal.tasks[self._task.key].instance,
            timeout=self._timeout,
        )


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)
