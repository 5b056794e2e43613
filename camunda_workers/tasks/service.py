"""The task service: everything people do with tasks, the same on every engine, from the inbox, the command line or a program."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from camunda_workers.tasks.deciding import TaskDeciding
from camunda_workers.tasks.duties.engine_ready import engine_problems
from camunda_workers.tasks.duties.history import PATIENCE
from camunda_workers.tasks.duties.ready import listener_problems
from camunda_workers.tasks.notifications.outbox import Channel, Outbox

if TYPE_CHECKING:
    from camunda_workers.client import Client
    from camunda_workers.clock import Clock
    from camunda_workers.events import EventLog
    from camunda_workers.project_people import DutiesSection, InboxSection
    from camunda_workers.tasks.duties.desk import DutyDesk
    from camunda_workers.tasks.duties.identity import Directory
    from camunda_workers.tasks.duties.sink import FactSink
    from camunda_workers.tasks.forms.feel import FeelEvaluator
    from camunda_workers.tasks.queue import TaskQueue
    from camunda_workers.tasks.store import TaskStore


class TaskService(TaskDeciding):
    """Everything people do with tasks.

    ::

        async with open_tasks(client, log, section, store=data_dir / "tasks.db") as tasks:
            ada = Caller("ada", groups=frozenset({"claims-assessors"}))
            task = await tasks.claim(ada, key)
            await tasks.complete(ada, key, {"assessment": {"outcome": "approve", "amount": 900}})

    Every call names its `Caller`, who is whoever is logged in; nothing is done in somebody else's name. What the engine does not keep
    (drafts, comments, delegations, absences, files, approvals, reasons) is in the task store.
    """

    @property
    def desk(self) -> DutyDesk:
        """Where questions about duties are answered."""
        return self._desk

    @property
    def store(self) -> TaskStore:
        """What is ours about tasks."""
        return self._store

    async def problems(self) -> Mapping[str, str]:
        """Why this is not ready to be used: duties that nobody enforces; for a readiness probe. Empty when all is well."""
        section = self._desk.section
        # An engine that asks no listeners waits for none: a worker for them would change nothing.
        return await engine_problems(section, self._client) or await listener_problems(section, self._store, self._clock.now())

    @property
    def queue(self) -> TaskQueue | None:
        """What lists are read from; ``None`` where the engine's search is asked."""
        return self._queue

    @property
    def outbox(self) -> Outbox:
        """News that waits to be sent."""
        return self._outbox


@asynccontextmanager
async def open_desk(
    section: DutiesSection,
    log: EventLog,
    *,
    store: Path | str | TaskStore,
    sink: FactSink | None = None,
    directory: Directory | None = None,
    clock: Clock | None = None,
    catch_up: Callable[[], Awaitable[object]] | None = None,
    patience: float = PATIENCE,
) -> AsyncGenerator[DutyDesk]:
    """Open the place where questions about duties are answered: for a listener's router, or for the service.

    Args:
        section: the rules.
        log: the event log, which knows who did what; another process may be the one that writes it.
        store: an open store, or where it is: a file or a database URL.
        sink: where facts go besides the store.
        directory: knows people's groups.
        clock: the time.
        catch_up: makes the log follow the engine at once, where it is pumped in this process.
        patience: seconds to wait for the log.
    """
    from camunda_workers.tasks.duties.desk import DutyDesk
    from camunda_workers.tasks.duties.history import LogHistory
    from camunda_workers.tasks.store import TaskStore

    history = LogHistory(log, catch_up=catch_up, patience=patience)
    if isinstance(store, TaskStore):
        yield DutyDesk(section, history, store, sink=sink, directory=directory, clock=clock)
        return
    async with TaskStore(store) as opened:
        yield DutyDesk(section, history, opened, sink=sink, directory=directory, clock=clock)


@asynccontextmanager
async def open_tasks(
    client: Client,
    log: EventLog,
    section: DutiesSection,
    *,
    store: Path | str | TaskStore,
    feel: FeelEvaluator | None = None,
    sink: FactSink | None = None,
    directory: Directory | None = None,
    clock: Clock | None = None,
    catch_up: Callable[[], Awaitable[object]] | None = None,
    patience: float = PATIENCE,
    channels: Sequence[Channel] = ("email",),
    queue: TaskQueue | None = None,
    expected: Mapping[str, timedelta] | None = None,
    shows: InboxSection | None = None,
) -> AsyncGenerator[TaskService]:
    """Open the task service; arguments as for `open_desk`, and:

    Args:
        client: an open client with a REST address.
        log: see there.
        section: see there.
        store: see there.
        feel: evaluates the expressions of forms; this installation's evaluator when not given.
        sink: see there.
        directory: see there.
        clock: see there.
        catch_up: see there.
        patience: see there.
        channels: over which news about tasks goes out.
        queue: reads lists of tasks from our own log, for an application whose log follows the engine; the engine's search is asked otherwise.
        expected: how long tasks take, where ``queue`` is not given.
        shows: the project's ``[inbox]``: what a case is called, for the search, and which cases are sensitive.
    """
    async with open_desk(
        section, log, store=store, sink=sink, directory=directory, clock=clock, catch_up=catch_up, patience=patience
    ) as desk:
        yield TaskService(client, desk.store, desk, feel=feel, clock=clock, channels=channels, queue=queue, expected=expected, shows=shows)
