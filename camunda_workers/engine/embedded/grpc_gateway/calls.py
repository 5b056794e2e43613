"""The gateway's plain calls: each turns a request into a command, and the engine's answer into the response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.bridge import Bridge
from camunda_workers.engine.embedded.commands import Answer, Command
from camunda_workers.engine.embedded.documents import to_document, to_json
from camunda_workers.engine.embedded.grpc_gateway.messages import decision, evaluation, form, job_result, process, requirements
from camunda_workers.engine.embedded.grpc_gateway.tenants import check_tenants
from camunda_workers.errors import DeadlineExceeded

Call = Callable[[Any], Awaitable[Any]]

_RESULT_TIMEOUT = 15.0
"""Seconds that CreateProcessInstanceWithResult waits when the caller names no time: the real gateway's default."""


class Calls:
    """Every unary call of the protocol, by name."""

    def __init__(self, bridge: Bridge, port: Callable[[], int]) -> None:
        self._bridge = bridge
        self._port = port

    def by_name(self) -> Mapping[str, Call]:
        """Return the calls by the names they have in the protocol."""
        return {name: getattr(self, name) for name in dir(self) if name[0].isupper()}

    async def _execute(self, command: Command) -> Answer:
        return await self._bridge.execute(command)

    async def Topology(self, request: pb.TopologyRequest) -> pb.TopologyResponse:
        partition = pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.HEALTHY)
        version = self._bridge.version
        broker = pb.BrokerInfo(nodeId=0, host="127.0.0.1", port=self._port(), partitions=[partition], version=version)
        return pb.TopologyResponse(brokers=[broker], clusterSize=1, partitionsCount=1, replicationFactor=1, gatewayVersion=version)

    async def DeployResource(self, request: pb.DeployResourceRequest) -> pb.DeployResourceResponse:
        check_tenants("DeployResource", request.tenantId)
        answer = await self._execute(commands.deploy(((r.name, r.content) for r in request.resources), request.tenantId))
        value = answer.value
        deployments = [pb.Deployment(process=process(meta)) for meta in value["processesMetadata"]]
        deployments += [pb.Deployment(decision=decision(meta)) for meta in value["decisionsMetadata"]]
        deployments += [pb.Deployment(decisionRequirements=requirements(meta)) for meta in value["decisionRequirementsMetadata"]]
        deployments += [pb.Deployment(form=form(meta)) for meta in value["formMetadata"]]
        return pb.DeployResourceResponse(key=answer.key, deployments=deployments, tenantId=value["tenantId"])

    async def DeployProcess(self, request: pb.DeployProcessRequest) -> pb.DeployProcessResponse:
        answer = await self._execute(commands.deploy((p.name, p.definition) for p in request.processes))
        return pb.DeployProcessResponse(key=answer.key, processes=[process(meta) for meta in answer.value["processesMetadata"]])

    async def CreateProcessInstance(self, request: pb.CreateProcessInstanceRequest) -> pb.CreateProcessInstanceResponse:
        check_tenants("CreateProcessInstance", request.tenantId)
        answer = await self._execute(_create(request))
        value = answer.value
        return pb.CreateProcessInstanceResponse(
            processDefinitionKey=value["processDefinitionKey"],
            bpmnProcessId=value["bpmnProcessId"],
            version=value["version"],
            processInstanceKey=value["processInstanceKey"],
            tenantId=value["tenantId"],
            tags=value["tags"],
        )

    async def CreateProcessInstanceWithResult(
        self, request: pb.CreateProcessInstanceWithResultRequest
    ) -> pb.CreateProcessInstanceWithResultResponse:
        check_tenants("CreateProcessInstanceWithResult", request.request.tenantId)
        wait = request.requestTimeout / 1000 if request.requestTimeout > 0 else _RESULT_TIMEOUT
        command = _create(request.request, await_result=True, fetch=list(request.fetchVariables))
        try:
            async with asyncio.timeout(wait):
                answer = await self._execute(command)
        except TimeoutError:
            raise DeadlineExceeded("Time out between gateway and broker: the process instance did not complete in time") from None
        value = answer.value
        return pb.CreateProcessInstanceWithResultResponse(
            processDefinitionKey=value["processDefinitionKey"],
            bpmnProcessId=value["bpmnProcessId"],
            version=value["version"],
            processInstanceKey=value["processInstanceKey"],
            variables=to_json(value["variables"]),
            tenantId=value["tenantId"],
            tags=value["tags"],
        )

    async def CancelProcessInstance(self, request: pb.CancelProcessInstanceRequest) -> pb.CancelProcessInstanceResponse:
        await self._execute(commands.cancel_instance(request.processInstanceKey, _reference(request)))
        return pb.CancelProcessInstanceResponse()

    async def CompleteJob(self, request: pb.CompleteJobRequest) -> pb.CompleteJobResponse:
        result = job_result(request.result) if request.HasField("result") else None
        await self._execute(commands.complete_job(request.jobKey, to_document(request.variables), result))
        return pb.CompleteJobResponse()

    async def FailJob(self, request: pb.FailJobRequest) -> pb.FailJobResponse:
        variables = to_document(request.variables)
        await self._execute(commands.fail_job(request.jobKey, request.retries, request.errorMessage, request.retryBackOff, variables))
        return pb.FailJobResponse()

    async def ThrowError(self, request: pb.ThrowErrorRequest) -> pb.ThrowErrorResponse:
        await self._execute(commands.throw_error(request.jobKey, request.errorCode, request.errorMessage, to_document(request.variables)))
        return pb.ThrowErrorResponse()

    async def UpdateJobRetries(self, request: pb.UpdateJobRetriesRequest) -> pb.UpdateJobRetriesResponse:
        await self._execute(commands.update_retries(request.jobKey, request.retries, _reference(request)))
        return pb.UpdateJobRetriesResponse()

    async def UpdateJobTimeout(self, request: pb.UpdateJobTimeoutRequest) -> pb.UpdateJobTimeoutResponse:
        await self._execute(commands.update_timeout(request.jobKey, request.timeout, _reference(request)))
        return pb.UpdateJobTimeoutResponse()

    async def PublishMessage(self, request: pb.PublishMessageRequest) -> pb.PublishMessageResponse:
        check_tenants("PublishMessage", request.tenantId)
        variables = to_document(request.variables)
        answer = await self._execute(
            commands.publish_message(
                request.name, request.correlationKey, request.timeToLive, request.messageId, variables, request.tenantId
            )
        )
        return pb.PublishMessageResponse(key=answer.key, tenantId=answer.value["tenantId"])

    async def BroadcastSignal(self, request: pb.BroadcastSignalRequest) -> pb.BroadcastSignalResponse:
        check_tenants("BroadcastSignal", request.tenantId)
        answer = await self._execute(commands.broadcast_signal(request.signalName, to_document(request.variables), request.tenantId))
        return pb.BroadcastSignalResponse(key=answer.key, tenantId=answer.value["tenantId"])

    async def SetVariables(self, request: pb.SetVariablesRequest) -> pb.SetVariablesResponse:
        variables, reference = to_document(request.variables), _reference(request)
        command = commands.set_variables(request.elementInstanceKey, variables, local=request.local, operation_reference=reference)
        return pb.SetVariablesResponse(key=(await self._execute(command)).key)

    async def ResolveIncident(self, request: pb.ResolveIncidentRequest) -> pb.ResolveIncidentResponse:
        await self._execute(commands.resolve_incident(request.incidentKey, _reference(request)))
        return pb.ResolveIncidentResponse()

    async def DeleteResource(self, request: pb.DeleteResourceRequest) -> pb.DeleteResourceResponse:
        await self._execute(commands.delete_resource(request.resourceKey, _reference(request)))
        return pb.DeleteResourceResponse()

    async def ModifyProcessInstance(self, request: pb.ModifyProcessInstanceRequest) -> pb.ModifyProcessInstanceResponse:
        activate = [
            {
                "elementId": instruction.elementId,
                "ancestorScopeKey": instruction.ancestorElementInstanceKey or -1,
                "variableInstructions": [
                    {"elementId": variables.scopeId, "variables": to_document(variables.variables)}
                    for variables in instruction.variableInstructions
                ],
            }
            for instruction in request.activateInstructions
        ]
        terminate = [instruction.elementInstanceKey for instruction in request.terminateInstructions]
        await self._execute(commands.modify_instance(request.processInstanceKey, activate, terminate, _reference(request)))
        return pb.ModifyProcessInstanceResponse()

    async def MigrateProcessInstance(self, request: pb.MigrateProcessInstanceRequest) -> pb.MigrateProcessInstanceResponse:
        plan = request.migrationPlan
        mapping = [(instruction.sourceElementId, instruction.targetElementId) for instruction in plan.mappingInstructions]
        target = plan.targetProcessDefinitionKey
        await self._execute(commands.migrate_instance(request.processInstanceKey, target, mapping, _reference(request)))
        return pb.MigrateProcessInstanceResponse()

    async def EvaluateDecision(self, request: pb.EvaluateDecisionRequest) -> pb.EvaluateDecisionResponse:
        check_tenants("EvaluateDecision", request.tenantId)
        variables = to_document(request.variables)
        answer = await self._execute(
            commands.evaluate_decision(
                decision_id=request.decisionId, decision_key=request.decisionKey, variables=variables, tenant_id=request.tenantId
            )
        )
        return evaluation(answer)


def _reference(request: Any) -> int | None:
    return request.operationReference if request.HasField("operationReference") else None


def _create(request: pb.CreateProcessInstanceRequest, *, await_result: bool = False, fetch: list[str] | None = None) -> Command:
    return commands.create_instance(
        process_id=request.bpmnProcessId,
        definition_key=request.processDefinitionKey,
        version=request.version,
        variables=to_document(request.variables),
        tags=list(request.tags),
        start_elements=[instruction.elementId for instruction in request.startInstructions],
        terminate_after=[i.terminate.afterElementId for i in request.runtimeInstructions if i.HasField("terminate")],
        tenant_id=request.tenantId,
        await_result=await_result,
        fetch_variables=fetch or [],
        operation_reference=_reference(request),
    )
