"""``camunda-workers tasks mail-reply``: an answer to a mail, from a mail server's pipe."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from camunda_workers.cli.task_session import session
from camunda_workers.errors import CamundaWorkersError, ConfigurationError
from camunda_workers.settings import Settings, load_project

TEMPFAIL = 75
"""``EX_TEMPFAIL`` of sysexits: the mail server keeps the mail and tries again."""


def mail_reply(
    sender: Annotated[
        str | None, typer.Option(help="The envelope's sender; empty for a bounce.", envvar="SENDER", metavar="ADDRESS", show_default=False)
    ] = None,
    recipient: Annotated[
        str | None,
        typer.Option(help="The envelope's recipient.", envvar=["ORIGINAL_RECIPIENT", "RECIPIENT"], metavar="ADDRESS", show_default=False),
    ] = None,
) -> None:
    """Decide by an answer to a mail, which is read from the standard input, as [notifications] allows; a refusal is answered by mail.

    Exits with 0 for whatever was dealt with, and with 75 when the mail server is to bring it again.
    """
    try:
        outcome = asyncio.run(_received(sender, recipient))
    except CamundaWorkersError as error:
        # To a mail server, any other code is a reason to send the whole mail back to whoever it says it is from.
        print(f"{error}", file=sys.stderr)
        raise typer.Exit(TEMPFAIL) from error
    print(outcome)


async def _received(sender: str | None, recipient: str | None) -> str:
    from camunda_workers.tasks.notifications.replies.receive import ReplyDesk
    from camunda_workers.tasks.notifications.setup import reply_tokens

    project, settings = load_project(), Settings()
    if not project.notifications.takes_replies:
        raise ConfigurationError(f"{project.path}: mails cannot be answered: [notifications] needs reply_to and trusted_results")
    raw = sys.stdin.buffer.read(project.notifications.largest_reply + 1)
    while len(raw) > project.notifications.largest_reply and sys.stdin.buffer.read(1 << 16):
        pass  # a mail server whose pipe is closed early sends the mail back
    async with session(None, None) as opened:
        desk = ReplyDesk(opened.tasks, reply_tokens(settings, opened.tasks.store), project.notifications)
        received = await desk.receive(raw, sender=sender, recipient=recipient)
    return f"refused: {received.reason}" if received.reason else f"the task is {received.state}"
