"""What the inbox is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from camunda_workers.client import Client
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.inbox.users import Users
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks import TaskService

if TYPE_CHECKING:
    from camunda_workers.inbox.oidc import Provider
    from camunda_workers.tasks.notifications.links import Links


@dataclass(frozen=True)
class Rates:
    """How much one session may ask for: far more than a person does, far less than a program can.

    Attributes:
        looks: pages at once; as many per ten seconds are allowed in the long run.
        changes: changes at once; as many per minute in the long run.
        files: files at once; as many per minute in the long run.
    """

    looks: int = 300
    changes: int = 120
    files: int = 30


@dataclass(frozen=True)
class Parts:
    """Everything the inbox uses.

    Attributes:
        client: the way to the engine.
        tasks: what people do goes through here; nothing in the inbox acts on a task by itself.
        log: the event log, for stories and for knowing that something changed.
        model: the read model over that log, caught up.
        users: who is who, and who may sign in with a password.
        provider: where people sign in instead; ``None`` during development.
        links: the links in notifications; ``None`` where none are sent.
        section: what the project file says of the inbox.
        name: the project's name, in titles.
        clock: the engine's time.
        locale: a folder with further languages.
        hosts: the names under which the inbox may be called, against pages that give their own name our address; any when empty.
        secure: whether cookies are for https only; not on loopback during development.
        rates: how much one session may ask for.
        address: the inbox's own, as browsers know it, where the provider sends people back to; the request's own when empty.
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
    rates: Rates = field(default_factory=Rates)
    address: str = ""
    provider: Provider | None = None
    links: Links | None = None
