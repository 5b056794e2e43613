"""Why something was refused, in a sentence for the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.errors import (
    CamundaWorkersError,
    DeadlineExceeded,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    NotFound,
    PermissionDenied,
)
from camunda_workers.inbox.site import Reader, Site, is_part
from camunda_workers.inbox.views.phrases import sentence
from camunda_workers.inbox.views.times import ago
from camunda_workers.tasks import DutyDenied, FormRejected, Outdated, TaskClosed, TaskTaken


@dataclass(frozen=True, slots=True)
class Said:
    """A refusal.

    Attributes:
        reload: whether the page shows something that is over.
    """

    text: str
    status: int
    tone: Literal["bad", "careful"] = "bad"
    details: tuple[str, ...] = ()
    reload: bool = False


async def said(site: Site, reader: Reader, error: CamundaWorkersError, key: int | None = None) -> Said:
    """An error as the person is told it."""
    say, name_of = reader.say, site.parts.users.name_of

    def plainly(text: str) -> str:
        return sentence(site.plainly(reader.language, text))

    match error:
        case TaskTaken():
            if error.by is None:
                return Said(say("refused.taken-unknown"), 409, "careful", reload=True)
            return Said(
                say("refused.taken", who=name_of(error.by), when=await _since(site, reader, key, error.by)), 409, "careful", reload=True
            )
        case TaskClosed():
            if error.by is None or error.state != "COMPLETED":
                return Said(say("refused.closed"), 409, "careful", reload=True)
            who = say("you") if reader.person.caller.is_(error.by) else name_of(error.by)
            return Said(say("refused.completed", who=who), 409, "careful", reload=True)
        case Outdated():
            return Said(say("refused.outdated"), 409, "careful", reload=True)
        case DutyDenied():
            return Said(
                say("refused.duty"), 403, "bad", tuple(plainly(reason.text) for reason in error.decision.denials) or (plainly(str(error)),)
            )
        case FormRejected():
            return Said(say("refused.form"), 422)
        case NotFound():
            return Said(say("refused.gone"), 404, "careful")
        case PermissionDenied():
            return Said(say("refused.not-yours"), 403)
        case DeadlineExceeded() | EngineUnavailable():
            return Said(say("refused.engine"), 503, details=(str(error),))
        case InvalidState():
            return Said(say("refused.state"), 409, "careful", (plainly(str(error)),), reload=True)
        case InvalidArgument():
            return Said(plainly(str(error)), 422)
        case _:
            return Said(say("refused.failed"), 500, details=(plainly(str(error)),))


def at_the_door(site: Site, request: Request, why: str, status: int, **values: Any) -> Response:
    """A refusal before any page is reached, in the reader's language and the shape that the one who asks can show.

    Args:
        site: the inbox.
        request: what is refused.
        why: its sentence, by name.
        status: the HTTP status.
        values: what the sentence says besides.
    """
    text = site.words.say(site.language(request), f"refused.{why}", **values)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"text": text}, status)
    template = "parts/refused.html" if is_part(request) else "refused.html"
    return site.render(request, template, status=status, said=Said(text, status, "careful", reload=why == "old-page"))


async def _since(site: Site, reader: Reader, key: int | None, by: str) -> str:
    """When the one who has a task got it, as far as our own records say."""
    if key is None:
        return ""
    facts = await site.parts.tasks.store.ledger.facts(key)
    taken = [fact for fact in facts if fact.kind in ("task.claimed", "task.assigned", "task.taken-over", "task.delegated")]
    if not taken or by not in (taken[-1].actor, taken[-1].data.get("to")):
        return ""
    return ago(taken[-1].at, reader.now, reader.say)
