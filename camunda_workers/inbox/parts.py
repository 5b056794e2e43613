"""What the inbox is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from camunda_workers.client import Client
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.inbox.users import Users
from camunda_workers.project import InboxSection
from camunda_workers.tasks import TaskService


@dataclass(frozen=True)
class Parts:
    """Everything the inbox uses.

    Attributes:
        client: the way to the engine.
        tasks: what people do goes through here; nothing in the inbox acts on a task by itself.
        log: the event log, for stories and for knowing that something changed.
        model: the read model over that log, caught up.
        users: who may sign in.
        section: what the project file says of the inbox.
        name: the project's name, in titles.
        clock: the engine's time.
        locale: a folder with further languages.
        hosts: the names under which the inbox may be called, against pages that give their own name our address; any when empty.
        secure: whether cookies are for https only; not on loopback during development.
    """

    client: Client
    tasks: TaskService
    log: EventLog
    model: Callable[[], Awaitable[ReadModel]]
    users: Users
    section: InboxSection = field(default_factory=InboxSection)
    name: str = ""
    clock: Clock = field(default_factory=SystemClock)
    locale: Path | None = None
    hosts: tuple[str, ...] = ()
    secure: bool = True
