"""What is served, as an OpenAPI description, made from the operations themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from camunda_workers.engine.embedded.jars import DEFAULT_ENGINE_VERSION
from camunda_workers.engine.embedded.rest.operation import PREFIX, Operation
from camunda_workers.engine.embedded.rest.search_schema import FILTER_SCHEMAS

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "instance"],
}
_WORDS = {
    200: "Done.",
    201: "Created.",
    204: "Done; nothing to say.",
    207: "Some were refused.",
    400: "The request cannot be read, or something in it is not allowed.",
    401: "Who asks is not known.",
    404: "There is no such thing.",
    408: "The body stopped in its middle.",
    409: "Not in this state, or already there.",
    413: "Too large.",
    415: "Another content type is expected.",
    500: "The engine failed.",
    501: "This engine cannot do that.",
    503: "The engine is busy or not there.",
    504: "No answer in time.",
}


class _Schemas(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        # Variables are kept packed; nothing given is the empty object.
        return {} if isinstance(dft, bytes) else super().encode_default(dft)


def describe(operations: Sequence[Operation], version: str = DEFAULT_ENGINE_VERSION) -> dict[str, Any]:
    """Return the description of these operations, as this version of the engine does them."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM, **FILTER_SCHEMAS}
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Orchestration Cluster REST API, as camunda-workers serves it",
            "version": version,
            "description": "Paths and shapes are those of Camunda's own description; see docs/rest-api.md for what is not served.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    has_body = operation.body is not None or operation.form is not None
    # Every operation can meet an engine that is stopped or fails, or one that asks who comes.
    refusals = {400, 401, *operation.refusals, *((408, 413, 415) if has_body else ()), 500, 503}
    shown: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": (operation.handle.__doc__ or "").strip().splitlines()[0],
        "tags": [operation.path.split("/")[1]],
        "responses": {
            **{str(status): _answer(operation, status) for status in operation.answers},
            **{str(status): _refusal(status) for status in sorted(refusals)},
        },
    }
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", operation.path)]
    parameters += [
        {"name": name, "in": "query", "required": bool(schema.get("x-required")), "schema": dict(schema)}
        for name, schema in operation.query.items()
    ]
    if parameters:
        shown["parameters"] = parameters
    if has_body:
        shown["requestBody"] = _body(operation, schemas)
    return shown


def _path_parameter(name: str) -> dict[str, Any]:
    keyed = name.endswith("Key") and name != "decisionEvaluationInstanceKey"
    schema: dict[str, Any] = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"} if keyed else {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": _WORDS[status]}
    if status != 204:
        shown["content"] = {operation.shown: {"schema": {"type": "object"} if operation.shown == "application/json" else {}}}
    return shown


def _refusal(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": _WORDS[status], "content": content}


def _body(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if operation.form is not None:
        return {"required": True, "content": {"multipart/form-data": {"schema": dict(operation.form)}}}
    assert operation.body is not None
    if operation.body_schema is not None:
        return {"required": False, "content": {"application/json": {"schema": dict(operation.body_schema)}}}
    # Models in different modules share names: each is nested under its operation's.
    prefix = operation.operation_id
    template = "#/components/schemas/" + prefix + ".{model}"
    schema = operation.body.model_json_schema(ref_template=template, schema_generator=_Schemas)
    for name, nested in schema.pop("$defs", {}).items():
        schemas[f"{prefix}.{name}"] = nested
    return {"required": bool(schema.get("required")), "content": {"application/json": {"schema": schema}}}
