"""The gateway's answers become our values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from camunda_workers.client import results
from camunda_workers.client.business_id import business_id_of
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.variables import from_json, value_from_json


def topology(answer: pb.TopologyResponse) -> results.Topology:
    """Read a topology."""
    return results.Topology(
        gateway_version=answer.gatewayVersion,
        cluster_size=answer.clusterSize,
        partitions_count=answer.partitionsCount,
        replication_factor=answer.replicationFactor,
        brokers=tuple(_broker(broker) for broker in answer.brokers),
    )


def topology_from_rest(answer: Mapping[str, Any]) -> results.Topology:
    """Read a topology as REST tells it; what is missing or new does no harm."""
    brokers = tuple(
        results.Broker(
            int(broker.get("nodeId") or 0),
            str(broker.get("host") or ""),
            int(broker.get("port") or 0),
            str(broker.get("version") or ""),
            tuple(
                results.Partition(int(one["partitionId"]), str(one.get("role") or "").upper(), str(one.get("health") or "").upper())
                for one in broker.get("partitions") or ()
            ),
        )
        for broker in answer.get("brokers") or ()
    )
    return results.Topology(
        gateway_version=str(answer.get("gatewayVersion") or ""),
        cluster_size=int(answer.get("clusterSize") or 0),
        partitions_count=int(answer.get("partitionsCount") or 0),
        replication_factor=int(answer.get("replicationFactor") or 0),
        brokers=brokers,
    )


def _broker(broker: pb.BrokerInfo) -> results.Broker:
    partitions = tuple(
        results.Partition(
            partition.partitionId,
            _enum_name(pb.Partition.PartitionBrokerRole, partition.role),
            _enum_name(pb.Partition.PartitionBrokerHealth, partition.health),
        )
        for partition in broker.partitions
    )
    return results.Broker(broker.nodeId, broker.host, broker.port, broker.version, partitions)


def _enum_name(enum: type[pb.Partition.PartitionBrokerRole | pb.Partition.PartitionBrokerHealth], value: int) -> str:
    # A newer engine may know values that we do not.
    return enum.Name(value) if value in enum.values() else str(value)


def deployment(answer: pb.DeployResourceResponse) -> results.Deployment:
    """Read a deployment."""
    metadata = [(item.WhichOneof("Metadata"), item) for item in answer.deployments]
    return results.Deployment(
        key=answer.key,
        tenant_id=answer.tenantId,
        processes=tuple(
            results.ProcessDefinition(p.bpmnProcessId, p.version, p.processDefinitionKey, p.resourceName, p.tenantId)
            for p in (item.process for kind, item in metadata if kind == "process")
        ),
        decisions=tuple(
            results.DecisionDefinition(
                d.dmnDecisionId,
                d.dmnDecisionName,
                d.version,
                d.decisionKey,
                d.dmnDecisionRequirementsId,
                d.decisionRequirementsKey,
                d.tenantId,
            )
            for d in (item.decision for kind, item in metadata if kind == "decision")
        ),
        decision_requirements=tuple(
            results.DecisionRequirements(
                d.dmnDecisionRequirementsId, d.dmnDecisionRequirementsName, d.version, d.decisionRequirementsKey, d.resourceName, d.tenantId
            )
            for d in (item.decisionRequirements for kind, item in metadata if kind == "decisionRequirements")
        ),
        forms=tuple(
            results.FormDefinition(f.formId, f.version, f.formKey, f.resourceName, f.tenantId)
            for f in (item.form for kind, item in metadata if kind == "form")
        ),
    )


def process_instance(answer: pb.CreateProcessInstanceResponse, tags: Iterable[str], business_id: str | None) -> results.ProcessInstance:
    """Read a started process instance; an engine before 8.8 does not say its tags, so what was sent stands for them."""
    kept = tuple(answer.tags or tags)
    return results.ProcessInstance(
        process_instance_key=answer.processInstanceKey,
        process_definition_key=answer.processDefinitionKey,
        bpmn_process_id=answer.bpmnProcessId,
        version=answer.version,
        tenant_id=answer.tenantId,
        tags=kept,
        business_id=business_id or business_id_of(kept),
    )


def process_result(
    answer: pb.CreateProcessInstanceWithResultResponse, tags: Iterable[str], business_id: str | None
) -> results.ProcessResult:
    """Read a completed process instance."""
    kept = tuple(answer.tags or tags)
    return results.ProcessResult(
        process_instance_key=answer.processInstanceKey,
        process_definition_key=answer.processDefinitionKey,
        bpmn_process_id=answer.bpmnProcessId,
        version=answer.version,
        tenant_id=answer.tenantId,
        tags=kept,
        business_id=business_id or business_id_of(kept),
        variables=from_json(answer.variables),
    )


def decision_result(answer: pb.EvaluateDecisionResponse) -> results.DecisionResult:
    """Read a decision's answer."""
    return results.DecisionResult(
        output=value_from_json(answer.decisionOutput),
        decision_id=answer.decisionId,
        name=answer.decisionName,
        version=answer.decisionVersion,
        decision_key=answer.decisionKey,
        tenant_id=answer.tenantId,
        evaluated=tuple(_evaluated(decision) for decision in answer.evaluatedDecisions),
    )


def _evaluated(decision: pb.EvaluatedDecision) -> results.EvaluatedDecision:
    return results.EvaluatedDecision(
        decision_id=decision.decisionId,
        name=decision.decisionName,
        version=decision.decisionVersion,
        type=decision.decisionType,
        output=value_from_json(decision.decisionOutput),
        inputs={item.inputName or item.inputId: value_from_json(item.inputValue) for item in decision.evaluatedInputs},
        matched_rules=tuple(
            results.MatchedRule(
                rule.ruleId,
                rule.ruleIndex,
                {item.outputName or item.outputId: value_from_json(item.outputValue) for item in rule.evaluatedOutputs},
            )
            for rule in decision.matchedRules
        ),
    )


def process_instance_from_rest(body: dict[str, object], tags: Iterable[str], business_id: str) -> results.ProcessResult:
    """Read a process instance that REST started; ``variables`` are there when its completion was awaited."""
    variables = body.get("variables")
    return results.ProcessResult(
        process_instance_key=int(str(body["processInstanceKey"])),
        process_definition_key=int(str(body["processDefinitionKey"])),
        bpmn_process_id=str(body["processDefinitionId"]),
        version=int(str(body["processDefinitionVersion"])),
        tenant_id=str(body.get("tenantId") or ""),
        tags=tuple(tags),
        business_id=business_id,
        variables=dict(cast("dict[str, Any]", variables)) if isinstance(variables, dict) else {},
    )
