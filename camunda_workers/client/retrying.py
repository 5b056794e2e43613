"""The loop around one call: send, map what went wrong, ask `retry.decide`, wait, send again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from camunda_workers.client.retry import Again, BackOff, Failure, Repeat, decide
from camunda_workers.errors import EngineError

T = TypeVar("T")

_log = structlog.get_logger(__name__)


async def with_retries(
    send: Callable[[], Awaitable[T]],
    to_failure: Callable[[Exception], Failure | None],
    *,
    call: str,
    back_off: BackOff,
    repeat: Repeat,
    settled_by: tuple[type[EngineError], ...] = (),
) -> T | None:
    """Make a call, again where that is right.

    Args:
        send: makes the call once.
        to_failure: maps what ``send`` raised; ``None`` lets it pass as it is.
        call: the call's name, for the log.
        back_off: the limits.
        repeat: how this call may be repeated.
        settled_by: errors that mean "already done" when an earlier attempt may have been executed.

    Returns:
        The answer, or ``None`` when the call is known to have been done although its answer was lost.

    Raises:
        EngineError: the last attempt's error.
    """
    attempt = 0
    in_doubt = False
    while True:
        attempt += 1
        try:
            return await send()
        except Exception as error:
            failure = to_failure(error)
            if failure is None:
                raise
            if in_doubt and isinstance(failure.error, settled_by):
                return None
            decision = decide(back_off, failure, attempt=attempt, repeat=repeat, chance=random.random())
            if not isinstance(decision, Again):
                raise failure.error from failure.error.__cause__
            in_doubt = in_doubt or failure.maybe_executed
            _log.info(
                "engine call is repeated", action="client_retry", call=call, attempt=attempt, delay=decision.delay, error=str(failure.error)
            )
        await asyncio.sleep(decision.delay)
