"""How jobs are fetched: waits, jitter, streaming."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from camunda_workers.client.retry import BackOff

NOW: Final = timedelta(milliseconds=-1)
"""A request that the engine answers at once, jobs or none."""

_BACK_OFF = BackOff(first=0.1, longest=5.0)
_IDLE = BackOff(first=0.02, longest=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How jobs are fetched.

    Attributes:
        request_timeout: how long the engine may wait for a job before it answers a request with none.
        back_off: waits after failed requests; starts anew after the first that succeeds.
        idle: waits after empty answers of an engine that does not wait for jobs.
        start_jitter: the longest wait before the first request; spreads workers that are started together.
        streaming: whether workers that allow it have jobs pushed too.
        silent_after: a worker that has had no answer for so long, although it has room, is reported and makes the runner unready; it must be
            longer than a request may take.
    """

    request_timeout: timedelta = timedelta(seconds=20)
    back_off: BackOff = _BACK_OFF
    idle: BackOff = _IDLE
    start_jitter: timedelta = timedelta(0)
    streaming: bool = True
    silent_after: timedelta = timedelta(seconds=60)
