"""The listeners for the rules of ``[duties]``, as every command runs them that runs a project's workers."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.settings import ProjectFile, Settings

if TYPE_CHECKING:
    from camunda_workers.client import Client
    from camunda_workers.project_people import DutiesSection
    from camunda_workers.tasks import DutyDesk
    from camunda_workers.tasks.duties.listener import OpenDesk
    from camunda_workers.worker import Router


def with_listeners(
    project: ProjectFile, routers: Sequence[Router], open_desk: OpenDesk, *, clock: Clock | None = None, off: Collection[str] = ()
) -> list[Router]:
    """A project's routers, and one for the rules of its ``[duties]``, unless the project has workers of its own for them.

    Args:
        project: has the rules.
        routers: the project's own.
        open_desk: opens the place where the rules are asked.
        clock: the time.
        off: job types that are switched off.
    """
    from camunda_workers.tasks import duties_router

    if not project.duties.any_rules:
        return list(routers)
    own = {worker.definition.job_type for router in routers for worker in router}
    if own & set(project.duties.listeners):
        return list(routers)
    name = f"{socket.gethostname()}:{os.getpid()}"
    return [*routers, duties_router(project.duties, open_desk, clock=clock, name=name, off=off)]


@asynccontextmanager
async def desk_here(section: DutiesSection) -> AsyncGenerator[DutyDesk]:
    """The desk of a worker process: over the event log and the task store that the environment names."""
    from camunda_workers.cli.log_options import open_log
    from camunda_workers.tasks import open_desk
    from camunda_workers.tasks.duties.log_sink import LogFacts
    from camunda_workers.tasks.store import store_of

    async with open_log(None, None, create=True) as log, open_desk(section, log, store=store_of(Settings()), sink=LogFacts(log)) as desk:
        yield desk


@asynccontextmanager
async def auditing_here(section: DutiesSection) -> AsyncGenerator[None]:
    """Look at what was completed without a listener's leave, meanwhile; over the event log and the task store that the environment names."""
    from camunda_workers.cli.log_options import open_log
    from camunda_workers.tasks import TaskStore
    from camunda_workers.tasks.duties.audit_running import auditing
    from camunda_workers.tasks.store import store_of

    async with open_log(None, None, create=True) as log, TaskStore(store_of(Settings())) as store, auditing(section, log, store):
        yield


def engine_check(section: DutiesSection, client: Client) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """What a readiness probe asks: whether this engine can enforce the rules at all."""

    async def problems() -> Mapping[str, str]:
        from camunda_workers.errors import EngineError
        from camunda_workers.tasks.duties.engine_ready import engine_problems

        try:
            return await engine_problems(section, client)
        except EngineError as error:
            return {"duties engine": f"it is not known whether this engine enforces the rules: {error}"}

    return problems


def deployed_check(section: DutiesSection) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """What a readiness probe asks: whether the diagrams that are deployed have the listeners; where there is an event log that knows them."""
    from camunda_workers.tasks.duties.deployed import DeployedDiagrams

    diagrams = DeployedDiagrams(section)

    async def problems() -> Mapping[str, str]:
        from camunda_workers.cli.log_options import open_log
        from camunda_workers.errors import ReadModelError
        from camunda_workers.events import ReadModel

        try:
            async with open_log(None, None, create=True) as log:
                return await diagrams.problems(ReadModel(log))
        except ReadModelError as error:
            return {"event log": str(error)}

    return problems


def listener_check(section: DutiesSection) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """What a readiness probe asks: whether the rules are enforced now, whichever process does it."""

    async def problems() -> Mapping[str, str]:
        from camunda_workers.errors import ReadModelError
        from camunda_workers.tasks import TaskStore
        from camunda_workers.tasks.duties.ready import listener_problems
        from camunda_workers.tasks.store import store_of

        try:
            async with TaskStore(store_of(Settings())) as store:
                return await listener_problems(section, store, SystemClock().now())
        except ReadModelError as error:
            return {"task store": str(error)}

    return problems
