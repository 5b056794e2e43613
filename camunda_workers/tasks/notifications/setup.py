"""The courier as the settings say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from camunda_workers.clock import Clock
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import TaskSettings
from camunda_workers.tasks.duties.identity import People
from camunda_workers.tasks.notifications.deliver import Courier
from camunda_workers.tasks.notifications.links import Links, checked_keys
from camunda_workers.tasks.notifications.mail import Answer, MailServer
from camunda_workers.tasks.notifications.outbox import Channel, Notice, Outbox
from camunda_workers.tasks.notifications.replies.tokens import ReplyTokens
from camunda_workers.tasks.notifications.webhook import Webhook
from camunda_workers.tasks.store import TaskStore

LINK_PATH = "/l/"
"""Below the inbox's address: where a link's confirmation page is."""


def channels_of(settings: TaskSettings) -> Sequence[Channel]:
    """The ways to people that are set up."""
    ways: list[Channel] = []
    if settings.mail_host:
        ways.append("email")
    if settings.webhook_url:
        ways.append("webhook")
    return tuple(ways)


def links_of(settings: TaskSettings, store: TaskStore, people: People) -> Links:
    """Links signed with the configured secret; a comma separates it from older ones.

    Raises:
        ConfigurationError: there is none.
    """
    return Links(store.database, _keys(settings), people)


def reply_tokens(settings: TaskSettings, store: TaskStore) -> ReplyTokens:
    """Addresses for answers, signed with the same secret as links.

    Raises:
        ConfigurationError: there is none, or a short one.
    """
    return ReplyTokens(store.database, _keys(settings))


def _keys(settings: TaskSettings) -> Sequence[bytes]:
    secret = settings.link_secret.get_secret_value() if settings.link_secret is not None else ""
    return checked_keys([key.strip().encode() for key in secret.split(",") if key.strip()])


def courier_of(
    settings: TaskSettings,
    store: TaskStore,
    people: People,
    clock: Clock,
    *,
    project: str,
    language: str = "en",
    answers: Callable[[Notice], Awaitable[Answer | None]] | None = None,
) -> Courier:
    """A courier for what is set up.

    Args:
        settings: the environment.
        store: has the outbox.
        people: have the addresses.
        clock: the time.
        project: what recipients know the application as.
        language: of the messages.
        answers: see `Courier`.

    Raises:
        ConfigurationError: something that belongs together is only half set up; names the variable.
    """
    mail = webhook = None
    if settings.mail_host:
        password = settings.mail_password.get_secret_value() if settings.mail_password is not None else None
        mail = MailServer(settings.mail_host, settings.mail_port, settings.mail_from, settings.mail_username, password, settings.mail_tls)
    if settings.webhook_url:
        if settings.webhook_secret is None:
            raise ConfigurationError("CAMUNDA_WORKERS_WEBHOOK_URL is set without CAMUNDA_WORKERS_WEBHOOK_SECRET")
        webhook = Webhook(settings.webhook_url, settings.webhook_secret.get_secret_value().encode())
    inbox = settings.inbox_url.rstrip("/")
    return Courier(
        Outbox(store.database),
        people,
        links_of(settings, store, people),
        clock,
        address=lambda token: f"{inbox}{LINK_PATH}{token}" if token is not None else inbox,
        project=project,
        mail=mail,
        webhook=webhook,
        language=language,
        answers=answers,
    )
