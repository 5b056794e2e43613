"""Python's garbage collector, set for a process that runs jobs."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

THRESHOLD = 10_000
"""Objects made and not freed before the youngest are looked at. Python's own 700 (2,000 from 3.13 on) is passed several times while one answer's
jobs are started, all of whose objects are alive: a fifth of a job's CPU time went into looking at them again and again."""


@contextmanager
def calm_collector() -> Generator[None]:
    """Looks for garbage less often, and not among what was there before; everything is as it was afterwards.

    Jobs leave no cycles behind, so reference counting frees them at once. What an application has loaded stays, and is not searched again:
    in one with large libraries each full search would stop all jobs for tens of milliseconds.
    """
    before = gc.get_threshold()
    if before[0] == 0:
        # Somebody has turned it off on purpose.
        yield
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(max(THRESHOLD, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
