"""When pushed jobs arrived, at the earliest: their time runs while they wait in buffers for a worker that is busy or not looking."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.pulse import Pulse

IN_BUFFERS: Final = 32 * 1024
"""More bytes of jobs do not lie between the engine and here: twice the window of the channel that jobs are pushed over."""

NOTICED: Final = 0.05
"""Seconds. A reader that waits for longer finds nothing in the buffers; one that is held up for less lets nothing gather there that matters."""


class Arrivals:
    """Follows the reading of one stream.

    Jobs gather in buffers only while they are not read. How long a job was there is not told, but bounded: it was not there yet when the reader had
    to wait, and not before a hold-up since when more bytes have been read than the buffers take.

    Args:
        pulse: knows when this process has not been looking.
    """

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._bytes = 0
        self._holds: deque[tuple[int, float]] = deque()

    def of(self, job: pb.ActivatedJob, asked: float, read: float) -> float:
        """The earliest arrival of a job, by the monotonic clock.

        Args:
            job: the job.
            asked: when the reading of it began.
            read: when it was read.
        """
        begins = self._bytes
        self._bytes += job.ByteSize()
        if read - asked > NOTICED:
            self._holds.clear()
        while self._holds and self._holds[0][0] < begins - IN_BUFFERS:
            self._holds.popleft()
        arrived = self._pulse.arrived(asked)
        if read - arrived > NOTICED:
            # Nobody was looking, which is a hold-up too: what comes right behind this job has waited as long.
            self._holds.append((begins, arrived))
        return min(arrived, self._holds[0][1]) if self._holds else arrived

    def held(self, since: float) -> None:
        """Called before the next reading: there was none since then."""
        if time.monotonic() - since > NOTICED:
            self._holds.append((self._bytes, since))
