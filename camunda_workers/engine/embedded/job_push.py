"""Jobs on their way to workers: wakes long polls when work appears and pushes jobs to open streams.

The engine asks on its own thread whether somebody streams a type (then the job is activated and pushed at once) and says when a job of a
type that nobody streams can be fetched. It is answered in Java (``java_side/…/Jobs.java``), which is told here who waits.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from camunda_workers.engine.embedded.commands import DEFAULT_TENANT
from camunda_workers.engine.embedded.documents import unpack
from camunda_workers.engine.embedded.java import java_class, jpype, to_java_buffer, zeebe
from camunda_workers.engine.embedded.outbox import JOB, WORK_AVAILABLE, Outbox

_PUSHED = struct.Struct(">qq")

_BETWEEN_POLLS = 1.0
"""Seconds for which a type counts as served after its last poll ended."""


@dataclass(frozen=True, slots=True)
class PushedJob:
    """A job that the engine has already activated for a stream."""

    key: int
    value: dict[str, Any]


@dataclass(eq=False, slots=True)
class JobStream:
    """One open stream of a worker.

    Attributes:
        job_type: the type it takes.
        jobs: pushed jobs not yet sent.
    """

    job_type: str
    jobs: asyncio.Queue[PushedJob] = field(default_factory=lambda: asyncio.Queue())
    java: Any = None

    def sent(self) -> None:
        """Make room for one more: a pushed job has left."""
        self.java.release(1)


class JobDispatch:
    """Who waits for jobs of which type."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox, give_back: Callable[[int], None]) -> None:
        self._loop = loop
        self._give_back = give_back
        self._waiting: dict[str, dict[asyncio.Event, None]] = {}
        self._streams: dict[int, JobStream] = {}
        self._ids = itertools.count(1)
        self._last_served: dict[str, float] = {}
        self._closed = asyncio.Event()
        self.streamer: Any = java_class("camunda_workers.Jobs")(outbox.java)
        outbox.on(WORK_AVAILABLE, lambda message: self.wake_one(message.decode()))
        outbox.on(JOB, self._pushed)

    @contextmanager
    def waiting(self, job_type: str) -> Generator[asyncio.Event]:
        """Register a long poll; its event is set when there may be work of the type."""
        event = asyncio.Event()
        if self._closed.is_set():
            event.set()
        waiters = self._waiting.get(job_type)
        if waiters is None:
            waiters = self._waiting[job_type] = {}
            self.streamer.startPolling(job_type)
        waiters[event] = None
        try:
            yield event
        finally:
            del waiters[event]
            if not waiters:
                del self._waiting[job_type]
                self.streamer.stopPolling(job_type)
            self._last_served[job_type] = self._loop.time()
            if event.is_set():
                self.wake_one(job_type)  # it may have left without looking: let the next poll look

    @contextmanager
    def streaming(
        self, job_type: str, worker: str, timeout: int, fetch: Sequence[str], tenants: Sequence[str], capacity: int
    ) -> Generator[JobStream]:
        """Register a stream; jobs still unsent when it ends are given back to the engine.

        At most ``capacity`` pushed jobs wait to be sent; while so many do, the engine is told that nobody streams, so jobs stay for polls.
        """
        number, stream = next(self._ids), JobStream(job_type)
        self._streams[number] = stream
        stream.java = self.streamer.open(jpype.JLong(number), job_type, capacity, _properties(worker, timeout, fetch, tenants))
        try:
            yield stream
        finally:
            self.streamer.close(job_type, stream.java)
            del self._streams[number]
            while not stream.jobs.empty():
                self._give_back(stream.jobs.get_nowait().key)

    def served_types(self) -> set[str]:
        """Return the job types that some poll or stream waits for, or did a moment ago: a worker is away between two polls."""
        recent = self._loop.time() - _BETWEEN_POLLS
        streamed = (stream.job_type for stream in self._streams.values())
        return {*self._waiting, *streamed, *(job_type for job_type, at in self._last_served.items() if at > recent)}

    @property
    def closed(self) -> bool:
        """Whether the engine is stopping: polls and streams end."""
        return self._closed.is_set()

    async def wait_closed(self) -> None:
        """Return when the engine stops."""
        await self._closed.wait()

    def close(self) -> None:
        """End every poll and stream."""
        self._closed.set()
        for waiters in self._waiting.values():
            for event in waiters:
                event.set()

    def wake_one(self, job_type: str) -> None:
        """Wake the longest-waiting poll of the type that is not awake yet."""
        for event in self._waiting.get(job_type, ()):
            if not event.is_set():
                event.set()
                return

    def _pushed(self, message: bytes) -> None:
        number, key = _PUSHED.unpack_from(message)
        stream = self._streams.get(number)
        if stream is None:
            self._give_back(key)  # it ended meanwhile
        else:
            stream.jobs.put_nowait(PushedJob(key, unpack(message[_PUSHED.size :])))


def _properties(worker: str, timeout: int, fetch: Sequence[str], tenants: Sequence[str]) -> Any:
    properties = zeebe("protocol.impl.stream.job.JobActivationPropertiesImpl")()
    name = worker.encode()
    names = java_class("java.util.ArrayList")()
    for variable in fetch:
        names.add(zeebe("msgpack.value.StringValue")(variable))
    properties.setWorker(to_java_buffer(name), 0, len(name)).setTimeout(jpype.JLong(timeout)).setFetchVariables(names)
    return properties.setTenantIds(java_class("java.util.List").of(*(tenants or [DEFAULT_TENANT])))
