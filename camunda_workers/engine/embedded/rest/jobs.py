"""Jobs over REST: activation by long polling, completion, failure, error, changes of timeout and retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Literal

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.client.business_id import business_id_of
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.grpc_gateway.jobs import Jobs
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Int32, Int64, Reference, Tenant, Text
from camunda_workers.engine.embedded.rest.context import bridge_of, engine_of
from camunda_workers.engine.embedded.rest.job_results import JobResult
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.errors import InvalidArgument


class ActivateJobs(Body):
    """Which jobs, how many, for how long, and how long to wait for the first."""

    type: Text
    worker: str = ""
    timeout: Int64
    max_jobs_to_activate: Int32
    fetch_variable: list[str] = []
    request_timeout: Int64 = 0
    tenant_ids: list[Tenant] = []
    tenant_filter: Literal["PROVIDED", "ASSIGNED"] = "PROVIDED"


async def activate_jobs(request: Request, body: ActivateJobs) -> Response:
    """Activate jobs; waits for the first one as long as the caller says."""
    if body.timeout < 1:
        raise InvalidArgument(f"The value for timeout is '{body.timeout}' but must be greater than 0.")
    if body.max_jobs_to_activate < 1:
        raise InvalidArgument(f"The value for maxJobsToActivate is '{body.max_jobs_to_activate}' but must be greater than 0.")
    wanted = pb.ActivateJobsRequest(
        type=body.type,
        worker=body.worker,
        timeout=body.timeout,
        maxJobsToActivate=body.max_jobs_to_activate,
        fetchVariable=body.fetch_variable,
        requestTimeout=body.request_timeout,
        tenantIds=body.tenant_ids,
    )
    engine = engine_of(request)
    activating = asyncio.ensure_future(_activate(Jobs(engine.bridge, engine.dispatch), wanted))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({activating, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not activating.done():
            # The caller went away: jobs that come now would be lost to everybody until their timeout.
            activating.cancel()
    if activating.cancelled() or not activating.done():
        return Response(status_code=499)
    return JSONResponse({"jobs": [_shown(job) for job in activating.result()]})


async def _activate(jobs: Jobs, wanted: pb.ActivateJobsRequest) -> list[pb.ActivatedJob]:
    return [job async for answer in jobs.activate(wanted) for job in answer.jobs]


async def _left(request: Request) -> None:
    # The body has been read, so what comes next is the end of the connection.
    while (await request.receive())["type"] != "http.disconnect":
        pass


class CompleteJob(Body):
    """What a job brings, and for a listener or an ad-hoc sub-process what it decides."""

    variables: Document = EMPTY
    result: JobResult | None = None


async def complete_job(request: Request, body: CompleteJob) -> Response:
    """Complete a job, for a listener or an ad-hoc sub-process with its result."""
    result = None if body.result is None else body.result.fields()
    await bridge_of(request).execute(commands.complete_job(bodies.path_key(request, "jobKey"), body.variables, result))
    return Response(status_code=204)


class FailJob(Body):
    """How often to try again, when, and why it failed."""

    retries: Int32 = 0
    error_message: str = ""
    retry_back_off: Int64 = 0
    variables: Document = EMPTY


async def fail_job(request: Request, body: FailJob) -> Response:
    """Fail a job; no retries raise an incident."""
    key = bodies.path_key(request, "jobKey")
    await bridge_of(request).execute(commands.fail_job(key, body.retries, body.error_message, body.retry_back_off, body.variables))
    return Response(status_code=204)


class ThrowJobError(Body):
    """Which BPMN error."""

    error_code: Text
    error_message: str = ""
    variables: Document = EMPTY


async def throw_job_error(request: Request, body: ThrowJobError) -> Response:
    """End a job with a BPMN error."""
    key = bodies.path_key(request, "jobKey")
    await bridge_of(request).execute(commands.throw_error(key, body.error_code, body.error_message, body.variables))
    return Response(status_code=204)


class _Changeset(Body):
    retries: Int32 | None = None
    timeout: Int64 | None = None


class UpdateJob(Body):
    """What to change."""

    changeset: _Changeset
    operation_reference: Reference | None = None


async def update_job(request: Request, body: UpdateJob) -> Response:
    """Change a job's retries, its timeout, or both."""
    changes, key, reference = body.changeset, bodies.path_key(request, "jobKey"), body.operation_reference
    if changes.retries is None and changes.timeout is None:
        raise InvalidArgument("At least one of [retries, timeout] is required.")
    if changes.retries is not None:
        await bridge_of(request).execute(commands.update_retries(key, changes.retries, reference))
    if changes.timeout is not None:
        await bridge_of(request).execute(commands.update_timeout(key, changes.timeout, reference))
    return Response(status_code=204)


def _shown(job: pb.ActivatedJob) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "jobKey": str(job.key),
        "type": job.type,
        "processInstanceKey": str(job.processInstanceKey),
        "rootProcessInstanceKey": None,
        "processDefinitionId": job.bpmnProcessId,
        "processDefinitionVersion": job.processDefinitionVersion,
        "processDefinitionKey": str(job.processDefinitionKey),
        "elementId": job.elementId,
        "elementInstanceKey": str(job.elementInstanceKey),
        "customHeaders": json.loads(job.customHeaders or "{}"),
        "worker": job.worker,
        "retries": job.retries,
        "deadline": job.deadline,
        "variables": json.loads(job.variables or "{}"),
        "tenantId": job.tenantId,
        "physicalTenantId": "default",
        "kind": pb.ActivatedJob.JobKind.Name(job.kind),
        "listenerEventType": pb.ActivatedJob.ListenerEventType.Name(job.listenerEventType),
        "tags": list(job.tags),
        "businessId": business_id_of(job.tags),
        "priority": 0,
        "leaseToken": None,
        "userTask": None,
    }
    if job.HasField("userTask"):
        shown["userTask"] = _task(json_format.MessageToDict(job.userTask, always_print_fields_with_no_presence=True))
    return shown


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    names = [field.name for field in pb.UserTaskProperties.DESCRIPTOR.fields]
    return {name: task.get(name) for name in names}


OPERATIONS = [
    Operation("POST", "/jobs/activation", activate_jobs, ActivateJobs),
    Operation("POST", "/jobs/{jobKey}/completion", complete_job, CompleteJob, (204,), (404, 409)),
    Operation("POST", "/jobs/{jobKey}/failure", fail_job, FailJob, (204,), (404, 409)),
    Operation("POST", "/jobs/{jobKey}/error", throw_job_error, ThrowJobError, (204,), (404, 409)),
    Operation("PATCH", "/jobs/{jobKey}", update_job, UpdateJob, (204,), (404, 409)),
]
