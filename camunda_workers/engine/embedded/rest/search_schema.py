"""The JSON schema of a search request, made from what can be searched."""

from __future__ import annotations

from typing import Any

from camunda_workers.events.filters import Kind
from camunda_workers.events.search import MAX_LIMIT, Entity

_PLAIN: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.KEY: {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
    Kind.INTEGER: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    Kind.DATE: {"type": "string", "format": "date-time"},
    Kind.FLAG: {"type": "boolean"},
}
_OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("$eq", "$neq", "$like"),
    Kind.KEY: ("$eq", "$neq"),
    Kind.INTEGER: ("$eq", "$neq", "$gt", "$gte", "$lt", "$lte"),
    Kind.DATE: ("$eq", "$neq", "$gt", "$gte", "$lt", "$lte"),
}


def _filter(kind: Kind) -> dict[str, Any]:
    plain = _PLAIN[kind]
    if kind is Kind.FLAG:
        return plain
    operators: dict[str, Any] = dict.fromkeys(_OPERATORS[kind], plain)
    operators |= {"$exists": {"type": "boolean"}, "$in": {"type": "array", "items": plain, "maxItems": 100}}
    return {"anyOf": [plain, {"type": "object", "properties": operators, "additionalProperties": False}]}


def _page() -> dict[str, Any]:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}
    parts = [
        {"from": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}},
        {"after": {"type": "string"}},
        {"before": {"type": "string"}},
    ]
    return {"anyOf": [{"type": "object", "additionalProperties": False, "properties": part | {"limit": limit}} for part in parts]}


FILTER_SCHEMAS: dict[str, dict[str, Any]] = {f"{kind.name.title()}Filter": _filter(kind) for kind in _PLAIN} | {"Page": _page()}
"""The filters by kind, under the names that search schemas refer to."""


def search_schema(entity: Entity) -> dict[str, Any]:
    """Return the schema of the request that searches for an entity."""
    fields = {
        name: {"$ref": f"#/components/schemas/{field.kind.name.title()}Filter"}
        for name, field in entity.fields.items()
        if field.kind in _PLAIN and name not in entity.hidden
    }
    sortable = sorted(fields)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            # Further filters (candidateGroup, variables, tags …) have shapes of their own; they are in the documentation.
            "filter": {"type": "object", "properties": fields},
            "sort": {
                "type": "array",
                "maxItems": 10,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"field": {"enum": sortable}, "order": {"enum": ["ASC", "DESC"]}},
                    "required": ["field"],
                },
            },
            "page": {"$ref": "#/components/schemas/Page"},
        },
    }
