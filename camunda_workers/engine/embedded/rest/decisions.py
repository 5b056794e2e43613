"""Decisions and expressions: evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.commands import Answer
from camunda_workers.engine.embedded.documents import EMPTY, unpack
from camunda_workers.engine.embedded.expressions import evaluate
from camunda_workers.engine.embedded.java import in_java_thread
from camunda_workers.engine.embedded.rest.bodies import Body, Document, Key, Tenant, Text
from camunda_workers.engine.embedded.rest.context import bridge_of, engine_of
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.errors import InvalidArgument


class EvaluateDecision(Body):
    """A decision by key, or the latest version of an id."""

    decision_definition_id: str = ""
    decision_definition_key: Key | None = None
    variables: Document = EMPTY
    tenant_id: Tenant = ""


async def evaluate_decision(request: Request, body: EvaluateDecision) -> Response:
    """Evaluate a decision."""
    if body.decision_definition_id and body.decision_definition_key:
        raise InvalidArgument("Only one of [decisionDefinitionId, decisionDefinitionKey] is allowed.")
    if not body.decision_definition_id and not body.decision_definition_key:
        raise InvalidArgument("At least one of [decisionDefinitionId, decisionDefinitionKey] is required.")
    command = commands.evaluate_decision(
        decision_id=body.decision_definition_id,
        decision_key=body.decision_definition_key or 0,
        variables=body.variables,
        tenant_id=body.tenant_id,
    )
    return JSONResponse(_evaluation(await bridge_of(request).execute(command)))


def _json(packed: bytes) -> str:
    return json.dumps(unpack(packed), ensure_ascii=False, separators=(",", ":")) if packed else ""


def _evaluation(answer: Answer) -> dict[str, Any]:
    value = answer.value
    return {
        "decisionDefinitionKey": str(value["decisionKey"]),
        "decisionDefinitionId": value["decisionId"],
        "decisionDefinitionName": value["decisionName"],
        "decisionDefinitionVersion": value["decisionVersion"],
        "decisionRequirementsId": value["decisionRequirementsId"],
        "decisionRequirementsKey": str(value["decisionRequirementsKey"]),
        "output": _json(value["decisionOutput"]),
        "failedDecisionDefinitionId": value["failedDecisionId"] or None,
        "failureMessage": value["evaluationFailureMessage"] or None,
        "tenantId": value["tenantId"],
        "decisionEvaluationKey": str(answer.key),
        "decisionInstanceKey": str(answer.key),
        "evaluatedDecisions": [
            _evaluated(decision, f"{answer.key}-{number}") for number, decision in enumerate(value["evaluatedDecisions"], start=1)
        ],
    }


def _evaluated(decision: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {
        "decisionEvaluationInstanceKey": decision.get("decisionEvaluationInstanceKey") or key,
        "decisionDefinitionKey": str(decision["decisionKey"]),
        "decisionDefinitionId": decision["decisionId"],
        "decisionDefinitionName": decision["decisionName"],
        "decisionDefinitionVersion": decision["decisionVersion"],
        "decisionDefinitionType": decision["decisionType"],
        "output": _json(decision["decisionOutput"]),
        "tenantId": decision["tenantId"],
        "evaluatedInputs": [
            {"inputId": one["inputId"], "inputName": one["inputName"], "inputValue": _json(one["inputValue"])}
            for one in decision["evaluatedInputs"]
        ],
        "matchedRules": [
            {
                "ruleId": rule["ruleId"],
                "ruleIndex": rule["ruleIndex"],
                "evaluatedOutputs": [
                    {
                        "outputId": one["outputId"],
                        "outputName": one["outputName"],
                        "outputValue": _json(one["outputValue"]),
                        "ruleId": rule["ruleId"],
                        "ruleIndex": rule["ruleIndex"],
                    }
                    for one in rule["evaluatedOutputs"]
                ],
            }
            for rule in decision["matchedRules"]
        ],
    }


class EvaluateExpression(Body):
    """A FEEL expression, beginning with ``=``, and its variables."""

    expression: Text
    tenant_id: Tenant = ""
    variables: Document = EMPTY


async def evaluate_expression(request: Request, body: EvaluateExpression) -> Response:
    """Evaluate a FEEL expression as the engine would."""
    now = engine_of(request).clock.milliseconds()
    result, warnings = await in_java_thread(evaluate, body.expression, unpack(body.variables), now)
    return JSONResponse(
        {"expression": body.expression, "result": result, "warnings": [{"message": text} for text in warnings], "referencedSecrets": []}
    )


OPERATIONS = [
    Operation("POST", "/decision-definitions/evaluation", evaluate_decision, EvaluateDecision, refusals=(404,)),
    Operation("POST", "/expression/evaluation", evaluate_expression, EvaluateExpression),
]
