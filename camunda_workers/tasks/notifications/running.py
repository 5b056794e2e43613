"""News while an application runs: what is due is looked for, what waits is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from camunda_workers.client import Client
from camunda_workers.clock import Clock
from camunda_workers.ending import end_tasks
from camunda_workers.project_people import TasksSection
from camunda_workers.settings import TaskSettings
from camunda_workers.tasks.notifications.rounds import Rounds, ways_of
from camunda_workers.tasks.notifications.setup import channels_of, courier_of
from camunda_workers.tasks.service import TaskService


@asynccontextmanager
async def notifying(
    settings: TaskSettings, section: TasksSection, tasks: TaskService, client: Client, clock: Clock, *, project: str
) -> AsyncGenerator[str]:
    """Send news meanwhile, where a way to people is set up.

    Args:
        settings: the environment: mail server, webhook, the links' secret.
        section: the project's ``[tasks]``: when what is due is news, in which language.
        tasks: has the outbox.
        client: the way to the engine.
        clock: the engine's time.
        project: what recipients know the application as.

    Yields:
        A line on what is sent where; empty when nothing is.

    Raises:
        ConfigurationError: something that belongs together is only half set up.
    """
    channels = channels_of(settings)
    if not channels:
        yield ""
        return
    courier = courier_of(settings, tasks.store, tasks.desk.people, clock, project=project, language=section.language)
    rounds = Rounds(
        client,
        tasks.outbox,
        clock,
        ways_of(channels, tasks.desk.people),
        soon=section.remind_before,
        digest_at=section.digest_at,
        zone=ZoneInfo(section.time_zone),
    )
    running = [
        asyncio.create_task(courier.run(), name="camunda-workers-courier"),
        asyncio.create_task(rounds.run(), name="camunda-workers-rounds"),
    ]
    try:
        ways = {"email": f"by email over {settings.mail_host}:{settings.mail_port}", "webhook": f"to {settings.webhook_url}"}
        yield " and ".join(ways[channel] for channel in channels)
    finally:
        await end_tasks(*running)
