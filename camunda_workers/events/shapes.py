"""Small steps between the tables and the shapes of Camunda's REST API v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from camunda_workers.events.entities import TRUNCATED_AT
from camunda_workers.events.projections.work import variables

Found = dict[str, Any]


def innermost(connection: Connection, scopes: Sequence[int]) -> list[int]:
    """Of the variables in these scopes, the innermost first, those that no inner one hides."""
    query = select(variables.c.key, variables.c.name, variables.c.scope_key).where(variables.c.scope_key.in_(scopes))
    seen: dict[str, int] = {}
    for row in sorted(connection.execute(query), key=lambda row: scopes.index(row.scope_key)):
        seen.setdefault(row.name, row.key)
    return list(seen.values())


def with_truncation(found: Found, *, truncate: bool) -> Found:
    for item in found["items"]:
        item["isTruncated"] = truncate and len(item["value"]) > TRUNCATED_AT
        if item["isTruncated"]:
            item["value"] = item["value"][:TRUNCATED_AT]
    return found


def input_shown(one: dict[str, Any]) -> Found:
    return {"inputId": one.get("inputId"), "inputName": one.get("inputName"), "inputValue": one.get("inputValue")}


def rule_shown(one: dict[str, Any]) -> Found:
    given: list[dict[str, Any]] = one.get("evaluatedOutputs") or []
    rule = {"ruleId": one.get("ruleId"), "ruleIndex": one.get("ruleIndex")}
    outputs = [{name: out.get(name) for name in ("outputId", "outputName", "outputValue")} | rule for out in given]
    return rule | {"evaluatedOutputs": outputs}
