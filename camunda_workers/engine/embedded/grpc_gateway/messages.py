"""The engine's answers as the protocol's messages, and the other way about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.embedded.commands import Answer
from camunda_workers.engine.embedded.documents import to_document, unpack
from camunda_workers.errors import EngineFailure, InvalidArgument

_CORRECTABLE = (
    ("assignee", "assignee"),
    ("dueDate", "dueDate"),
    ("followUpDate", "followUpDate"),
    ("candidateUsers", "candidateUsersList"),
    ("candidateGroups", "candidateGroupsList"),
    ("priority", "priority"),
)

_RESULT_TYPES = {"": "USER_TASK", "userTask": "USER_TASK", "adHocSubProcess": "AD_HOC_SUB_PROCESS"}


def job_result(result: pb.JobResult) -> dict[str, Any]:
    """Return a job's result as the engine's record has it."""
    if result.type not in _RESULT_TYPES:
        raise InvalidArgument(f"Expected the job result's type to be one of 'userTask', 'adHocSubProcess', but it was '{result.type}'")
    corrections: dict[str, Any] = {}
    for name, field in _CORRECTABLE:
        if result.corrections.HasField(cast(Any, name)):
            given = getattr(result.corrections, name)
            corrections[field] = list(given.values) if isinstance(given, pb.StringList) else given
    return {
        "type": _RESULT_TYPES[result.type],
        "denied": result.denied,
        "deniedReason": result.deniedReason,
        "corrections": corrections,
        "correctedAttributes": list(corrections),
        "activateElements": [
            {"elementId": element.elementId, "variables": to_document(element.variables)} for element in result.activateElements
        ],
        "isCompletionConditionFulfilled": result.isCompletionConditionFulfilled,
        "isCancelRemainingInstances": result.isCancelRemainingInstances,
    }


def process(meta: Mapping[str, Any]) -> pb.ProcessMetadata:
    """Return what was deployed."""
    return pb.ProcessMetadata(
        bpmnProcessId=meta["bpmnProcessId"],
        version=meta["version"],
        processDefinitionKey=meta["processDefinitionKey"],
        resourceName=meta["resourceName"],
        tenantId=meta["tenantId"],
    )


def decision(meta: Mapping[str, Any]) -> pb.DecisionMetadata:
    """Return what was deployed."""
    return pb.DecisionMetadata(
        dmnDecisionId=meta["decisionId"],
        dmnDecisionName=meta["decisionName"],
        version=meta["version"],
        decisionKey=meta["decisionKey"],
        dmnDecisionRequirementsId=meta["decisionRequirementsId"],
        decisionRequirementsKey=meta["decisionRequirementsKey"],
        tenantId=meta["tenantId"],
    )


def requirements(meta: Mapping[str, Any]) -> pb.DecisionRequirementsMetadata:
    """Return what was deployed."""
    return pb.DecisionRequirementsMetadata(
        dmnDecisionRequirementsId=meta["decisionRequirementsId"],
        dmnDecisionRequirementsName=meta["decisionRequirementsName"],
        version=meta["decisionRequirementsVersion"],
        decisionRequirementsKey=meta["decisionRequirementsKey"],
        resourceName=meta["resourceName"],
        tenantId=meta["tenantId"],
    )


def form(meta: Mapping[str, Any]) -> pb.FormMetadata:
    """Return what was deployed."""
    return pb.FormMetadata(
        formId=meta["formId"],
        version=meta["version"],
        formKey=meta["formKey"],
        resourceName=meta["resourceName"],
        tenantId=meta["tenantId"],
    )


def _value(packed: bytes) -> str:
    # Nothing at all is what a decision that could not be evaluated answers.
    return json.dumps(unpack(packed), ensure_ascii=False, separators=(",", ":")) if packed else ""


def evaluation(answer: Answer) -> pb.EvaluateDecisionResponse:
    """Return how a decision was evaluated."""
    value = answer.value
    if answer.intent not in ("EVALUATED", "FAILED"):
        raise EngineFailure(f"the engine answered a decision evaluation with {answer.intent}")
    return pb.EvaluateDecisionResponse(
        decisionKey=value["decisionKey"],
        decisionId=value["decisionId"],
        decisionName=value["decisionName"],
        decisionVersion=value["decisionVersion"],
        decisionRequirementsId=value["decisionRequirementsId"],
        decisionRequirementsKey=value["decisionRequirementsKey"],
        decisionOutput=_value(value["decisionOutput"]),
        evaluatedDecisions=[_evaluated(decision) for decision in value["evaluatedDecisions"]],
        failedDecisionId=value["failedDecisionId"],
        failureMessage=value["evaluationFailureMessage"],
        tenantId=value["tenantId"],
        decisionInstanceKey=answer.key,
        decisionEvaluationKey=answer.key,
    )


def _evaluated(decision: Mapping[str, Any]) -> pb.EvaluatedDecision:
    return pb.EvaluatedDecision(
        decisionKey=decision["decisionKey"],
        decisionId=decision["decisionId"],
        decisionName=decision["decisionName"],
        decisionVersion=decision["decisionVersion"],
        decisionType=decision["decisionType"],
        decisionOutput=_value(decision["decisionOutput"]),
        evaluatedInputs=[
            pb.EvaluatedDecisionInput(inputId=i["inputId"], inputName=i["inputName"], inputValue=_value(i["inputValue"]))
            for i in decision["evaluatedInputs"]
        ],
        matchedRules=[
            pb.MatchedDecisionRule(
                ruleId=rule["ruleId"],
                ruleIndex=rule["ruleIndex"],
                evaluatedOutputs=[
                    pb.EvaluatedDecisionOutput(outputId=o["outputId"], outputName=o["outputName"], outputValue=_value(o["outputValue"]))
                    for o in rule["evaluatedOutputs"]
                ],
            )
            for rule in decision["matchedRules"]
        ],
        tenantId=decision["tenantId"],
        decisionEvaluationInstanceKey=decision.get("decisionEvaluationInstanceKey", ""),
    )
