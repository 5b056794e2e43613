"""The narrow seam to the engine: all that the worker runtime needs of it.

`camunda_workers.client.Client` has these methods, and so has the fake in the tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.definition import Definition


class JobGateway(Protocol):
    """Calls about jobs. All raise `camunda_workers.errors.EngineError`."""

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
        """Takes up to ``max_jobs`` jobs; waits up to ``request_timeout`` for the first one, not at all if it is negative."""
        ...

    def stream_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        fetch_variables: Sequence[str] = (),
        tenant_ids: Sequence[str] | None = None,
        with_lease: bool = False,
    ) -> AsyncIterator[pb.ActivatedJob]:
        """Jobs as they are created; ends or raises when the stream breaks. Not taking the next one holds the engine back.

        Raises:
            NotSupported: this way to the engine has no streams.
        """
        ...

    async def complete_job(
        self,
        job_key: int,
        variables: Mapping[str, Any] | None = None,
        *,
        result: pb.JobResult | None = None,
        lease_token: str | None = None,
    ) -> None:
        """Ends a job well.

        Raises:
            NotFound: the job is resolved already, or somebody else's.
            InvalidState: so is its lease.
        """
        ...

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
        """Ends this try of a job; no retries left raises an incident."""
        ...

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
        ...

    async def update_job_timeout(self, job_key: int, timeout: timedelta, *, lease_token: str | None = None) -> None:
        """Sets a running job's timeout, counted from now."""
        ...


def activation_options(definition: Definition, worker: str) -> dict[str, Any]:
    """What polls and streams of a worker ask for alike."""
    options: dict[str, Any] = {"worker": worker, "timeout": definition.timeout, "fetch_variables": definition.fetch_variables}
    if definition.tenant_ids:
        # Otherwise the client's own.
        options["tenant_ids"] = definition.tenant_ids
    if definition.lease:
        options["with_lease"] = True
    return options
