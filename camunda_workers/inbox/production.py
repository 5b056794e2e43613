"""The inbox against a cluster: people sign in at their provider, and the event log that a feeder writes is read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from camunda_workers.client import Client
from camunda_workers.clock import SystemClock
from camunda_workers.errors import ConfigurationError
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.inbox.oidc import Provider
from camunda_workers.inbox.parts import Parts
from camunda_workers.inbox.users import KnownPeople
from camunda_workers.project import ProjectFile
from camunda_workers.settings import Settings
from camunda_workers.tasks import TaskQueue, open_tasks
from camunda_workers.tasks.duties.audit_running import auditing
from camunda_workers.tasks.duties.log_sink import LogFacts
from camunda_workers.tasks.notifications.running import notifying
from camunda_workers.tasks.notifications.setup import channels_of, links_of
from camunda_workers.tasks.store import store_of

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@asynccontextmanager
async def open_parts(project: ProjectFile, settings: Settings, log: EventLog) -> AsyncGenerator[Parts]:
    """Open everything the inbox uses, as the environment and the project file say.

    Args:
        project: has ``[inbox.oidc]``.
        settings: where the cluster is, and under which address people reach the inbox.
        log: what a feeder writes (``camunda-workers log``).

    Raises:
        ConfigurationError: nobody could sign in, or their sessions could be read on the way.
    """
    if project.inbox.oidc is None:
        raise ConfigurationError(
            f"{project.path}: [inbox.oidc] is missing: people sign in at an OpenID Connect provider (development users are for 'up' alone)"
        )
    address = urlsplit(settings.inbox_url)
    if address.hostname is None or (address.scheme != "https" and address.hostname not in LOOPBACK):
        raise ConfigurationError(f"CAMUNDA_WORKERS_INBOX_URL is '{settings.inbox_url}': the inbox is reached over https")
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret is not None else None
    model = ReadModel(log)

    async def caught_up() -> ReadModel:
        await model.catch_up()
        return model

    async with (
        Client(settings=settings) as client,
        open_tasks(
            client,
            log,
            project.duties,
            store=store_of(settings),
            sink=LogFacts(log),
            channels=channels_of(settings),
            queue=TaskQueue(log, expected=project.tasks.expected),
            shows=project.inbox,
        ) as tasks,
        notifying(settings, project.tasks, tasks, client, SystemClock(), project=project.name, replies=project.notifications),
        auditing(project.duties, log, tasks.store),
    ):
        yield Parts(
            client=client,
            tasks=tasks,
            log=log,
            model=caught_up,
            users=KnownPeople(project.duties),
            section=project.inbox,
            name=project.name,
            locale=project.root / project.inbox.locale if project.inbox.locale else None,
            hosts=(address.hostname,),
            secure=address.scheme == "https",
            address=settings.inbox_url,
            provider=Provider(project.inbox.oidc, secret),
            links=links_of(settings, tasks.store, tasks.desk.people) if settings.link_secret is not None else None,
        )
