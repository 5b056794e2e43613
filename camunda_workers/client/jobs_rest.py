"""Jobs over REST v2, for places where gRPC is closed: the same calls as over gRPC, so that workers do not know the difference.

There is no streaming; long polling works as over gRPC.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

from google.protobuf import json_format

from camunda_workers.client.calls import milliseconds
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.rest import RestCalls
from camunda_workers.client.retry import Repeat
from camunda_workers.client.variables import to_jsonable
from camunda_workers.errors import EngineFailure, NotSupported
from camunda_workers.settings import ConnectionSettings

LEASE_FIELDS = ("jobLeaseToken", "leaseToken")
"""What the API calls a job's lease; the second is its name in the previews of 8.10. It goes back under the name it came with."""

_LONG_POLL_DEFAULT = 10.0
_SLACK = 10.0


class RestJobs:
    """Fetches jobs and reports on them over REST; see `JobCommands.jobs_over_rest`.

    Args:
        rest: the REST side of an open client.
        settings: whose tenants.
    """

    def __init__(self, rest: RestCalls, settings: ConnectionSettings) -> None:
        self._rest = rest
        self._settings = settings
        self._lease_field = LEASE_FIELDS[0]

    async def activate_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        max_jobs: int,
        fetch_variables: Iterable[str] = (),
        request_timeout: timedelta = timedelta(0),
        tenant_ids: Iterable[str] | None = None,
        with_lease: bool = False,
    ) -> list[pb.ActivatedJob]:
        """See `JobCommands.activate_jobs`."""
        seconds = request_timeout.total_seconds()
        body: dict[str, Any] = {
            "type": type,
            "worker": worker,
            "timeout": milliseconds(timeout.total_seconds()),
            "maxJobsToActivate": max_jobs,
            "fetchVariable": list(fetch_variables),
            "requestTimeout": milliseconds(seconds),
            "tenantIds": list(self._settings.tenant_ids if tenant_ids is None else tenant_ids),
        }
        limit = (_LONG_POLL_DEFAULT if seconds == 0 else max(seconds, 0.0)) + _SLACK
        given = {name: value for name, value in body.items() if value != []}
        if with_lease:
            # Only when it is wanted: gateways before 8.10 refuse fields they do not know.
            given["withLease"] = True
        answer = await self._rest.call("POST", "/jobs/activation", given, repeat=Repeat.NEVER, timeout=limit)
        try:
            jobs = cast("list[Mapping[str, Any]]", cast("Mapping[str, Any]", answer)["jobs"])
            self._lease_field = next((name for job in jobs for name in LEASE_FIELDS if job.get(name)), self._lease_field)
            return [activated_job(job) for job in jobs]
        except (LookupError, TypeError, ValueError) as error:
            raise EngineFailure(f"POST /jobs/activation: the engine's answer cannot be read: {error}") from error

    async def stream_jobs(
        self,
        type: str,
        *,
        worker: str,
        timeout: timedelta,
        fetch_variables: Iterable[str] = (),
        tenant_ids: Iterable[str] | None = None,
        with_lease: bool = False,
    ) -> AsyncIterator[pb.ActivatedJob]:
        """Raises `NotSupported`: REST has no streams."""
        raise NotSupported("the REST API has no job streams: jobs are fetched by long polling")
        yield pb.ActivatedJob()

    def _leased(self, body: dict[str, Any], lease_token: str | None) -> dict[str, Any]:
        return body if lease_token is None else body | {self._lease_field: lease_token}

    async def complete_job(
        self, job_key: int, variables: object = None, *, result: pb.JobResult | None = None, lease_token: str | None = None
    ) -> None:
        """See `JobCommands.complete_job`."""
        body: dict[str, Any] = {"variables": to_jsonable(variables)}
        if result is not None:
            body["result"] = job_result(result)
        await self._rest.call("POST", f"/jobs/{job_key:d}/completion", self._leased(body, lease_token), repeat=Repeat.ALWAYS)

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
        """See `JobCommands.fail_job`."""
        body: dict[str, Any] = {
            "retries": retries,
            "errorMessage": message,
            "retryBackOff": milliseconds(back_off.total_seconds()),
            "variables": to_jsonable(variables),
        }
        await self._rest.call("POST", f"/jobs/{job_key:d}/failure", self._leased(body, lease_token), repeat=Repeat.IF_REFUSED)

    async def throw_error(
        self, job_key: int, code: str, message: str = "", variables: object = None, *, lease_token: str | None = None
    ) -> None:
        """See `JobCommands.throw_error`."""
        body: dict[str, Any] = {"errorCode": code, "errorMessage": message, "variables": to_jsonable(variables)}
        await self._rest.call("POST", f"/jobs/{job_key:d}/error", self._leased(body, lease_token), repeat=Repeat.ALWAYS)

    async def update_job_retries(self, job_key: int, retries: int) -> None:
        """See `JobCommands.update_job_retries`."""
        await self._rest.call("PATCH", f"/jobs/{job_key:d}", {"changeset": {"retries": retries}}, repeat=Repeat.ALWAYS)

    async def update_job_timeout(self, job_key: int, timeout: timedelta, *, lease_token: str | None = None) -> None:
        """See `JobCommands.update_job_timeout`."""
        changes = {"timeout": milliseconds(timeout.total_seconds())}
        body = self._leased({"changeset": changes}, lease_token)
        await self._rest.call("PATCH", f"/jobs/{job_key:d}", body, repeat=Repeat.ALWAYS)


_NUMBERS = ("processInstanceKey", "processDefinitionKey", "elementInstanceKey", "processDefinitionVersion", "retries", "deadline")
_TEXTS = ("type", "elementId", "worker", "tenantId")


def activated_job(job: Mapping[str, Any]) -> pb.ActivatedJob:
    """A job of the REST API as gRPC brings it: keys are numbers, variables and headers are text."""
    fields: dict[str, Any] = {name: int(job.get(name) or 0) for name in _NUMBERS}
    fields |= {name: str(job.get(name) or "") for name in _TEXTS}
    result = pb.ActivatedJob(
        key=int(job["jobKey"]),
        bpmnProcessId=str(job.get("processDefinitionId") or ""),
        variables=json.dumps(job.get("variables") or {}, ensure_ascii=False),
        customHeaders=json.dumps(job.get("customHeaders") or {}, ensure_ascii=False),
        tags=[str(tag) for tag in job.get("tags") or ()],
        **fields,
    )
    kind, event = str(job.get("kind") or "BPMN_ELEMENT"), str(job.get("listenerEventType") or "UNSPECIFIED")
    kinds, events = set(pb.ActivatedJob.JobKind.keys()), set(pb.ActivatedJob.ListenerEventType.keys())
    # A kind that is newer than this package has a number that nobody knows, so that it counts as unknown.
    result.kind = cast("Any", pb.ActivatedJob.JobKind.Value(kind) if kind in kinds else 99)
    result.listenerEventType = cast("Any", pb.ActivatedJob.ListenerEventType.Value(event if event in events else "UNSPECIFIED"))
    result.priority = int(job.get("priority") or 0)
    result.businessId = str(job.get("businessId") or "")
    if lease := next((job[name] for name in LEASE_FIELDS if job.get(name)), None):
        result.jobLeaseToken = str(lease)
    task = job.get("userTask")
    if task:
        given = {name: value for name, value in cast("Mapping[str, Any]", task).items() if value is not None}
        result.userTask.CopyFrom(json_format.ParseDict(given, pb.UserTaskProperties(), ignore_unknown_fields=True))
    return result


def job_result(result: pb.JobResult) -> dict[str, Any]:
    """A job's result as the REST API takes it."""
    if result.type == "adHocSubProcess":
        return {
            "type": result.type,
            "activateElements": [
                {"elementId": element.elementId, "variables": json.loads(element.variables or "{}")} for element in result.activateElements
            ],
            "isCompletionConditionFulfilled": result.isCompletionConditionFulfilled,
            "isCancelRemainingInstances": result.isCancelRemainingInstances,
        }
    body: dict[str, Any] = {"type": result.type or "userTask", "denied": result.denied}
    if result.deniedReason:
        body["deniedReason"] = result.deniedReason
    if result.HasField("corrections"):
        body["corrections"] = {
            field.name: list(value.values) if isinstance(value, pb.StringList) else value
            for field, value in result.corrections.ListFields()
        }
    return body
