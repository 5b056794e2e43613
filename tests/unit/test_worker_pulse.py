"""What a process has not looked at counts against jobs only while it can still lie in its buffers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from camunda_workers.worker.pulse import EVERY, LATE, SETTLED, Pulse


async def test_a_hold_up_makes_jobs_old_that_are_read_right_after_it_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    beats: list[Callable[[], None]] = []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    loop = asyncio.get_running_loop()

    def call_later(seconds: float, beat: Callable[[], None]) -> asyncio.TimerHandle:
        beats.append(beat)
        return asyncio.TimerHandle(clock[0] + seconds, beat, (), loop)

    monkeypatch.setattr(loop, "call_later", call_later)

    def pass_by(seconds: float, *, beating: bool = True) -> None:
        until = clock[0] + seconds
        while beating and clock[0] + EVERY < until:
            clock[0] += EVERY
            beats.pop()()
        clock[0] = until

    pulse = Pulse()
    pulse.start()
    waiting = clock[0]
    pass_by(10.0)
    assert pulse.arrived(waiting) == clock[0]
    # Frozen for a minute: what is read then may have lain there since.
    frozen = clock[0]
    pass_by(60.0, beating=False)
    assert frozen - EVERY <= pulse.arrived(waiting) <= frozen
    assert pulse.arrived(waiting) < clock[0] - 60.0 + LATE
    # A reader that has been waiting all the while, in a loop that runs again, would have read it by now.
    pass_by(SETTLED + 2 * EVERY)
    assert pulse.arrived(waiting) == clock[0]
    pass_by(120.0)
    assert pulse.arrived(waiting) == clock[0]
