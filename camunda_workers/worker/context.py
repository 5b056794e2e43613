"""What a worker function can know and do about its job."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol, cast

import structlog
from pydantic_core import from_json

from camunda_workers.client.business_id import business_id_of
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.errors import CamundaWorkersError, InvalidState, NotFound
from camunda_workers.worker.kinds import JobKind, ListenedUserTask, ListenerEvent, event_of, kind_of, user_task_of


class TimeoutGateway(Protocol):
    """The one call about a job that its function may make itself."""

    async def update_job_timeout(self, job_key: int, timeout: timedelta) -> None:
        """Sets a running job's timeout, counted from now."""
        ...


class JobContext:
    """A running job: what the engine says of it, and what its function may ask for.

    A parameter of this type gets it; anything called from the function finds it with `current_job`.

    Args:
        job: the job as the gateway sent it.
        gateway: where its timeout can be extended.
        timeout: how long the engine waits for the outcome.
        received: when the job arrived here, by the monotonic clock; now when not given.
    """

    def __init__(self, job: pb.ActivatedJob, *, gateway: TimeoutGateway, timeout: timedelta, received: float | None = None) -> None:
        self._job = job
        self._gateway = gateway
        self._cancelled: str | None = None
        self._uses_retry = False
        self._lease: str | None = job.jobLeaseToken or None
        # The engine's deadline is in the engine's time, which may be wrong or virtual. Whether a result is still worth sending is decided
        # by the time that passed here.
        self._expires = (time.monotonic() if received is None else received) + timeout.total_seconds()

    @property
    def key(self) -> int:
        """The job's key."""
        return self._job.key

    @property
    def type(self) -> str:
        """The job's type."""
        return self._job.type

    @property
    def kind(self) -> JobKind:
        """Whether this is a task's job or a listener's."""
        return kind_of(self._job)

    @cached_property
    def listener_event(self) -> ListenerEvent | None:
        """What the listener listens to; ``None`` for a job that is no listener's."""
        if self.kind not in (JobKind.EXECUTION_LISTENER, JobKind.TASK_LISTENER):
            return None
        return event_of(self._job)

    @property
    def process_instance_key(self) -> int:
        """The process instance's key."""
        return self._job.processInstanceKey

    @property
    def process_definition_key(self) -> int:
        """The process definition's key."""
        return self._job.processDefinitionKey

    @property
    def process_version(self) -> int:
        """The process definition's version."""
        return self._job.processDefinitionVersion

    @property
    def bpmn_process_id(self) -> str:
        """The process's id in the diagram."""
        return self._job.bpmnProcessId

    @property
    def element_id(self) -> str:
        """The element's id in the diagram."""
        return self._job.elementId

    @property
    def element_instance_key(self) -> int:
        """The element instance's key: the same for every try and every redelivery of this work."""
        return self._job.elementInstanceKey

    @property
    def retries(self) -> int:
        """Tries that are left, this one included."""
        return self._job.retries

    @property
    def deadline(self) -> datetime:
        """When the engine gives the job to someone else, in the engine's time; extensions are not included."""
        return datetime.fromtimestamp(self._job.deadline / 1000, UTC)

    @property
    def worker(self) -> str:
        """The worker's name as the engine knows it."""
        return self._job.worker

    @property
    def tenant_id(self) -> str:
        """The tenant that owns the process instance."""
        return self._job.tenantId

    @cached_property
    def headers(self) -> dict[str, str]:
        """The task's custom headers."""
        return cast("dict[str, str]", from_json(self.headers_json))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """All variables that were fetched: those the parameters name, or every one with ``fetch_variables=ALL``."""
        return cast("dict[str, Any]", from_json(self.variables_json))

    @property
    def variables_json(self) -> str:
        """The fetched variables as the engine sent them."""
        return self._job.variables or "{}"

    @property
    def headers_json(self) -> str:
        """The custom headers as the engine sent them."""
        return self._job.customHeaders or "{}"

    @property
    def tags(self) -> Sequence[str]:
        """The process instance's tags."""
        return tuple(self._job.tags)

    @cached_property
    def business_id(self) -> str | None:
        """The case this job belongs to."""
        return self._job.businessId or business_id_of(self._job.tags)

    @property
    def priority(self) -> int:
        """The job's priority; 0 before 8.10."""
        return self._job.priority

    @property
    def lease_token(self) -> str | None:
        """Proves that this try of the job is the current one; ``None`` without ``lease=True`` and before 8.10."""
        return self._lease

    def leased(self) -> dict[str, Any]:
        """The lease as an argument of a command about this job; nothing without one."""
        return {} if self._lease is None else {"lease_token": self._lease}

    @cached_property
    def user_task(self) -> ListenedUserTask | None:
        """The user task, in a task listener's job."""
        return user_task_of(self._job)

    @cached_property
    def logger(self) -> structlog.typing.FilteringBoundLogger:
        """A structlog logger with this job's keys bound."""
        return structlog.get_logger("camunda_workers.job").bind(**self.log_keys())

    def log_keys(self) -> Mapping[str, Any]:
        """What every log line about this job carries."""
        keys: dict[str, Any] = {
            "job_type": self.type,
            "job_key": self.key,
            "bpmn_process_id": self.bpmn_process_id,
            "process_instance_key": self.process_instance_key,
            "element_id": self.element_id,
            "element_instance_key": self.element_instance_key,
        }
        if self.business_id is not None:
            keys["business_id"] = self.business_id
        return keys

    async def extend(self, timeout: timedelta) -> None:
        """Asks the engine for more time, counted from now.

        Raises:
            NotFound: the job is no longer this worker's; `is_cancelled` says so from now on.
            InvalidState: so is its lease.
            EngineError: the engine could not be asked.
        """
        started = time.monotonic()
        try:
            await self._gateway.update_job_timeout(self.key, timeout, **self.leased())
        except (NotFound, InvalidState):
            self.cancel("the engine no longer has this job")
            raise
        self._expires = started + timeout.total_seconds()

    def is_cancelled(self) -> bool:
        """Whether the outcome is no longer wanted: the worker stops, or the job is not this worker's any more.

        Functions that run in a thread cannot be interrupted; a long one asks now and then.
        """
        return self._cancelled is not None or self.remaining() <= 0

    def remaining(self) -> float:
        """Seconds until the engine gives the job to someone else, by this machine's clock."""
        return self._expires - time.monotonic()

    def renew(self, timeout: timedelta, lease_token: str | None = None) -> None:
        """Notes that the engine counts the timeout from now: it has delivered the job once more, to where it runs already.

        Args:
            timeout: what it counts.
            lease_token: the lease it came with this time; the one before is worth nothing any more.
        """
        self._expires = time.monotonic() + timeout.total_seconds()
        self._lease = lease_token or self._lease

    def cancel(self, reason: str, *, uses_retry: bool = False) -> None:
        """Marks the job as no longer wanted.

        Args:
            reason: becomes the message if the job is given back.
            uses_retry: whether that counts as a failed try.
        """
        self._cancelled = reason
        self._uses_retry = uses_retry

    @property
    def uses_retry(self) -> bool:
        """Whether the cancellation counts as a failed try."""
        return self._uses_retry

    @property
    def cancel_reason(self) -> str | None:
        """Why the outcome is no longer wanted; ``None`` while it is."""
        return self._cancelled


_current: ContextVar[JobContext] = ContextVar("camunda_workers_current_job")


def current_job() -> JobContext:
    """The job that is running here; also in a plain function's thread.

    Raises:
        CamundaWorkersError: no job is running here.
    """
    try:
        return _current.get()
    except LookupError:
        raise CamundaWorkersError("current_job() was called where no job is running: call it from a worker function") from None


def enter(context: JobContext) -> Token[JobContext]:
    """Makes this the current job here; `leave` with what is returned."""
    return _current.set(context)


def leave(token: Token[JobContext]) -> None:
    """Ends what `enter` began."""
    _current.reset(token)
