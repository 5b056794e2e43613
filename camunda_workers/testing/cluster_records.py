"""What a cluster's searches say, as records: a cluster gives out no log, and everything in the kit reads one."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from camunda_workers.client import Client
from camunda_workers.client.retry import Repeat
from camunda_workers.errors import EngineError, NotFound

Item = Mapping[str, Any]

_LIMIT = 1000
_JOB_INTENTS = {"RETRIES_UPDATED": "CREATED", "MIGRATED": "CREATED", "TIMEOUT_UPDATED": "CREATED"}
_ELEMENT_ENDS = {"COMPLETED": "ELEMENT_COMPLETED", "TERMINATED": "ELEMENT_TERMINATED"}
_LISTS = {"candidateGroups": "candidateGroupsList", "candidateUsers": "candidateUsersList"}
_NAMES = {"processDefinitionId": "bpmnProcessId", "processDefinitionVersion": "processDefinitionVersion"}


class SearchClient(Client):
    """A client that also asks for what has no method of its own."""

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Make one call of the REST API."""
        return await self._rest().call(method, path, body, repeat=Repeat.ALWAYS)

    async def diagram(self, definition: int) -> bytes:
        """The XML of a process definition; empty where the cluster does not give it."""
        answer = await self._rest()._http.get(f"/process-definitions/{definition}/xml", headers={"accept": "text/xml"})  # pyright: ignore[reportPrivateUsage]
        return answer.content if answer.status_code == 200 else b""


class ClusterRecords:
    """Follows the process instances of one test, and those they call, by searching.

    Args:
        client: an open client of the cluster.
    """

    def __init__(self, client: SearchClient) -> None:
        self._client = client
        self._tracked: dict[int, None] = {}
        self._lines: list[str] = []
        self._seen: dict[tuple[str, Any], Any] = {}
        self._definitions: set[int] = set()
        self._lock = asyncio.Lock()
        self.last_at = time.monotonic()

    def track(self, instance: int) -> None:
        """Follow a process instance."""
        self._tracked[instance] = None

    async def read(self, after: int, limit: int) -> Sequence[str]:
        """The records above a position, after a look at the cluster."""
        if len(self._lines) <= after:
            await self._poll()
        return self._lines[after : after + limit]

    async def wait(self, after: int, timeout: float) -> bool:
        """Look again until there is a record above a position."""
        end = time.monotonic() + timeout
        while len(self._lines) <= after:
            await self._poll()
            if time.monotonic() >= end:
                break
            await asyncio.sleep(min(0.1, max(0.0, end - time.monotonic())))
        return len(self._lines) > after

    async def _poll(self) -> None:
        if not self._tracked:
            return
        async with self._lock:
            before = len(self._lines)
            instances = await self._instances()
            mine = {"processInstanceKey": {"$in": [str(key) for key in self._tracked]}}
            elements, variables, jobs, tasks, incidents, subscriptions = await asyncio.gather(
                *(
                    self._search(what, mine)
                    for what in ("element-instances", "variables", "jobs", "user-tasks", "incidents", "message-subscriptions")
                )
            )
            # In the order in which an engine writes them, as far as times tell; what is about an element comes after the element began.
            self._begin_instances(instances)
            self._variables(variables)
            self._elements(elements)
            self._jobs(jobs)
            self._entities("USER_TASK", "userTaskKey", tasks)
            self._entities("INCIDENT", "incidentKey", incidents)
            self._subscriptions(subscriptions)
            for one in instances:
                await self._flows(one)
                await self._decisions(one)
            self._end_instances(instances)
            if len(self._lines) > before:
                self.last_at = time.monotonic()

    async def _instances(self) -> list[Item]:
        found: dict[int, Item] = {}
        asked: set[int] = set()
        while new := [key for key in self._tracked if key not in asked]:
            asked.update(new)
            keys = {"$in": [str(key) for key in new]}
            for name in ("processInstanceKey", "parentProcessInstanceKey"):
                for one in await self._search("process-instances", {name: keys}):
                    found[int(one["processInstanceKey"])] = one
                    self._tracked[int(one["processInstanceKey"])] = None
        for one in found.values():
            definition = int(one["processDefinitionKey"])
            if definition not in self._definitions:
                self._definitions.add(definition)
                content = base64.b64encode(await self._client.diagram(definition)).decode()
                process_id = one["processDefinitionId"]
                value = {
                    "bpmnProcessId": process_id, "version": one["processDefinitionVersion"], "processDefinitionKey": definition,
                    "resourceName": f"{process_id}.bpmn", "resource": content, "checksum": "", "duplicate": False,
                }  # fmt: skip
                self._write("PROCESS", "CREATED", definition, value, one["startDate"])
        return sorted(found.values(), key=lambda one: int(one["processInstanceKey"]))

    async def _search(self, what: str, filter: Mapping[str, Any]) -> list[Item]:
        path = f"/{what}/search" + ("?truncateValues=false" if what == "variables" else "")
        found: list[Item] = []
        page: dict[str, Any] = {"limit": _LIMIT}
        while True:
            answer = await self._client.ask("POST", path, {"filter": filter, "page": page})
            found += answer["items"]
            cursor = answer["page"].get("endCursor")
            if len(answer["items"]) < _LIMIT or not cursor:
                return found
            page = {"limit": _LIMIT, "after": cursor}

    def _news(self, kind: str, key: Any, fact: Any) -> bool:
        known = self._seen.get((kind, key))
        self._seen[kind, key] = fact
        return known != fact

    def _write(self, kind: str, intent: str, key: int, value: Mapping[str, Any], when: str | None) -> None:
        record = {
            "partitionId": 1, "position": len(self._lines) + 1, "sourceRecordPosition": -1, "key": key, "timestamp": _milliseconds(when),
            "recordType": "EVENT", "valueType": kind, "intent": intent, "rejectionType": "NULL_VAL", "rejectionReason": "", "value": value,
        }  # fmt: skip
        self._lines.append(json.dumps(record))

    def _begin_instances(self, instances: Iterable[Item]) -> None:
        for one in instances:
            key = int(one["processInstanceKey"])
            if self._news("begun", key, True):
                self._write("PROCESS_INSTANCE", "ELEMENT_ACTIVATING", key, _process(one), one["startDate"])
                self._write("PROCESS_INSTANCE", "ELEMENT_ACTIVATED", key, _process(one), one["startDate"])

    def _end_instances(self, instances: Iterable[Item]) -> None:
        for one in instances:
            key, intent = int(one["processInstanceKey"]), _ELEMENT_ENDS.get(one["state"])
            if intent is not None and self._news("ended", key, intent):
                self._write("PROCESS_INSTANCE", intent, key, _process(one), one["endDate"])

    def _elements(self, elements: Iterable[Item]) -> None:
        moments: list[tuple[str, int, int, str, Item]] = []
        for one in elements:
            key, ended = int(one["elementInstanceKey"]), _ELEMENT_ENDS.get(one["state"])
            if self._news("element begun", key, True):
                moments.append((one["startDate"], key, 0, "ELEMENT_ACTIVATING", one))
                moments.append((one["startDate"], key, 1, "ELEMENT_ACTIVATED", one))
            if ended is not None and self._news("element ended", key, ended):
                moments.append((one["endDate"] or one["startDate"], key, 2, ended, one))
        for when, key, _, intent, one in sorted(moments, key=lambda moment: moment[:3]):
            self._write("PROCESS_INSTANCE", intent, key, _element(one), when)

    def _variables(self, variables: Iterable[Item]) -> None:
        for one in variables:
            key = int(one["variableKey"])
            intent = "UPDATED" if ("variable", key) in self._seen else "CREATED"
            if self._news("variable", key, one["value"]):
                value = {**_keys(one), "name": one["name"], "value": one["value"]}
                self._write("VARIABLE", intent, key, value, None)

    def _jobs(self, jobs: Iterable[Item]) -> None:
        for one in jobs:
            key, value = int(one["jobKey"]), _keys(one)
            value |= {
                "jobKind": one.get("kind"), "jobListenerEventType": one.get("listenerEventType"), "variables": {}, "retryBackoff": 0,
                "recurringTime": -1, "deadline": _milliseconds(one.get("deadline")), "errorCode": one.get("errorCode") or "",
                "errorMessage": one.get("errorMessage") or "",
            }  # fmt: skip
            if self._news("job begun", key, True):
                self._write("JOB", "CREATED", key, value, one.get("creationTime"))
            intent = _JOB_INTENTS.get(one["state"]) or str(one["state"])
            if self._news("job", key, (intent, one.get("retries"))) and intent != "CREATED":
                self._write("JOB", intent, key, value, one.get("endTime") or one.get("lastUpdateTime"))

    def _entities(self, kind: str, name: str, items: Iterable[Item]) -> None:
        for one in items:
            key, value, now = int(one[name]), _keys(one), one["state"]
            if kind == "USER_TASK":
                # What a task no longer has must be said, or it would seem to have it for ever.
                value = {"assignee": "", "dueDate": "", "followUpDate": "", **value}
            when = one.get("creationDate") or one.get("creationTime")
            fact = json.dumps(one, sort_keys=True)
            is_new = (kind, key) not in self._seen
            if not self._news(kind, key, fact):
                continue
            if is_new:
                self._write(kind, "CREATED", key, value, when)
            if kind == "INCIDENT" and now == "RESOLVED":
                self._write(kind, "RESOLVED", key, value, None)
            elif kind == "USER_TASK" and now in ("COMPLETED", "CANCELED"):
                self._write(kind, now, key, value, one.get("completionDate"))
            elif not is_new:
                self._write(kind, "UPDATED", key, value, None)

    def _subscriptions(self, subscriptions: Iterable[Item]) -> None:
        kind = "PROCESS_MESSAGE_SUBSCRIPTION"
        for one in subscriptions:
            key, value = int(one["messageSubscriptionKey"]), {**_keys(one), "interrupting": True}
            if self._news("subscribed", key, True):
                self._write(kind, "CREATED", key, value, None)
            intent = one["messageSubscriptionState"]
            if intent != "CREATED" and self._news("subscription", key, (intent, one.get("lastUpdatedDate"))):
                self._write(kind, intent, key, value, one.get("lastUpdatedDate"))

    async def _flows(self, instance: Item) -> None:
        key = instance["processInstanceKey"]
        try:
            flows = (await self._client.ask("GET", f"/process-instances/{key}/sequence-flows"))["items"]
        except NotFound:
            return
        for one in flows:
            if self._news("flow", one["sequenceFlowId"], True):
                value = {**_process(instance), "bpmnElementType": "SEQUENCE_FLOW", "elementId": one["elementId"], "flowScopeKey": int(key)}
                self._write("PROCESS_INSTANCE", "SEQUENCE_FLOW_TAKEN", -1, value, None)

    async def _decisions(self, instance: Item) -> None:
        for one in await self._search("decision-instances", {"processInstanceKey": instance["processInstanceKey"]}):
            name = one["decisionEvaluationInstanceKey"] if "decisionEvaluationInstanceKey" in one else one["decisionInstanceId"]
            if not self._news("decision", name, True):
                continue
            try:
                whole = await self._client.ask("GET", f"/decision-instances/{name}")
            except EngineError:
                whole = one
            self._write("DECISION_EVALUATION", "EVALUATED", int(one.get("decisionEvaluationKey") or -1), _decision(whole), None)


def _milliseconds(when: str | None) -> int:
    return int(datetime.fromisoformat(when).timestamp() * 1000) if when else int(time.time() * 1000)


def _keys(item: Item) -> dict[str, Any]:
    """An item of the API as a record's value: keys are numbers, lists and ids have the engine's names, what is not set is left out."""
    value: dict[str, Any] = {"tenantId": "<default>", "jobKey": -1} if "incidentKey" in item else {"tenantId": "<default>"}
    for name, one in item.items():
        if one is not None:
            value[_LISTS.get(name) or _NAMES.get(name, name)] = int(one) if name.endswith("Key") and name != "correlationKey" else one
    return value


def _process(one: Item) -> dict[str, Any]:
    return {
        "bpmnElementType": "PROCESS", "elementId": one["processDefinitionId"], "bpmnProcessId": one["processDefinitionId"],
        "version": one["processDefinitionVersion"], "processDefinitionKey": int(one["processDefinitionKey"]),
        "processInstanceKey": int(one["processInstanceKey"]), "flowScopeKey": -1, "bpmnEventType": "UNSPECIFIED",
        "parentProcessInstanceKey": int(one.get("parentProcessInstanceKey") or -1),
        "parentElementInstanceKey": int(one.get("parentElementInstanceKey") or -1), "tags": list(one.get("tags") or ()), "tenantId": "<default>",
    }  # fmt: skip


def _element(one: Item) -> dict[str, Any]:
    owner = int(one["processInstanceKey"])
    return {
        "bpmnElementType": one["type"], "elementId": one["elementId"], "bpmnProcessId": one["processDefinitionId"], "version": 1,
        "processDefinitionKey": int(one["processDefinitionKey"]), "processInstanceKey": owner, "flowScopeKey": owner,
        "bpmnEventType": "UNSPECIFIED", "parentProcessInstanceKey": -1, "parentElementInstanceKey": -1, "tags": [], "tenantId": "<default>",
    }  # fmt: skip


def _decision(one: Item) -> dict[str, Any]:
    failed = one.get("state") == "FAILED"
    decision = {
        "decisionId": one["decisionDefinitionId"], "decisionName": one["decisionDefinitionName"], "decisionOutput": one.get("result"),
        "matchedRules": [{"ruleId": rule["ruleId"], "ruleIndex": rule["ruleIndex"]} for rule in one.get("matchedRules") or ()],
        "evaluatedInputs": [
            {"inputId": given["inputId"], "inputName": given.get("inputName"), "inputValue": given.get("inputValue")}
            for given in one.get("evaluatedInputs") or ()
        ],
    }  # fmt: skip
    return {
        "processInstanceKey": int(one["processInstanceKey"]), "elementId": one.get("elementId") or "", "evaluatedDecisions": [decision],
        "decisionRequirementsKey": int(one.get("decisionRequirementsKey") or -1), "tenantId": "<default>",
        "evaluationFailureMessage": one.get("evaluationFailure") or "", "failedDecisionId": one["decisionDefinitionId"] if failed else "",
    }  # fmt: skip
