"""The rules as task listeners: whatever the way to a task (Tasklist, the inbox, a script, a link in a mail), the engine asks here first.

A diagram names the listeners, once for ``assigning`` and once for ``completing``::

    <zeebe:taskListener eventType="assigning" type="duties" />
    <zeebe:taskListener eventType="completing" type="duties" />
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

import structlog

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import ReadModelError
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.desk import Asked, DutyDesk
from camunda_workers.tasks.duties.history import LogIsBehind
from camunda_workers.tasks.forms.data import as_list
from camunda_workers.worker import Corrected, Deny, JobContext, Provided, Router, Worker, worker
from camunda_workers.worker.kinds import ListenedUserTask

BEAT: Final = timedelta(seconds=5)
"""How often a listener worker shows that it is there."""

_HARMLESS: Final = frozenset({"CREATING", "UPDATING", "CANCELING"})
"""Events that give a task to nobody and decide nothing."""

_HEADER: Final = "io.camunda.zeebe:"

_log = structlog.get_logger("camunda_workers.duties")

OpenDesk = Callable[[], AbstractAsyncContextManager[DutyDesk]]


def duties_listener(section: DutiesSection, job_type: str) -> Worker[..., Any]:
    """Makes the worker for one listener type; it needs a `DutyDesk` (``router.provide(DutyDesk, ...)``).

    Args:
        section: the rules; they say which variables are fetched.
        job_type: the listeners' job type in the diagram.
    """

    @worker(job_type, fetch_variables=variables_of(section))
    async def apply_duties(desk: Annotated[DutyDesk, Provided], job: JobContext) -> Corrected | None:
        """Denies a task to whom the rules deny it, and gives tasks of people who are away to their substitutes."""
        return await apply(desk, job)

    return apply_duties


def variables_of(section: DutiesSection) -> list[str]:
    """The process variables that the rules look at."""
    paths = [path for rule in section.conflicts for path in rule.subject]
    paths += [rule.amount for rule in section.limits]
    paths += [path for rule in (*section.limits, *section.approvals) for path in rule.unless]
    paths += [path for rule in section.approvals for path in (*rule.up_to, *rule.agree_on)]
    return sorted({path.partition(".")[0] for path in paths})


async def apply(desk: DutyDesk, job: JobContext) -> Corrected | None:
    """Apply the rules to what a listener's job is about.

    Raises:
        Deny: a rule says no; the person is told the reason.
    """
    task = _listened(job)
    if job.listener_event in _HARMLESS:
        return None
    if task is None or task.key is None:
        # Nothing to go by is no reason to let somebody through.
        raise Deny("this engine does not say which task its listener is about: duties cannot be checked")
    user = task.assignee or ""
    # An event that is newer than this package is judged as strictly as a completion.
    action = "assign" if job.listener_event == "ASSIGNING" else "complete"
    asked = Asked(
        action=action,
        user=user,
        process_id=job.bpmn_process_id,
        element_id=job.element_id,
        task_key=task.key,
        process_instance_key=job.process_instance_key,
        business_id=job.business_id,
        variables=job.variables,
        candidate_groups=tuple(task.candidate_groups),
        candidate_users=tuple(task.candidate_users),
        fence=job.key,
        through="listener",
    )
    if action == "assign" and not user:
        return None
    if action == "assign" and task.action != "claim" and (substitute := await desk.substitute_for(user, job.tenant_id)) is not None:
        return await _hand_on(desk, job, asked, substitute)
    await _decided(desk, asked)
    return None


def _listened(job: JobContext) -> ListenedUserTask | None:
    """The task a listener's job is about. Engines before 8.8 say it in headers only."""
    if job.user_task is not None:
        return job.user_task
    key = job.headers.get(f"{_HEADER}userTaskKey", "")
    if not key.isdecimal():
        return None
    return ListenedUserTask(
        key=int(key),
        action=job.headers.get(f"{_HEADER}action"),
        assignee=job.headers.get(f"{_HEADER}assignee") or None,
        candidate_groups=_names(job, "candidateGroups"),
        candidate_users=_names(job, "candidateUsers"),
    )


def _names(job: JobContext, header: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, as_list(json.loads(job.headers.get(f"{_HEADER}{header}", "[]"))) or []))
    except ValueError:
        return ()


async def _decided(desk: DutyDesk, asked: Asked) -> None:
    try:
        decision = await desk.decide(asked)
    except LogIsBehind as error:
        raise Deny(f"{error}; try again in a moment") from error
    if not decision.allowed:
        recorded = "your approval is recorded; " if decision.vote is not None else ""
        raise Deny(recorded + decision.text)


async def _hand_on(desk: DutyDesk, job: JobContext, asked: Asked, substitute: str) -> Corrected:
    """The assignee is away: the task goes to the substitute, if the rules let the substitute have it for them."""
    await _decided(desk, replace(asked, user=substitute, behalf=(asked.user,)))
    now = desk.now()
    number = await desk.store.delegations.begin(asked.task_key, asked.user, substitute, now, kind="SUBSTITUTED")
    await desk.store.delegations.settle(number, "OPEN", now)
    job.logger.info("duties.substituted", assignee=asked.user, substitute=substitute)
    return Corrected(assignee=substitute)


def duties_router(
    section: DutiesSection, open_desk: OpenDesk, *, clock: Clock | None = None, name: str = "duties", off: Collection[str] = ()
) -> Router:
    """A router with a worker for every listener type of ``[duties]``, which shows in the store that it is there.

    Args:
        section: the rules.
        open_desk: opens the desk when the workers start.
        clock: the time.
        name: tells this worker's signs of life from another's.
        off: listener types that the one who runs the router has switched off: they show no sign of life.
    """
    time = clock or SystemClock()
    running = [job_type for job_type in section.listeners if job_type not in off]

    @asynccontextmanager
    async def living() -> AsyncGenerator[DutyDesk]:
        async with open_desk() as desk:
            await _beat_once(desk, running, name, time)
            beating = asyncio.create_task(_beat(desk, running, name, time), name="camunda-workers-duties-heartbeat")
            try:
                yield desk
            finally:
                beating.cancel()
                with suppress(asyncio.CancelledError):
                    await beating
                for job_type in running:
                    await desk.store.ledger.gone(job_type, name)

    router = Router(*(duties_listener(section, job_type) for job_type in section.listeners))
    router.provide(DutyDesk, living)
    return router


async def _beat_once(desk: DutyDesk, running: Collection[str], name: str, clock: Clock) -> None:
    for job_type in running:
        await desk.store.ledger.beat(job_type, name, clock.now())


async def _beat(desk: DutyDesk, running: Collection[str], name: str, clock: Clock) -> None:
    while True:
        await asyncio.sleep(BEAT.total_seconds())
        try:
            await _beat_once(desk, running, name, clock)
        except ReadModelError as error:
            # The listener itself goes on; whoever watches the signs of life sees that they stop.
            _log.warning("duties.heartbeat", problem=str(error))


__all__ = ["BEAT", "apply", "duties_listener", "duties_router", "variables_of"]
