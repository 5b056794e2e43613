"""Jobs on their way to workers: wakes long polls when work appears and pushes jobs to open streams.

The engine calls in on its own thread, twice per job at most: ``streamFor`` asks whether somebody streams that type (then the job is
activated and pushed at once), ``notifyWorkAvailable`` says that a job of a type that nobody streams can be fetched.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from camunda_workers.engine.embedded.commands import DEFAULT_TENANT
from camunda_workers.engine.embedded.documents import unpack
from camunda_workers.engine.embedded.java import ZEEBE, java_class, jpype, read_writer, to_java_buffer, zeebe

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
        capacity: how many may wait; while it is full the engine is told that nobody streams, so jobs stay for polls.
    """

    job_type: str
    properties: Any
    capacity: int
    jobs: asyncio.Queue[PushedJob] = field(default_factory=lambda: asyncio.Queue())
    in_flight: int = 0

    def has_room(self) -> bool:
        """Whether the engine may push to it."""
        return self.in_flight < self.capacity


class JobDispatch:
    """Who waits for jobs of which type."""

    def __init__(self, loop: asyncio.AbstractEventLoop, give_back: Callable[[int], None]) -> None:
        self._loop = loop
        self._give_back = give_back
        self._waiting: dict[str, dict[asyncio.Event, None]] = {}
        self._streams: dict[str, list[JobStream]] = {}
        self._turn = itertools.count()
        self._last_served: dict[str, float] = {}
        self._closed = asyncio.Event()
        self._hold: Callable[[Callable[[], None]], None] | None = None
        self.streamer: Any = _streamer_class()(self)

    @contextmanager
    def waiting(self, job_type: str) -> Generator[asyncio.Event]:
        """Register a long poll; its event is set when there may be work of the type."""
        event = asyncio.Event()
        if self._closed.is_set():
            event.set()
        waiters = self._waiting.setdefault(job_type, {})
        waiters[event] = None
        try:
            yield event
        finally:
            del waiters[event]
            if not waiters:
                self._waiting.pop(job_type, None)
            self._last_served[job_type] = self._loop.time()
            if event.is_set():
                self.wake_one(job_type)  # it may have left without looking: let the next poll look

    @contextmanager
    def streaming(
        self, job_type: str, worker: str, timeout: int, fetch: Sequence[str], tenants: Sequence[str], capacity: int
    ) -> Generator[JobStream]:
        """Register a stream; jobs still unsent when it ends are given back to the engine."""
        stream = JobStream(job_type, _properties(worker, timeout, fetch, tenants), capacity)
        self._streams.setdefault(job_type, []).append(stream)
        try:
            yield stream
        finally:
            streams = self._streams[job_type]
            streams.remove(stream)
            if not streams:
                del self._streams[job_type]
            while not stream.jobs.empty():
                self._give_back(stream.jobs.get_nowait().key)

    def served_types(self) -> set[str]:
        """Return the job types that some poll or stream waits for, or did a moment ago: a worker is away between two polls."""
        recent = self._loop.time() - _BETWEEN_POLLS
        return {*self._waiting, *self._streams, *(job_type for job_type, at in self._last_served.items() if at > recent)}

    @property
    def closed(self) -> bool:
        """Whether the engine is stopping: polls and streams end."""
        return self._closed.is_set()

    async def wait_closed(self) -> None:
        """Return when the engine stops."""
        await self._closed.wait()

    def hold_jobs(self, until: Callable[[Callable[[], None]], None]) -> None:
        """Push jobs only when this calls back; a durable engine waits so until it is on disk that they were handed out."""
        self._hold = until

    def close(self) -> None:
        """End every poll and stream."""
        self._closed.set()
        for waiters in self._waiting.values():
            for event in waiters:
                event.set()

    # -- from the engine's thread -----------------------------------------------------------------------------------------------

    def work_available(self, job_type: str) -> None:
        """Wake one long poll of the type; a poll that leaves work behind wakes the next one."""
        if job_type in self._waiting:
            self._loop.call_soon_threadsafe(self.wake_one, job_type)

    def wake_one(self, job_type: str) -> None:
        """Wake the longest-waiting poll of the type that is not awake yet."""
        for event in self._waiting.get(job_type, ()):
            if not event.is_set():
                event.set()
                return

    def stream_for(self, job_type: str) -> JobStream | None:
        """Return the stream whose turn it is, or None when nobody streams the type or all are full."""
        streams = self._streams.get(job_type)
        if not streams:
            return None
        turn = next(self._turn)
        for offset in range(len(streams)):
            stream = streams[(turn + offset) % len(streams)]
            if stream.has_room():
                stream.in_flight += 1
                return stream
        return None

    def push(self, stream: JobStream, job: PushedJob) -> None:
        """Hand a pushed job to its stream, or back to the engine when the stream has ended meanwhile."""
        hand_over = functools.partial(self._loop.call_soon_threadsafe, self._deliver, stream, job)
        if self._hold is None:
            hand_over()
        else:
            self._hold(hand_over)

    def _deliver(self, stream: JobStream, job: PushedJob) -> None:
        if stream in self._streams.get(stream.job_type, ()):
            stream.jobs.put_nowait(job)
        else:
            self._give_back(job.key)


def _properties(worker: str, timeout: int, fetch: Sequence[str], tenants: Sequence[str]) -> Any:
    properties = zeebe("protocol.impl.stream.job.JobActivationPropertiesImpl")()
    name = worker.encode()
    names = java_class("java.util.ArrayList")()
    for variable in fetch:
        names.add(zeebe("msgpack.value.StringValue")(variable))
    properties.setWorker(to_java_buffer(name), 0, len(name)).setTimeout(jpype.JLong(timeout)).setFetchVariables(names)
    return properties.setTenantIds(java_class("java.util.List").of(*(tenants or [DEFAULT_TENANT])))


@functools.cache
def _streamer_class() -> Any:
    @jpype.JImplements(ZEEBE + "engine.processing.streamprocessor.JobStreamer$JobStream")
    class Target:
        def __init__(self, dispatch: JobDispatch, stream: JobStream) -> None:
            self._dispatch, self._stream = dispatch, stream

        @jpype.JOverride
        def properties(self) -> Any:
            return self._stream.properties

        @jpype.JOverride
        def push(self, job: Any) -> None:
            # The record is the engine's own buffer, reused for the next job: copy it before this call returns.
            self._dispatch.push(self._stream, PushedJob(int(job.jobKey()), unpack(read_writer(job.jobRecord()))))

    @jpype.JImplements(ZEEBE + "engine.processing.streamprocessor.JobStreamer")
    class Streamer:
        def __init__(self, dispatch: JobDispatch) -> None:
            self._dispatch = dispatch
            self._optional = java_class("java.util.Optional")

        @jpype.JOverride
        def notifyWorkAvailable(self, job_type: Any) -> None:
            self._dispatch.work_available(str(job_type))

        @jpype.JOverride
        def streamFor(self, job_type: Any, *_: Any) -> Any:
            length = int(job_type.capacity())
            stream = self._dispatch.stream_for(str(job_type.getStringWithoutLengthUtf8(0, length)))
            return self._optional.empty() if stream is None else self._optional.of(Target(self._dispatch, stream))

    return Streamer
