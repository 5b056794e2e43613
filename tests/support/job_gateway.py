"""A small engine for jobs in memory: hands them out, takes their outcomes, and fails where a test tells it to."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import EngineError, InvalidState, NotFound
from camunda_workers.worker import JobGateway


@dataclass(frozen=True)
class Ended:
    """What the worker told the engine about a job."""

    call: str
    key: int
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    retries: int = 0
    message: str = ""
    back_off: timedelta = timedelta(0)
    code: str = ""
    result: pb.JobResult | None = None


@dataclass(frozen=True)
class Asked:
    """A request for jobs."""

    type: str
    worker: str
    max_jobs: int
    fetch_variables: tuple[str, ...]
    request_timeout: timedelta = timedelta(0)
    tenant_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lost:
    """The command is executed, and its answer is lost."""

    error: EngineError


@dataclass
class JobEngine:
    """Implements `JobGateway`; ``script`` makes calls fail, first in, first out."""

    asked: list[Asked] = field(default_factory=list[Asked])
    ended: list[Ended] = field(default_factory=list[Ended])
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))
    extended: list[tuple[int, timedelta]] = field(default_factory=list[tuple[int, timedelta]])
    active: dict[int, pb.ActivatedJob] = field(default_factory=dict[int, pb.ActivatedJob])
    hands_out_too_many: int = 0
    pushes: bool = True
    """Whether new jobs go to open streams first."""
    most_pushed: int = 0
    """The most jobs that waited in one stream for their worker."""
    _streams: dict[str, list[asyncio.Queue[pb.ActivatedJob | EngineError]]] = field(
        default_factory=lambda: defaultdict[str, list[asyncio.Queue[pb.ActivatedJob | EngineError]]](list)
    )
    _queues: dict[str, deque[pb.ActivatedJob]] = field(default_factory=lambda: defaultdict[str, deque[pb.ActivatedJob]](deque))
    _scripts: dict[str, deque[EngineError | Lost | None]] = field(
        default_factory=lambda: defaultdict[str, deque[EngineError | Lost | None]](deque)
    )
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _keys: int = 0

    def add(
        self, job_type: str, variables: Mapping[str, Any] | str | None = None, *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> int:
        """Creates a job; ``variables`` may be raw text. Returns its key."""
        self._keys += 1
        text = variables if isinstance(variables, str) else json.dumps(variables or {})
        values: dict[str, Any] = {
            "key": self._keys,
            "type": job_type,
            "variables": text,
            "customHeaders": json.dumps(headers or {}),
            "retries": 3,
            "elementId": f"{job_type}-task",
            "bpmnProcessId": "process",
            "processInstanceKey": 1000 + self._keys,
            "elementInstanceKey": 2000 + self._keys,
            "deadline": int((time.time() + 60) * 1000),
        }
        self.deliver(pb.ActivatedJob(**(values | fields)))
        return self._keys

    def deliver(self, job: pb.ActivatedJob) -> None:
        """Makes a job available: to a stream with room, otherwise to polls."""
        stream = next((queue for queue in self._streams[job.type] if queue.qsize() < 8), None)
        if self.pushes and stream is not None:
            self.active[job.key] = job
            stream.put_nowait(job)
            self.most_pushed = max(self.most_pushed, stream.qsize())
        else:
            self._queues[job.type].append(job)
            self._more.set()

    def streams(self, job_type: str) -> int:
        """Open streams."""
        return len(self._streams[job_type])

    def break_streams(self, job_type: str, error: EngineError) -> None:
        """Ends every open stream of a type with an error."""
        for queue in self._streams[job_type]:
            queue.put_nowait(error)

    def script(self, call: str, *errors: EngineError | Lost | None) -> None:
        """What the next calls answer: an error, an executed command whose answer is lost, or ``None`` for as usual."""
        self._scripts[call].extend(errors)

    def waiting(self, job_type: str) -> int:
        """Jobs nobody has taken."""
        return len(self._queues[job_type])

    def outcome(self, key: int) -> Ended:
        """How the job ended; the last word on it."""
        return next(ended for ended in reversed(self.ended) if ended.key == key)

    async def all_ended(self, count: int = 1, *, timeout: float = 5.0) -> list[Ended]:
        """Waits until so many outcomes have come."""
        await eventually(lambda: len(self.ended) >= count, timeout=timeout)
        return self.ended

    async def activate_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        max_jobs: int,
        fetch_variables: Sequence[str] = (),
        request_timeout: timedelta,
        tenant_ids: Sequence[str] | None = None,
        with_lease: bool = False,
    ) -> Sequence[pb.ActivatedJob]:
        """Long polling."""
        self.asked.append(Asked(type, worker, max_jobs, tuple(fetch_variables), request_timeout, tuple(tenant_ids or ())))
        self._answer("activate_jobs")
        queue = self._queues[type]
        try:
            async with asyncio.timeout(request_timeout.total_seconds()):
                while not queue:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            return []
        jobs = [queue.popleft() for _ in range(min(len(queue), max_jobs + self.hands_out_too_many))]
        self.active |= {job.key: job for job in jobs}
        return jobs

    async def stream_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        fetch_variables: Sequence[str] = (),
        tenant_ids: Sequence[str] | None = None,
        with_lease: bool = False,
    ) -> AsyncIterator[pb.ActivatedJob]:
        """Pushes jobs; what is unread when the stream ends goes back."""
        self._answer("stream_jobs")
        queue: asyncio.Queue[pb.ActivatedJob | EngineError] = asyncio.Queue()
        self._streams[type].append(queue)
        try:
            while True:
                job = await queue.get()
                if isinstance(job, EngineError):
                    raise job
                yield job
        finally:
            self._streams[type].remove(queue)
            while not queue.empty():
                left = queue.get_nowait()
                if isinstance(left, pb.ActivatedJob):
                    self._queues[type].append(left)
                    self._more.set()

    async def complete_job(
        self,
        job_key: int,
        variables: Mapping[str, Any] | None = None,
        *,
        result: pb.JobResult | None = None,
        lease_token: str | None = None,
    ) -> None:
        """Ends a job well."""
        self._fence(job_key, lease_token)
        await self._end("complete_job", Ended("complete", job_key, dict(variables or {}), result=result))

    async def fail_job(
        self,
        job_key: int,
        *,
        retries: int,
        message: str = "",
        back_off: timedelta = timedelta(0),
        variables: Mapping[str, Any] | None = None,
        lease_token: str | None = None,
    ) -> None:
        """Ends a try."""
        self._fence(job_key, lease_token)
        await self._end("fail_job", Ended("fail", job_key, dict(variables or {}), retries, message, back_off))

    async def throw_error(
        self,
        job_key: int,
        code: str,
        message: str = "",
        variables: Mapping[str, Any] | None = None,
        *,
        lease_token: str | None = None,
    ) -> None:
        """Ends a job with a BPMN error."""
        self._fence(job_key, lease_token)
        await self._end("throw_error", Ended("throw", job_key, dict(variables or {}), message=message, code=code))

    async def update_job_timeout(self, job_key: int, timeout: timedelta, *, lease_token: str | None = None) -> None:
        """Extends a job."""
        self._answer("update_job_timeout")
        self.extended.append((job_key, timeout))

    def _fence(self, job_key: int, lease_token: str | None) -> None:
        # As the engine: a job that was activated with a lease takes no word without the same one.
        job = self.active.get(job_key)
        if job is not None and job.jobLeaseToken and job.jobLeaseToken != lease_token:
            raise InvalidState(f"the lease of job {job_key} does not match")

    async def _end(self, call: str, ended: Ended) -> None:
        self.attempts[call] += 1
        await asyncio.sleep(0)
        lost = self._answer(call)
        if ended.key not in self.active:
            raise NotFound(f"no job {ended.key}")
        del self.active[ended.key]
        self.ended.append(ended)
        if lost is not None:
            raise lost

    def _answer(self, call: str) -> EngineError | None:
        script = self._scripts[call]
        answer = script.popleft() if script else None
        if isinstance(answer, Lost):
            return answer.error
        if answer is not None:
            raise answer
        return None


_: type[JobGateway] = JobEngine


async def eventually(condition: Callable[[], object], *, timeout: float = 5.0) -> None:
    """Waits until something is true."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        await asyncio.sleep(0.002)
