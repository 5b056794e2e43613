"""News while an application runs: what is due is looked for, what waits is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from zoneinfo import ZoneInfo

from camunda_workers.client import Client
from camunda_workers.clock import Clock
from camunda_workers.ending import end_tasks
from camunda_workers.project_people import NotificationsSection, TasksSection
from camunda_workers.settings import TaskSettings
from camunda_workers.tasks.notifications.deliver import Courier
from camunda_workers.tasks.notifications.replies.listening import listening
from camunda_workers.tasks.notifications.replies.offers import ReplyOffers
from camunda_workers.tasks.notifications.replies.receive import ReplyDesk
from camunda_workers.tasks.notifications.rounds import Rounds, ways_of
from camunda_workers.tasks.notifications.setup import channels_of, courier_of, reply_tokens
from camunda_workers.tasks.service import TaskService


@asynccontextmanager
async def notifying(
    settings: TaskSettings,
    section: TasksSection,
    tasks: TaskService,
    client: Client,
    clock: Clock,
    *,
    project: str,
    replies: NotificationsSection | None = None,
) -> AsyncGenerator[str]:
    """Send news meanwhile, where a way to people is set up.

    Args:
        settings: the environment: mail server, webhook, the links' secret.
        section: the project's ``[tasks]``: when what is due is news, in which language.
        tasks: has the outbox.
        client: the way to the engine.
        clock: the engine's time.
        project: what recipients know the application as.
        replies: the project's ``[notifications]``: whether mails may be answered with a decision.

    Yields:
        A line on what is sent where; empty when nothing is.

    Raises:
        ConfigurationError: something that belongs together is only half set up.
    """
    channels = channels_of(settings)
    if not channels:
        yield ""
        return
    offers = desk = None
    if replies is not None and replies.takes_replies and "email" in channels:
        tokens = reply_tokens(settings, tasks.store)
        offers, desk = ReplyOffers(tasks, tokens, replies), ReplyDesk(tasks, tokens, replies)
    courier = courier_of(
        settings,
        tasks.store,
        tasks.desk.people,
        clock,
        project=project,
        language=section.language,
        answers=offers.answer_to if offers is not None else None,
    )
    rounds = Rounds(
        client,
        tasks.outbox,
        clock,
        ways_of(channels, tasks.desk.people),
        soon=section.remind_before,
        digest_at=section.digest_at,
        zone=ZoneInfo(section.time_zone),
    )
    listener = listening(desk, replies) if desk is not None and replies is not None and replies.listen else nullcontext("")
    async with listener as where:
        async with _running(courier, rounds):
            ways = {"email": f"by email over {settings.mail_host}:{settings.mail_port}", "webhook": f"to {settings.webhook_url}"}
            line = " and ".join(ways[channel] for channel in channels)
            yield (
                line
                + (f"; answers to {replies.reply_to}" if desk is not None and replies is not None else "")
                + (f" at {where}" if where else "")
            )


@asynccontextmanager
async def _running(courier: Courier, rounds: Rounds) -> AsyncGenerator[None]:
    running = [
        asyncio.create_task(courier.run(), name="camunda-workers-courier"),
        asyncio.create_task(rounds.run(), name="camunda-workers-rounds"),
    ]
    try:
        yield
    finally:
        await end_tasks(*running)
