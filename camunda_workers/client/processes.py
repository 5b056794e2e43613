"""Commands about deployments and process instances."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import structlog

from camunda_workers.client import reading
from camunda_workers.client.business_id import is_native, keeps_tags, tags_with
from camunda_workers.client.calls import milliseconds
from camunda_workers.client.cluster import ClusterCommands
from camunda_workers.client.deploy import Resource, collect, rejection
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.results import Deployment, ProcessInstance, ProcessResult
from camunda_workers.client.retry import Repeat
from camunda_workers.client.variables import to_json, to_jsonable
from camunda_workers.errors import InvalidArgument, NotFound

_log = structlog.get_logger(__name__)

_ANSWER_SLACK = 5.0
"""Seconds beyond the engine's own timeout in which its answer may still arrive."""


class ProcessCommands(ClusterCommands):
    """Deploy processes, start instances and end them."""

    _tags_checked = False

    async def deploy(self, *sources: Path | str | Resource, tenant_id: str | None = None) -> Deployment:
        """Deploy diagrams, decisions and forms in one call: all of them or none.

        Args:
            sources: files, folders (every .bpmn, .dmn and .form below, hidden ones left out) and resources.
            tenant_id: whose they are.

        Raises:
            BadResource: a file must not be deployed, or the engine refuses it; names the file, the element where known, and what to do.
        """
        resources = await asyncio.to_thread(collect, sources)
        request = pb.DeployResourceRequest(
            resources=[pb.Resource(name=resource.name, content=resource.content) for resource in resources],
            tenantId=self._tenant(tenant_id),
        )
        try:
            # The engine sees that nothing changed and answers as the first time: repeating is safe.
            answer = await self._gateway().call("DeployResource", request, pb.DeployResourceResponse, repeat=Repeat.ALWAYS)
        except InvalidArgument as error:
            raise rejection(str(error), resources) from error
        assert answer is not None
        return reading.deployment(answer)

    async def start(
        self,
        process_id: str,
        variables: object = None,
        *,
        version: int = -1,
        business_id: str | None = None,
        tags: Iterable[str] = (),
        tenant_id: str | None = None,
        start_before: Iterable[str] = (),
    ) -> ProcessInstance:
        """Start a process instance.

        Not repeated when the answer is lost, because the instance may be running: look for it by its business id.

        Args:
            process_id: the process's id in the diagram.
            variables: a mapping, a pydantic model or a dataclass.
            version: of the process; -1 for the latest.
            business_id: what the case is known by outside; a tag on engines older than 8.9.
            tags: kept with the instance and its jobs.
            tenant_id: whose process.
            start_before: ids of elements to start at, instead of the start event.

        Raises:
            NotFound: no such process is deployed.
            InvalidArgument: variables, tags or the business id cannot be sent.
            DeadlineExceeded: the instance may have been started.
        """
        native = await self._native(business_id)
        sent = await self._checked(tags_with(business_id, tags, native=native))
        if native and business_id is not None:
            result = await self._start_by_rest(process_id, variables, version, business_id, sent, tenant_id, start_before)
            return ProcessInstance(
                result.process_instance_key,
                result.process_definition_key,
                result.bpmn_process_id,
                result.version,
                result.tenant_id,
                result.tags,
                result.business_id,
            )
        request = self._creation(process_id, variables, version, sent, tenant_id, start_before)
        answer = await self._gateway().call("CreateProcessInstance", request, pb.CreateProcessInstanceResponse, repeat=Repeat.IF_REFUSED)
        assert answer is not None
        return reading.process_instance(answer, sent, business_id)

    async def start_with_result(
        self,
        process_id: str,
        variables: object = None,
        *,
        timeout: timedelta = timedelta(seconds=30),
        fetch_variables: Iterable[str] = (),
        version: int = -1,
        business_id: str | None = None,
        tags: Iterable[str] = (),
        tenant_id: str | None = None,
    ) -> ProcessResult:
        """Start a process instance and wait until it has completed.

        Args:
            process_id: the process's id in the diagram.
            variables: a mapping, a pydantic model or a dataclass.
            timeout: how long to wait; the instance goes on after it.
            fetch_variables: the variables wanted; none means all of the root scope.
            version: of the process; -1 for the latest.
            business_id: see `start`.
            tags: kept with the instance and its jobs.
            tenant_id: whose process.

        Raises:
            DeadlineExceeded: it has not completed in time.
        """
        native = await self._native(business_id)
        sent = await self._checked(tags_with(business_id, tags, native=native))
        if native and business_id is not None:
            return await self._start_by_rest(process_id, variables, version, business_id, sent, tenant_id, (), timeout, fetch_variables)
        request = pb.CreateProcessInstanceWithResultRequest(
            request=self._creation(process_id, variables, version, sent, tenant_id, ()),
            requestTimeout=milliseconds(timeout.total_seconds()),
            fetchVariables=list(fetch_variables),
        )
        answer = await self._gateway().call(
            "CreateProcessInstanceWithResult",
            request,
            pb.CreateProcessInstanceWithResultResponse,
            repeat=Repeat.IF_REFUSED,
            timeout=timeout.total_seconds() + _ANSWER_SLACK,
        )
        assert answer is not None
        return reading.process_result(answer, sent, business_id)

    async def cancel(self, process_instance_key: int) -> None:
        """Cancel a process instance.

        Raises:
            NotFound: it is not running (any more).
        """
        request = pb.CancelProcessInstanceRequest(processInstanceKey=process_instance_key)
        await self._gateway().call(
            "CancelProcessInstance", request, pb.CancelProcessInstanceResponse, repeat=Repeat.ALWAYS, settled_by=(NotFound,)
        )

    async def delete_resource(self, resource_key: int) -> None:
        """Delete a deployed process definition, decision requirements or form by its key."""
        request = pb.DeleteResourceRequest(resourceKey=resource_key)
        await self._gateway().call("DeleteResource", request, pb.DeleteResourceResponse, repeat=Repeat.ALWAYS, settled_by=(NotFound,))

    def _creation(
        self, process_id: str, variables: object, version: int, tags: list[str], tenant_id: str | None, start_before: Iterable[str]
    ) -> pb.CreateProcessInstanceRequest:
        return pb.CreateProcessInstanceRequest(
            bpmnProcessId=process_id,
            version=version,
            variables=to_json(variables),
            startInstructions=[pb.ProcessInstanceCreationStartInstruction(elementId=element) for element in start_before],
            tenantId=self._tenant(tenant_id),
            tags=tags,
        )

    async def _native(self, business_id: str | None) -> bool:
        if business_id is None:
            return False
        if self._version is None:
            await self.topology()
        return is_native(self._version or "")

    async def _checked(self, tags: list[str]) -> list[str]:
        """The tags, after a warning if this engine will drop them: a case could not be found again by its business id."""
        if tags and not self._tags_checked:
            self._tags_checked = True
            if self._version is None:
                await self.topology()
            if not keeps_tags(self._version or ""):
                _log.warning(
                    "tags.dropped",
                    engine=self._version,
                    reason="this engine drops tags, and with them business ids, without a word: they came with 8.8",
                    fix="use Camunda 8.8 or later, or keep the id in a variable too",
                )
        return tags

    async def _start_by_rest(
        self,
        process_id: str,
        variables: object,
        version: int,
        business_id: str,
        tags: list[str],
        tenant_id: str | None,
        start_before: Iterable[str],
        wait: timedelta | None = None,
        fetch_variables: Iterable[str] = (),
    ) -> ProcessResult:
        """The gateway's protocol that we speak (8.8) has no business id; REST has one since 8.9."""
        body: dict[str, object] = {
            "processDefinitionId": process_id,
            "processDefinitionVersion": version,
            "variables": to_jsonable(variables),
            "businessId": business_id,
            "tags": tags,
            "startInstructions": [{"elementId": element} for element in start_before],
        }
        if tenant := self._tenant(tenant_id):
            body["tenantId"] = tenant
        timeout = None
        if wait is not None:
            timeout = wait.total_seconds() + _ANSWER_SLACK
            body |= {"awaitCompletion": True, "requestTimeout": milliseconds(wait.total_seconds()), "fetchVariables": list(fetch_variables)}
        answer = await self._rest().call("POST", "/process-instances", body, repeat=Repeat.IF_REFUSED, timeout=timeout)
        return reading.process_instance_from_rest(answer, tags, business_id)
