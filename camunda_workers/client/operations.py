"""Commands about what runs: messages, signals, variables, decisions, incidents, modification and migration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from camunda_workers.client import reading
from camunda_workers.client.calls import milliseconds
from camunda_workers.client.commands import Commands
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.results import BroadcastSignal, DecisionResult, PublishedMessage
from camunda_workers.client.retry import Repeat
from camunda_workers.client.variables import to_json
from camunda_workers.errors import AlreadyExists, InvalidArgument, NotFound

_Modify = pb.ModifyProcessInstanceRequest
_Migrate = pb.MigrateProcessInstanceRequest


@dataclass(frozen=True, slots=True)
class Activate:
    """An element to activate in a running instance.

    Attributes:
        element_id: the element.
        variables: set with it.
        scope_id: the element in whose scope they are set; the process's when empty.
        ancestor_element_instance_key: which instance of a surrounding sub-process, where there are several.
    """

    element_id: str
    variables: Mapping[str, object] = field(default_factory=dict[str, object])
    scope_id: str = ""
    ancestor_element_instance_key: int = -1


class OperationCommands(Commands):
    """Correlate, inform, decide and repair."""

    async def publish_message(
        self,
        name: str,
        correlation_key: str = "",
        variables: object = None,
        *,
        ttl: timedelta = timedelta(hours=1),
        message_id: str = "",
        tenant_id: str | None = None,
    ) -> PublishedMessage:
        """Publish a message.

        With a message id and a time to live it is repeated when the answer is lost, for the engine keeps ids apart; without one it may
        correlate twice, so it is not.

        Args:
            name: the message's name in the diagram.
            correlation_key: finds the instance; empty for a message start event alone.
            variables: set in the scope that takes the message.
            ttl: how long the engine keeps it for somebody who does not wait yet; zero not at all.
            message_id: makes it unique while it lives.
            tenant_id: whose process.

        Raises:
            AlreadyExists: a message with this id is still there.
        """
        request = pb.PublishMessageRequest(
            name=name,
            correlationKey=correlation_key,
            timeToLive=milliseconds(ttl.total_seconds()),
            messageId=message_id,
            variables=to_json(variables),
            tenantId=self._tenant(tenant_id),
        )
        unique = bool(message_id) and ttl > timedelta(0)
        answer = await self._gateway().call(
            "PublishMessage",
            request,
            pb.PublishMessageResponse,
            repeat=Repeat.ALWAYS if unique else Repeat.IF_REFUSED,
            settled_by=(AlreadyExists,) if unique else (),
        )
        return PublishedMessage(answer.key, answer.tenantId) if answer is not None else PublishedMessage(None, request.tenantId)

    async def broadcast_signal(self, name: str, variables: object = None, *, tenant_id: str | None = None) -> BroadcastSignal:
        """Broadcast a signal to everybody who waits for it; not repeated when the answer is lost.

        Args:
            name: the signal's name in the diagram.
            variables: set in each scope that takes it.
            tenant_id: whose processes.
        """
        request = pb.BroadcastSignalRequest(signalName=name, variables=to_json(variables), tenantId=self._tenant(tenant_id))
        answer = await self._gateway().call("BroadcastSignal", request, pb.BroadcastSignalResponse, repeat=Repeat.IF_REFUSED)
        assert answer is not None
        return BroadcastSignal(answer.key, answer.tenantId)

    async def set_variables(self, element_instance_key: int, variables: object, *, local: bool = False) -> None:
        """Set variables of a running instance.

        Args:
            element_instance_key: the scope; a process instance's key is one.
            variables: a mapping, a pydantic model or a dataclass.
            local: keep them in this scope, where otherwise they go to the nearest scope that has them, or the root.
        """
        request = pb.SetVariablesRequest(elementInstanceKey=element_instance_key, variables=to_json(variables), local=local)
        await self._gateway().call("SetVariables", request, pb.SetVariablesResponse, repeat=Repeat.ALWAYS)

    async def evaluate_decision(self, decision_id: str, variables: object = None, *, tenant_id: str | None = None) -> DecisionResult:
        """Evaluate a deployed decision.

        Args:
            decision_id: the decision's id in the DMN file.
            variables: its inputs.
            tenant_id: whose decision.

        Raises:
            NotFound: no such decision is deployed.
            InvalidArgument: it could not be evaluated with these inputs; the text names the decision that failed.
        """
        request = pb.EvaluateDecisionRequest(decisionId=decision_id, variables=to_json(variables), tenantId=self._tenant(tenant_id))
        answer = await self._gateway().call("EvaluateDecision", request, pb.EvaluateDecisionResponse, repeat=Repeat.ALWAYS)
        assert answer is not None
        if answer.failedDecisionId or answer.failureMessage:
            raise InvalidArgument(f"decision '{answer.failedDecisionId or decision_id}' could not be evaluated: {answer.failureMessage}")
        return reading.decision_result(answer)

    async def resolve_incident(self, incident_key: int) -> None:
        """Try again what an incident stopped; for a job give it retries first (`update_job_retries`)."""
        request = pb.ResolveIncidentRequest(incidentKey=incident_key)
        await self._gateway().call("ResolveIncident", request, pb.ResolveIncidentResponse, repeat=Repeat.ALWAYS, settled_by=(NotFound,))

    async def modify(self, process_instance_key: int, *, activate: Iterable[str | Activate] = (), terminate: Iterable[int] = ()) -> None:
        """Move a running instance: all of it or nothing.

        Args:
            process_instance_key: the instance.
            activate: elements to activate, by id or with more to say.
            terminate: keys of element instances to end.

        Raises:
            InvalidArgument: an element is not there, or cannot be activated so.
        """
        steps = [Activate(step) if isinstance(step, str) else step for step in activate]
        request = _Modify(
            processInstanceKey=process_instance_key,
            activateInstructions=[_activation(step) for step in steps],
            terminateInstructions=[_Modify.TerminateInstruction(elementInstanceKey=key) for key in terminate],
        )
        if not request.activateInstructions and not request.terminateInstructions:
            raise InvalidArgument("modify: say what to activate or to terminate")
        await self._gateway().call("ModifyProcessInstance", request, pb.ModifyProcessInstanceResponse, repeat=Repeat.IF_REFUSED)

    async def migrate(self, process_instance_key: int, target_process_definition_key: int, mapping: Mapping[str, str]) -> None:
        """Move a running instance to another process definition.

        Jobs, expressions and input mappings of what is active are not evaluated again.

        Args:
            process_instance_key: the instance.
            target_process_definition_key: where to.
            mapping: the id of each active element in the old definition to its id in the new one.
        """
        plan = _Migrate.MigrationPlan(
            targetProcessDefinitionKey=target_process_definition_key,
            mappingInstructions=[
                _Migrate.MappingInstruction(sourceElementId=source, targetElementId=target) for source, target in mapping.items()
            ],
        )
        request = _Migrate(processInstanceKey=process_instance_key, migrationPlan=plan)
        await self._gateway().call("MigrateProcessInstance", request, pb.MigrateProcessInstanceResponse, repeat=Repeat.IF_REFUSED)


def _activation(step: Activate) -> pb.ModifyProcessInstanceRequest.ActivateInstruction:
    variables = [_Modify.VariableInstruction(variables=to_json(step.variables), scopeId=step.scope_id)] if step.variables else []
    return _Modify.ActivateInstruction(
        elementId=step.element_id, ancestorElementInstanceKey=step.ancestor_element_instance_key, variableInstructions=variables
    )
