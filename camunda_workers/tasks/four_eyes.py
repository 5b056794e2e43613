"""Four eyes: who did one task must not do the other.

The rule runs as a task listener, so it holds for every way to the task: Tasklist, the inbox, an e-mail link, a script. The engine asks
before it assigns or completes, and a denial comes back to the person with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Protocol, runtime_checkable

from camunda_workers.client import Client
from camunda_workers.tasks.duties.identity import folded
from camunda_workers.worker import Deny, JobContext, Provided, Worker, worker


@runtime_checkable
class CompletedBy(Protocol):
    """Knows who completed what. Must have seen everything that happened before it is asked."""

    async def completed_by(self, process_instance_key: int, element_id: str) -> list[str]:
        """Who completed an element of a process instance, one entry for each time; an empty text where that is not known."""
        ...


class SearchCompletedBy:
    """Asks the engine's own search.

    A cluster's search runs behind its engine by up to some seconds, which is why an application with an event log should ask that instead.
    The embedded engine's search is up to date when it answers.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def completed_by(self, process_instance_key: int, element_id: str) -> list[str]:
        """Who completed an element of a process instance."""
        tasks = await self._client.search_user_tasks(
            {"processInstanceKey": str(process_instance_key), "elementId": element_id, "state": "COMPLETED"}
        )
        return [task.assignee or "" for task in tasks]


def four_eyes(job_type: str = "four-eyes", *, not_by: Iterable[str]) -> Worker[..., Any]:
    """Makes a worker for task listeners ``assigning`` and ``completing`` that keeps a task away from whoever did another one.

    Args:
        job_type: the listeners' job type in the diagram.
        not_by: ids of user tasks; who completed one of them in the same process instance is denied.

    Returns:
        A worker; it needs a :class:`CompletedBy` (``router.provide(CompletedBy, ...)``).
    """
    elements = tuple(not_by)

    @worker(job_type)
    async def check_four_eyes(history: Annotated[CompletedBy, Provided], job: JobContext) -> None:
        """Denies the task to whoever completed one of the other elements; allows it to everybody else."""
        who = job.user_task.assignee if job.user_task is not None else None
        if job.listener_event == "ASSIGNING" and not who:
            return
        if not who:
            raise Deny("this task needs four eyes: assign it to somebody before completing it")
        for element in elements:
            before = await history.completed_by(job.process_instance_key, element)
            if any(not name for name in before):
                # Who cannot be told apart cannot be kept apart: the safe answer is no.
                raise Deny(f"this task needs four eyes, and it is not known who completed '{element}'")
            if folded(who) in {folded(name) for name in before}:
                raise Deny(f"this task needs four eyes: {who} already completed '{element}', somebody else has to decide here")

    return check_four_eyes
