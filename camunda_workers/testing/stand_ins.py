"""Decisions and processes that stand in for real ones, as resources to deploy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from xml.sax.saxutils import escape, quoteattr

from camunda_workers.client import Resource
from camunda_workers.client.variables import to_jsonable
from camunda_workers.errors import InvalidArgument

_ID = re.compile(r"[A-Za-z_][\w.\-]*")


def feel(value: Any) -> str:
    """A JSON value as a FEEL literal."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value)
        return "{" + ", ".join(f"{_text(name)}: {feel(one)}" for name, one in items.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(feel(one) for one in cast("list[Any]", value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return format(value, "f").rstrip("0").rstrip(".") if value == value and abs(value) != float("inf") else "null"
    return json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def decision(decision_id: str, output: Any) -> Resource:
    """A decision that answers the same whatever it is asked."""
    _check(decision_id)
    answer = feel(to_jsonable({"it": output})["it"])
    dmn = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" '
        f'id={quoteattr("mock-" + decision_id)} name={quoteattr("mock of " + decision_id)} namespace="http://camunda.org/schema/1.0/dmn">'
        f"<decision id={quoteattr(decision_id)} name={quoteattr(decision_id)}>"
        f'<variable id="result" name="result"/><literalExpression id="answer"><text>{escape(answer)}</text></literalExpression>'
        "</decision></definitions>"
    )
    return Resource(f"mock-{decision_id}.dmn", dmn.encode())


def process(process_id: str, variables: Mapping[str, Any], throws: str | None, version_tag: str = "") -> Resource:
    """A process that ends at once, with variables or an error."""
    _check(process_id)
    given = to_jsonable(variables)
    outputs = "".join(f"<zeebe:output source={quoteattr('=' + feel(value))} target={quoteattr(name)}/>" for name, value in given.items())
    mapping = f"<extensionElements><zeebe:ioMapping>{outputs}</zeebe:ioMapping></extensionElements>" if outputs else ""
    error = f'<error id="thrown" errorCode={quoteattr(throws)}/>' if throws is not None else ""
    tag = f"<extensionElements><zeebe:versionTag value={quoteattr(version_tag)}/></extensionElements>" if version_tag else ""
    end = '<errorEventDefinition errorRef="thrown"/>' if throws is not None else ""
    bpmn = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
        f'id="mock" targetNamespace="http://camunda.org/mock">{error}'
        f'<process id={quoteattr(process_id)} name={quoteattr("mock of " + process_id)} isExecutable="true">{tag}'
        f'<startEvent id="mock-started">{mapping}<outgoing>mock-flow</outgoing></startEvent>'
        '<sequenceFlow id="mock-flow" sourceRef="mock-started" targetRef="mock-ended"/>'
        f'<endEvent id="mock-ended"><incoming>mock-flow</incoming>{end}</endEvent></process></definitions>'
    )
    return Resource(f"mock-{process_id}.bpmn", bpmn.encode())


def _check(identifier: str) -> None:
    if not _ID.fullmatch(identifier):
        raise InvalidArgument(f"'{identifier}' cannot be the id of something to mock: a letter or _ first, then letters, digits and . - _")
