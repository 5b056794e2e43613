"""The task service as the command line opens it: the engine of the environment, the project's rules, this machine's store and log."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from camunda_workers.settings import Settings, find_project_file, load_project

if TYPE_CHECKING:
    from camunda_workers.project_people import DutiesSection, InboxSection
    from camunda_workers.tasks import Caller, TaskService

T = TypeVar("T")

As = Annotated[
    str | None,
    typer.Option("--as", help="Who does it; CAMUNDA_WORKERS_USER or your account otherwise.", metavar="USER", show_default=False),
]
Groups = Annotated[
    str | None,
    typer.Option("--groups", help="Your groups, comma-separated, to see their tasks; rules go by [duties.people].", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[int, typer.Argument(help="The task's key.", metavar="TASK", show_default=False)]


@dataclass(frozen=True)
class Session:
    """An open task service and who uses it."""

    tasks: TaskService
    caller: Caller


def duties_here() -> DutiesSection:
    """The rules of the project in or above this folder; none where there is no project."""
    from camunda_workers.project_people import DutiesSection

    return load_project().duties if find_project_file() is not None else DutiesSection()


def shown_here() -> InboxSection:
    """What the project in or above this folder shows of cases, and which are sensitive."""
    from camunda_workers.project_people import InboxSection

    return load_project().inbox if find_project_file() is not None else InboxSection()


@asynccontextmanager
async def session(user: str | None, groups: str | None) -> AsyncGenerator[Session]:
    """Open the task service for somebody."""
    from camunda_workers.cli.log_options import open_log
    from camunda_workers.client import Client
    from camunda_workers.errors import ReadModelError
    from camunda_workers.events import EventLog
    from camunda_workers.tasks import Caller, open_tasks
    from camunda_workers.tasks.duties.history import PATIENCE
    from camunda_workers.tasks.store import store_of

    settings = Settings()
    names = frozenset(part.strip() for part in groups.split(",") if part.strip()) if groups is not None else None
    caller = Caller(user or settings.user or getpass.getuser(), names, source="said")
    try:
        log, patience = open_log(None, None), PATIENCE
    except ReadModelError:
        # A log that is not there knows nothing, so the rules say no: at once, not after waiting for it.
        log, patience = EventLog.open(), 0.0
    async with (
        log as events,
        Client(settings=settings) as client,
        open_tasks(client, events, duties_here(), store=store_of(settings), patience=patience, shows=shown_here()) as tasks,
    ):
        yield Session(tasks, caller)


def run(work: Callable[[Session], Awaitable[T]], user: str | None, groups: str | None) -> T:
    """Do something with the task service and close it."""

    async def whole() -> T:
        async with session(user, groups) as opened:
            return await work(opened)

    return asyncio.run(whole())


def show_json(value: Any) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
