"""Jobs over REST: activation by long polling, completion, failure, error, changes of timeout and retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.grpc_gateway.calls import job_result
from camunda_workers.engine.embedded.grpc_gateway.jobs import Jobs
from camunda_workers.engine.embedded.rest import bodies
from camunda_workers.engine.embedded.rest.context import bridge_of, engine_of
from camunda_workers.engine.embedded.rest.problem import BadRequest

_ACTIVATION = ["type", "worker", "timeout", "maxJobsToActivate", "fetchVariable", "requestTimeout", "tenantIds", "tenantFilter"]
_MOST = 2**31 - 1


async def activate(request: Request) -> Response:
    """Activate jobs; waits for the first one as long as the caller says."""
    body = await bodies.json_body(request, _ACTIVATION)
    wanted = pb.ActivateJobsRequest(
        type=bodies.text(body, "type", required=True),
        worker=bodies.text(body, "worker"),
        timeout=bodies.whole(body, "timeout", 0),
        maxJobsToActivate=min(max(bodies.whole(body, "maxJobsToActivate", 0), -1), _MOST),
        fetchVariable=bodies.texts(body, "fetchVariable"),
        requestTimeout=bodies.whole(body, "requestTimeout", 0),
        tenantIds=bodies.texts(body, "tenantIds"),
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


async def complete(request: Request) -> Response:
    """Complete a job, for a listener or an ad-hoc sub-process with its result."""
    body = await bodies.json_body(request, ["variables", "result"])
    result: Any = body.get("result")
    fields = None if result is None else job_result(_result(result))
    await bridge_of(request).execute(commands.complete_job(bodies.path_key(request, "key"), bodies.variables(body), fields))
    return Response(status_code=204)


async def fail(request: Request) -> Response:
    """Fail a job; no retries raise an incident."""
    body = await bodies.json_body(request, ["retries", "errorMessage", "retryBackOff", "variables"])
    command = commands.fail_job(
        bodies.path_key(request, "key"),
        bodies.whole(body, "retries", 0),
        bodies.text(body, "errorMessage"),
        bodies.whole(body, "retryBackOff", 0),
        bodies.variables(body),
    )
    await bridge_of(request).execute(command)
    return Response(status_code=204)


async def throw(request: Request) -> Response:
    """End a job with a BPMN error."""
    body = await bodies.json_body(request, ["errorCode", "errorMessage", "variables"])
    code = bodies.text(body, "errorCode", required=True)
    command = commands.throw_error(bodies.path_key(request, "key"), code, bodies.text(body, "errorMessage"), bodies.variables(body))
    await bridge_of(request).execute(command)
    return Response(status_code=204)


async def update(request: Request) -> Response:
    """Change a job's retries, its timeout, or both."""
    body = await bodies.json_body(request, ["changeset", "operationReference"])
    given: Any = body.get("changeset")
    changes = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if unknown := sorted(set(changes) - {"retries", "timeout"}):
        raise BadRequest(f"Request property [changeset.{unknown[0]}] cannot be parsed: unknown; known are retries, timeout")
    if changes.get("retries") is None and changes.get("timeout") is None:
        raise BadRequest("At least one of [retries, timeout] is required.")
    key, reference = bodies.path_key(request, "key"), bodies.whole(body, "operationReference", 0) or None
    if changes.get("retries") is not None:
        await bridge_of(request).execute(commands.update_retries(key, bodies.whole(changes, "retries", 0), reference))
    if changes.get("timeout") is not None:
        await bridge_of(request).execute(commands.update_timeout(key, bodies.whole(changes, "timeout", 0), reference))
    return Response(status_code=204)


def _result(given: Any) -> pb.JobResult:
    if not isinstance(given, dict):
        raise BadRequest("Request property [result] cannot be parsed: expected an object")
    fields = dict(cast("dict[str, Any]", given))
    corrections: Any = fields.pop("corrections", None)
    elements: Any = fields.pop("activateElements", None)
    try:
        result = json_format.ParseDict({name: value for name, value in fields.items() if value is not None}, pb.JobResult())
        for element in cast("list[dict[str, Any]]", elements or []):
            variables = json.dumps(element.get("variables") or {})
            result.activateElements.append(pb.JobResultActivateElement(elementId=element["elementId"], variables=variables))
        if corrections is not None:
            # Lists are wrapped on gRPC's side; null keeps what is there.
            wrapped: dict[str, Any] = {
                name: {"values": value} if isinstance(value, list) else value
                for name, value in cast("dict[str, Any]", corrections).items()
                if value is not None
            }
            result.corrections.CopyFrom(json_format.ParseDict(wrapped, pb.JobResultCorrections()))
    except (json_format.ParseError, AttributeError, LookupError, TypeError) as error:
        raise BadRequest(f"Request property [result] cannot be parsed: {error}") from None
    return result


def _shown(job: pb.ActivatedJob) -> dict[str, Any]:
    kind, event = pb.ActivatedJob.JobKind.Name(job.kind), pb.ActivatedJob.ListenerEventType.Name(job.listenerEventType)
    shown: dict[str, Any] = {
        "jobKey": str(job.key),
        "type": job.type,
        "processInstanceKey": str(job.processInstanceKey),
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
        "kind": kind,
        "listenerEventType": event,
        "tags": list(job.tags),
        "userTask": None,
    }
    if job.HasField("userTask"):
        shown["userTask"] = _task(json_format.MessageToDict(job.userTask, always_print_fields_with_no_presence=True))
    return shown


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    names = [field.name for field in pb.UserTaskProperties.DESCRIPTOR.fields]
    return {name: task.get(name) for name in names}


ROUTES = [
    Route("/v2/jobs/activation", activate, methods=["POST"]),
    Route("/v2/jobs/{key}/completion", complete, methods=["POST"]),
    Route("/v2/jobs/{key}/failure", fail, methods=["POST"]),
    Route("/v2/jobs/{key}/error", throw, methods=["POST"]),
    Route("/v2/jobs/{key}", update, methods=["PATCH"]),
]
