"""Commands about jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import Literal, Self

import structlog

from camunda_workers.client.calls import milliseconds
from camunda_workers.client.commands import Commands
from camunda_workers.client.jobs_rest import RestJobs
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.retry import Repeat
from camunda_workers.client.variables import to_json
from camunda_workers.errors import DeadlineExceeded, EngineError, EngineUnavailable, NotSupported

_log = structlog.get_logger(__name__)

_PROBE = 3.0
"""Seconds gRPC gets to show that it is there."""

_SERVER_DEFAULT = timedelta(0)
_LONG_POLL_DEFAULT = 10.0
"""Seconds a gateway holds a poll by default."""

_SLACK = 10.0
"""Seconds beyond a long poll's own end before the connection counts as lost."""


class JobCommands(Commands):
    """Fetch jobs and say how they ended."""

    def jobs_over_rest(self) -> RestJobs:
        """The same calls over REST, where gRPC is closed; give it to `WorkerRunner` in the client's place.

        Raises:
            NotSupported: the client has no REST address.
        """
        return RestJobs(self._rest(), self.settings)

    async def job_gateway(self, over: Literal["auto", "grpc", "rest"] = "auto") -> Self | RestJobs:
        """The way to jobs: gRPC, or REST where gRPC is closed.

        Args:
            over: ``auto`` tries gRPC and takes REST when nobody answers there but somebody does on REST; if nobody answers at all, gRPC.
        """
        if over == "rest":
            return self.jobs_over_rest()
        if over == "grpc" or not self.settings.rest_address:
            return self
        try:
            await self._gateway().call("Topology", pb.TopologyRequest(), pb.TopologyResponse, repeat=Repeat.NEVER, timeout=_PROBE)
        except (EngineUnavailable, DeadlineExceeded, NotSupported) as closed:
            try:
                await self._rest().call("GET", "/topology", repeat=Repeat.NEVER, timeout=_PROBE)
            except EngineError:
                return self
            _log.warning("jobs.over_rest", reason=str(closed), grpc=self.settings.grpc_address, rest=self.settings.rest_address)
            return self.jobs_over_rest()
        except EngineError:
            pass
        return self

    async def activate_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        max_jobs: int,
        fetch_variables: Iterable[str] = (),
        request_timeout: timedelta = _SERVER_DEFAULT,
        tenant_ids: Iterable[str] | None = None,
        with_lease: bool = False,
    ) -> list[pb.ActivatedJob]:
        """Fetch jobs; not repeated, because a poller asks again anyway.

        Args:
            type: the job type.
            worker: who asks, for the records.
            timeout: after this the engine hands the job to another.
            max_jobs: at most so many.
            fetch_variables: the variables wanted; none means all.
            request_timeout: how long the gateway waits for a job; zero for its own default, negative to answer at once.
            tenant_ids: whose jobs; the settings' when not given.
            with_lease: give each job a lease (8.10): from then on it is handed to workers that ask for leases only.

        Raises:
            EngineError: nothing could be fetched. Jobs that came before the call broke are returned instead.
        """
        request = pb.ActivateJobsRequest(
            type=type,
            worker=worker,
            timeout=milliseconds(timeout.total_seconds()),
            maxJobsToActivate=max_jobs,
            fetchVariable=list(fetch_variables),
            requestTimeout=milliseconds(request_timeout.total_seconds()),
            tenantIds=list(self.settings.tenant_ids if tenant_ids is None else tenant_ids),
            withLease=with_lease,
        )
        seconds = request_timeout.total_seconds()
        hold = _LONG_POLL_DEFAULT if seconds == 0 else max(seconds, 0.0)
        jobs: list[pb.ActivatedJob] = []
        try:
            async for response in self._gateway().stream("ActivateJobs", request, pb.ActivateJobsResponse, timeout=hold + _SLACK):
                jobs.extend(response.jobs)
        except EngineError:
            # They are ours by now and would be lost to everybody until their timeout.
            if not jobs:
                raise
        return jobs

    def stream_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        fetch_variables: Iterable[str] = (),
        tenant_ids: Iterable[str] | None = None,
        with_lease: bool = False,
    ) -> AsyncGenerator[pb.ActivatedJob, None]:
        """Have jobs pushed as they appear, until the stream ends or is closed.

        A stream does not bring jobs that were there before it: poll beside it. Not taking the next job holds the engine back.

        Args:
            type: the job type.
            worker: who asks, for the records.
            timeout: after this the engine hands the job to another.
            fetch_variables: the variables wanted; none means all.
            tenant_ids: whose jobs; the settings' when not given.
            with_lease: give each job a lease (8.10).

        Raises:
            EngineError: while iterating: the stream broke; open another.
        """
        request = pb.StreamActivatedJobsRequest(
            type=type,
            worker=worker,
            timeout=milliseconds(timeout.total_seconds()),
            fetchVariable=list(fetch_variables),
            tenantIds=list(self.settings.tenant_ids if tenant_ids is None else tenant_ids),
            withLease=with_lease,
        )
        return self._gateway().stream("StreamActivatedJobs", request, pb.ActivatedJob, timeout=None)

    async def complete_job(
        self, job_key: int, variables: object = None, *, result: pb.JobResult | None = None, lease_token: str | None = None
    ) -> None:
        """Say that a job is done.

        Args:
            job_key: the job.
            variables: what it found out; becomes process variables.
            result: for listeners (denied, corrections) and ad-hoc sub-processes.
            lease_token: the job's lease, if it was activated with one (8.10).

        Raises:
            NotFound: the job timed out and was done by another, or was cancelled; normal, and never answered with `fail_job`.
            InvalidState: the job's lease is somebody else's by now; normal too.
        """
        request = pb.CompleteJobRequest(jobKey=job_key, variables=to_json(variables), result=result, jobLeaseToken=lease_token)
        await self._gateway().call("CompleteJob", request, pb.CompleteJobResponse, repeat=Repeat.ALWAYS)

    async def fail_job(
        self,
        job_key: int,
        *,
        retries: int,
        message: str = "",
        back_off: timedelta = timedelta(0),
        variables: object = None,
        lease_token: str | None = None,
    ) -> None:
        """Say that a job failed.

        Not repeated when the answer is lost: the job may be with another worker by then, and would be failed there.

        Args:
            job_key: the job.
            retries: that remain; 0 raises an incident.
            message: for people; the incident's text.
            back_off: how long the engine waits before it hands the job out again.
            variables: set in the task's local scope.
            lease_token: the job's lease, if it was activated with one (8.10).
        """
        request = pb.FailJobRequest(
            jobKey=job_key,
            retries=retries,
            errorMessage=message,
            retryBackOff=milliseconds(back_off.total_seconds()),
            variables=to_json(variables),
            jobLeaseToken=lease_token,
        )
        await self._gateway().call("FailJob", request, pb.FailJobResponse, repeat=Repeat.IF_REFUSED)

    async def throw_error(
        self, job_key: int, code: str, message: str = "", variables: object = None, *, lease_token: str | None = None
    ) -> None:
        """End a job with a business error that the diagram catches.

        Args:
            job_key: the job.
            code: the error code in the diagram.
            message: for people.
            variables: set in the scope of the error event that catches it.
            lease_token: the job's lease, if it was activated with one (8.10).
        """
        request = pb.ThrowErrorRequest(
            jobKey=job_key, errorCode=code, errorMessage=message, variables=to_json(variables), jobLeaseToken=lease_token
        )
        await self._gateway().call("ThrowError", request, pb.ThrowErrorResponse, repeat=Repeat.ALWAYS)

    async def update_job_retries(self, job_key: int, retries: int) -> None:
        """Give a job retries (1 or more), for example before its incident is resolved."""
        request = pb.UpdateJobRetriesRequest(jobKey=job_key, retries=retries)
        await self._gateway().call("UpdateJobRetries", request, pb.UpdateJobRetriesResponse, repeat=Repeat.ALWAYS)

    async def update_job_timeout(self, job_key: int, timeout: timedelta, *, lease_token: str | None = None) -> None:
        """Let a job that is being worked on time out so long from now, and not when it was going to."""
        request = pb.UpdateJobTimeoutRequest(jobKey=job_key, timeout=milliseconds(timeout.total_seconds()), jobLeaseToken=lease_token)
        await self._gateway().call("UpdateJobTimeout", request, pb.UpdateJobTimeoutResponse, repeat=Repeat.ALWAYS)
