"""Jobs over gRPC: long polling and streaming."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.bridge import Bridge
from camunda_workers.engine.embedded.documents import to_json, unpack
from camunda_workers.engine.embedded.grpc_gateway.tenants import check_tenants
from camunda_workers.engine.embedded.job_push import JobDispatch
from camunda_workers.errors import EngineUnavailable, InvalidArgument

_LONG_POLL = 10.0
"""Seconds that ActivateJobs waits when the caller names no time: the real gateway's default."""

_STREAM_ROOM = 64
"""Jobs that may wait unsent on a stream; with more than these the engine leaves jobs to polls (the client stalls its stream to push back)."""


class Jobs:
    """The two streaming calls of the protocol."""

    def __init__(self, bridge: Bridge, dispatch: JobDispatch) -> None:
        self._bridge = bridge
        self._dispatch = dispatch

    async def activate(self, request: pb.ActivateJobsRequest) -> AsyncIterator[pb.ActivateJobsResponse]:
        """Answer with the first jobs there are, waiting for them as long as the request says."""
        check_tenants("ActivateJobs", *request.tenantIds)
        if request.maxJobsToActivate < 1:
            return  # as Camunda's gateway does: none wanted, none given
        jobs = await self._activate(request)
        if not jobs:
            return
        try:
            yield pb.ActivateJobsResponse(jobs=jobs)
        except (asyncio.CancelledError, GeneratorExit):
            self._give_back(jobs)  # the caller went away with the answer on its way
            raise

    async def _activate(self, request: pb.ActivateJobsRequest) -> list[pb.ActivatedJob]:
        tenants = list(request.tenantIds)
        command = commands.activate_jobs(
            request.type, request.worker, request.timeout, request.maxJobsToActivate, list(request.fetchVariable), tenants
        )
        wait = _LONG_POLL if request.requestTimeout == 0 else request.requestTimeout / 1000
        end = asyncio.get_running_loop().time() + wait
        with self._dispatch.waiting(request.type) as work:
            while True:
                if self._dispatch.closed:
                    raise EngineUnavailable("the engine is stopping")
                jobs = await self._fetch(command)
                if jobs:
                    work.clear()
                    if len(jobs) == request.maxJobsToActivate:
                        self._dispatch.wake_one(request.type)
                    return jobs
                left = end - asyncio.get_running_loop().time()
                if left <= 0:
                    return []
                try:
                    async with asyncio.timeout(left):
                        await work.wait()
                except TimeoutError:
                    return []
                work.clear()

    async def _fetch(self, command: commands.Command) -> list[pb.ActivatedJob]:
        fetching = asyncio.ensure_future(self._bridge.execute(command))
        try:
            answer = await asyncio.shield(fetching)
        except asyncio.CancelledError:
            fetching.add_done_callback(self._give_back_unwanted)
            raise
        keys, jobs = answer.value["jobKeys"], answer.value["jobs"]
        return [activated(key, job) for key, job in zip(keys, jobs, strict=True)]

    def _give_back_unwanted(self, fetching: asyncio.Future[commands.Answer]) -> None:
        if not fetching.cancelled() and fetching.exception() is None:
            for key in fetching.result().value["jobKeys"]:
                self._yield(key)

    def _give_back(self, jobs: list[pb.ActivatedJob]) -> None:
        for job in jobs:
            self._yield(job.key)

    def _yield(self, key: int) -> None:
        try:
            self._bridge.send(commands.yield_job(key))
        except EngineUnavailable:
            return  # the engine stopped: nothing holds the job any more

    async def stream(self, request: pb.StreamActivatedJobsRequest) -> AsyncIterator[pb.ActivatedJob]:
        """Send jobs as they come up, until the caller leaves or the engine stops."""
        _check(request)
        check_tenants("StreamActivatedJobs", *request.tenantIds)
        fetch, tenants = list(request.fetchVariable), list(request.tenantIds)
        closed = asyncio.ensure_future(self._dispatch.wait_closed())
        try:
            with self._dispatch.streaming(request.type, request.worker, request.timeout, fetch, tenants, _STREAM_ROOM) as stream:
                while True:
                    taking = asyncio.ensure_future(stream.jobs.get())
                    try:
                        await asyncio.wait({taking, closed}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        if not taking.done():
                            taking.cancel()
                    if not taking.done() or taking.cancelled():
                        raise EngineUnavailable("the engine is stopping")
                    job = taking.result()
                    try:
                        yield activated(job.key, job.value)
                    except (asyncio.CancelledError, GeneratorExit):
                        self._yield(job.key)
                        raise
                    stream.sent()
        finally:
            closed.cancel()


def _check(request: pb.StreamActivatedJobsRequest) -> None:
    # Of an activation the engine says it itself; a stream is a matter of the gateway.
    if not request.type.strip():
        raise InvalidArgument("Expected to stream activated jobs with type to be present, but it was blank")
    if request.timeout < 1:
        raise InvalidArgument(f"Expected to stream activated jobs with timeout to be greater than zero, but it was {request.timeout}")


def activated(key: int, job: Mapping[str, Any]) -> pb.ActivatedJob:
    """Return the job as the protocol shows it."""
    headers = unpack(job["customHeaders"]) if isinstance(job["customHeaders"], bytes) else job["customHeaders"]
    kind = job["jobKind"]
    result = pb.ActivatedJob(
        key=key,
        type=job["type"],
        processInstanceKey=job["processInstanceKey"],
        bpmnProcessId=job["bpmnProcessId"],
        processDefinitionVersion=job["processDefinitionVersion"],
        processDefinitionKey=job["processDefinitionKey"],
        elementId=job["elementId"],
        elementInstanceKey=job["elementInstanceKey"],
        customHeaders=json.dumps(headers or {}, ensure_ascii=False),
        worker=job["worker"],
        retries=job["retries"],
        deadline=job["deadline"],
        variables=to_json(job["variables"]),
        tenantId=job["tenantId"],
        kind=kind if kind in _KINDS else "BPMN_ELEMENT",
        listenerEventType=_listener_event(job["jobListenerEventType"]),
        tags=job["tags"],
    )
    if kind == "TASK_LISTENER":
        result.userTask.CopyFrom(_user_task(headers or {}, job["changedAttributes"]))
    return result


_KINDS = frozenset(pb.ActivatedJob.JobKind.keys())
_LISTENER_EVENTS = frozenset(pb.ActivatedJob.ListenerEventType.keys())


def _listener_event(name: str) -> str:
    return name if name in _LISTENER_EVENTS else "UNSPECIFIED"


_USER_TASK_HEADERS = "io.camunda.zeebe:"


def _user_task(headers: Mapping[str, str], changed: list[str]) -> pb.UserTaskProperties:
    """The engine tells a listener about its user task in reserved headers."""

    def text(name: str) -> str | None:
        return headers.get(_USER_TASK_HEADERS + name)

    def names(name: str) -> list[str]:
        given = text(name)
        return json.loads(given) if given else []

    def number(name: str) -> int | None:
        given = text(name)
        return int(given) if given else None

    return pb.UserTaskProperties(
        action=text("action"),
        assignee=text("assignee"),
        candidateGroups=names("candidateGroups"),
        candidateUsers=names("candidateUsers"),
        changedAttributes=changed,
        dueDate=text("dueDate"),
        followUpDate=text("followUpDate"),
        formKey=number("formKey"),
        priority=number("priority"),
        userTaskKey=number("userTaskKey"),
    )
