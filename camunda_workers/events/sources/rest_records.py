"""From what a search of the REST API v2 shows to records in the engine's shape; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from camunda_workers.events.dates import millis_or_none

PARTITION: Final = 1
CHANGING: Final = ":="
"""In the name of a record that says what something is now: it is new whenever that is not what was seen last."""


@dataclass(frozen=True, slots=True)
class Made:
    """A record that was made, without its position; ``name`` is what it is known by, so that it is added once."""

    name: str
    at: int
    key: int
    value_type: str
    intent: str
    value: Mapping[str, Any]

    def to_json(self, position: int) -> str:
        """The record, at a position."""
        return json.dumps(
            {
                "valueType": self.value_type, "key": self.key, "position": position, "timestamp": self.at, "recordType": "EVENT",
                "intent": self.intent, "partitionId": PARTITION, "rejectionType": "NULL_VAL", "rejectionReason": "", "value": self.value,
                "sourceRecordPosition": -1, "polled": True,
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )  # fmt: skip


def _key(one: Mapping[str, Any], name: str) -> int:
    return int(one[name]) if one.get(name) not in (None, "") else -1


def _about(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bpmnProcessId": one.get("processDefinitionId"),
        "processDefinitionKey": _key(one, "processDefinitionKey"),
        "processInstanceKey": _key(one, "processInstanceKey"),
        "tenantId": one.get("tenantId"),
    }


def _lifecycle(kind: str, key: int, one: Mapping[str, Any], value: Mapping[str, Any]) -> list[Made]:
    start, end = millis_or_none(one.get("startDate")) or 0, millis_or_none(one.get("endDate"))
    made = [
        Made(f"rest:{kind}:{key}:{intent}", start, key, "PROCESS_INSTANCE", intent, value)
        for intent in ("ELEMENT_ACTIVATING", "ELEMENT_ACTIVATED")
    ]
    if end is not None:
        intent = "ELEMENT_TERMINATED" if one.get("state") in {"TERMINATED", "CANCELED"} else "ELEMENT_COMPLETED"
        made.append(Made(f"rest:{kind}:{key}:{intent}", end, key, "PROCESS_INSTANCE", intent, value))
    return made


def instance_records(one: Mapping[str, Any]) -> list[Made]:
    """Of a process instance."""
    key = _key(one, "processInstanceKey")
    value: dict[str, Any] = _about(one) | {
        "elementId": one.get("processDefinitionId"),
        "bpmnElementType": "PROCESS",
        "version": one.get("processDefinitionVersion"),
        "flowScopeKey": -1,
        "parentProcessInstanceKey": _key(one, "parentProcessInstanceKey"),
        "parentElementInstanceKey": _key(one, "parentElementInstanceKey"),
        "tags": list(one.get("tags") or ()),
    }
    if one.get("businessId"):
        value["businessId"] = one["businessId"]
    return _lifecycle("PROCESS_INSTANCE", key, one, value)


def _element(one: Mapping[str, Any], now: datetime) -> list[Made]:
    del now
    key = _key(one, "elementInstanceKey")
    scope = _key(one, "processInstanceKey")
    value = _about(one) | {"elementId": one.get("elementId"), "bpmnElementType": one.get("type"), "flowScopeKey": scope}
    return _lifecycle("ELEMENT_INSTANCE", key, one, value)


def _user_task(one: Mapping[str, Any], now: datetime) -> list[Made]:
    key = _key(one, "userTaskKey")
    created, ended = millis_or_none(one.get("creationDate")) or 0, millis_or_none(one.get("completionDate"))
    value: dict[str, Any] = _about(one) | {
        "userTaskKey": key,
        "elementId": one.get("elementId"),
        "elementInstanceKey": _key(one, "elementInstanceKey"),
        "processDefinitionVersion": one.get("processDefinitionVersion"),
        "assignee": one.get("assignee") or "",
        "candidateGroupsList": list(one.get("candidateGroups") or ()),
        "candidateUsersList": list(one.get("candidateUsers") or ()),
        "dueDate": one.get("dueDate") or "",
        "followUpDate": one.get("followUpDate") or "",
        "priority": one.get("priority"),
        "formKey": _key(one, "formKey"),
        "externalFormReference": one.get("externalFormReference") or "",
        "customHeaders": one.get("customHeaders") or {},
        "creationTimestamp": created,
    }
    made = [Made(f"rest:USER_TASK:{key}:CREATED", created, key, "USER_TASK", "CREATED", value | {"assignee": ""})]
    if ended is None or one.get("assignee"):  # given back is a change, too
        at = ended or int(now.timestamp() * 1000)
        made.append(
            Made(f"rest:USER_TASK:{key}:ASSIGNED{CHANGING}{_digest(one.get('assignee') or '')}", at, key, "USER_TASK", "ASSIGNED", value)
        )
    if ended is not None or one.get("state") in {"COMPLETED", "CANCELED"}:
        intent = "COMPLETED" if one.get("state") == "COMPLETED" else "CANCELED"
        made.append(Made(f"rest:USER_TASK:{key}:{intent}", ended or int(now.timestamp() * 1000), key, "USER_TASK", intent, value))
    return made


def _incident(one: Mapping[str, Any], now: datetime) -> list[Made]:
    key = _key(one, "incidentKey")
    value = _about(one) | {
        "elementId": one.get("elementId"),
        "elementInstanceKey": _key(one, "elementInstanceKey"),
        "jobKey": _key(one, "jobKey"),
        "errorType": one.get("errorType"),
        "errorMessage": one.get("errorMessage") or "",
    }
    made = [Made(f"rest:INCIDENT:{key}:CREATED", millis_or_none(one.get("creationTime")) or 0, key, "INCIDENT", "CREATED", value)]
    if one.get("state") == "RESOLVED":
        made.append(Made(f"rest:INCIDENT:{key}:RESOLVED", int(now.timestamp() * 1000), key, "INCIDENT", "RESOLVED", value))
    return made


def _variable(one: Mapping[str, Any], now: datetime) -> list[Made]:
    key = _key(one, "variableKey")
    value = _about(one) | {"name": one.get("name"), "value": one.get("value"), "scopeKey": _key(one, "scopeKey")}
    return [
        Made(f"rest:VARIABLE:{key}{CHANGING}{_digest(one.get('value'))}", int(now.timestamp() * 1000), key, "VARIABLE", "UPDATED", value)
    ]


def _digest(value: Any) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()[:16]


NOTHING: Final = _digest("")

KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], datetime], list[Made]]]] = {
    "element-instances": _element,
    "user-tasks": _user_task,
    "incidents": _incident,
    "variables": _variable,
}
