"""A tour through the whole REST API on a running engine: every operation is called at least once, and every exchange is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.rest_resources import RESOURCES


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer; ``path`` has Camunda's parameter names."""

    method: str
    path: str
    response: httpx.Response


class Tour:
    """Calls operations by the paths of Camunda's description and keeps what came back."""

    def __init__(self, rest: httpx.AsyncClient) -> None:
        self._rest = rest
        self.exchanges: list[Exchange] = []

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **arguments: Any) -> Any:
        """Call an operation; path parameters are keyword arguments, ``files``, ``params`` and ``data`` go to httpx."""
        to_httpx = {name: arguments.pop(name) for name in ("files", "params", "data") if name in arguments}
        response = await self._rest.request(method, path.format(**arguments), json=body, **to_httpx)
        assert response.status_code == expect, f"{method} {path} {body}: {response.status_code} {response.text[:500]}"
        self.exchanges.append(Exchange(method, path, response))
        kind = response.headers.get("content-type", "")
        return response.json() if kind.startswith("application/json") else response.text

    async def post(self, path: str, body: Any = None, *, expect: int = 200, **arguments: Any) -> Any:
        """``POST``."""
        return await self.call("POST", path, body, expect=expect, **arguments)

    async def get(self, path: str, *, expect: int = 200, **arguments: Any) -> Any:
        """``GET``."""
        return await self.call("GET", path, expect=expect, **arguments)

    async def find(self, what: str, **filter: Any) -> list[dict[str, Any]]:
        """Search until something is found: followers of the log are a moment behind."""
        for _ in range(200):
            found = (await self.post(f"/{what}/search", {"filter": filter}))["items"]
            if found:
                return found
            self.exchanges.pop()
            await asyncio.sleep(0.01)
        raise AssertionError(f"no {what} with {filter}")

    async def start(self, process_id: str, **variables: Any) -> str:
        """Start an instance and return its key."""
        return (await self.post("/process-instances", {"processDefinitionId": process_id, "variables": variables}))["processInstanceKey"]


async def tour(rest: httpx.AsyncClient) -> list[Exchange]:
    """Go everywhere once."""
    walk = Tour(rest)
    stops: list[Callable[[Tour], Awaitable[None]]] = [
        _cluster, _deploy, _work, _user_task, _incident, _messages, _ad_hoc, _decisions, _instances, _statistics, _batches, _documents,
    ]  # fmt: skip
    for stop in stops:
        await stop(walk)
    return walk.exchanges


async def _cluster(walk: Tour) -> None:
    await walk.get("/topology")
    await walk.get("/status", expect=204)
    await walk.get("/license")
    await walk.get("/authentication/me")
    await walk.call("PUT", "/clock", {"timestamp": 4_000_000_000_000}, expect=204)
    await walk.post("/clock/reset", expect=204)


async def _deploy(walk: Tour) -> None:
    parts = [("resources", (name, content)) for name, content in RESOURCES.items()]
    deployed = (await walk.post("/deployments", files=parts))["deployments"]
    script = next(one["resource"]["resourceKey"] for one in deployed if one["resource"])
    await walk.get("/resources/{resourceKey}", resourceKey=script)
    assert "Tasks" in (await walk.get("/resources/{resourceKey}/content", resourceKey=script))["script"]
    assert "Tasks" in await walk.get("/resources/{resourceKey}/content/binary", resourceKey=script)
    await walk.post("/resources/{resourceKey}/deletion", {}, resourceKey=script)
    definition = (await walk.find("process-definitions", processDefinitionId="tour-work", isLatestVersion=True))[0]["processDefinitionKey"]
    path = "/process-definitions/{processDefinitionKey}"
    await walk.get(path, processDefinitionKey=definition)
    assert "tour-work" in await walk.get(f"{path}/xml", processDefinitionKey=definition)
    await walk.get(f"{path}/form", expect=204, processDefinitionKey=definition)


async def _work(walk: Tour) -> None:
    await walk.start("tour-work", amount=120, text="x" * 9000)
    job = {"type": "work", "worker": "tour", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 5_000}
    (first,) = (await walk.post("/jobs/activation", job))["jobs"]
    key = first["jobKey"]
    await walk.call("PATCH", "/jobs/{jobKey}", {"changeset": {"retries": 5, "timeout": 90_000}}, expect=204, jobKey=key)
    await walk.post("/jobs/{jobKey}/failure", {"retries": 2, "errorMessage": "once"}, expect=204, jobKey=key)
    (again,) = (await walk.post("/jobs/activation", job))["jobs"]
    await walk.post("/jobs/{jobKey}/completion", {"variables": {"done": True}}, expect=204, jobKey=again["jobKey"])
    await walk.find("jobs", jobKey=key)


async def _user_task(walk: Tour) -> None:
    (task,) = await walk.find("user-tasks", elementId="review", state="CREATED")
    path, key = "/user-tasks/{userTaskKey}", task["userTaskKey"]
    await walk.get(path, userTaskKey=key)
    shown = await walk.get(f"{path}/form", userTaskKey=key)
    await walk.get("/forms/{formKey}", formKey=shown["formKey"])
    await walk.post(f"{path}/assignment", {"assignee": "ada"}, expect=204, userTaskKey=key)
    await walk.call("DELETE", f"{path}/assignee", expect=204, userTaskKey=key)
    change = {"changeset": {"priority": 70, "dueDate": "2040-01-01T00:00:00Z", "candidateUsers": ["ada"]}}
    await walk.call("PATCH", path, change, expect=204, userTaskKey=key)
    scope = task["elementInstanceKey"]
    local = {"variables": {"amount": 7}, "local": True}
    await walk.call("PUT", "/element-instances/{elementInstanceKey}/variables", local, expect=204, elementInstanceKey=scope)
    seen = (await walk.post(f"{path}/variables/search", {}, userTaskKey=key))["items"]
    assert sorted(one["value"] for one in seen if one["name"] == "amount") == ["120", "7"]
    effective = (await walk.post(f"{path}/effective-variables/search", {}, userTaskKey=key))["items"]
    assert [one["value"] for one in effective if one["name"] == "amount"] == ["7"]
    found = await walk.find("variables", name="text")
    assert found[0]["isTruncated"]
    assert len((await walk.get("/variables/{variableKey}", variableKey=found[0]["variableKey"]))["value"]) == 9002
    await walk.get("/element-instances/{elementInstanceKey}", elementInstanceKey=scope)
    await walk.find("element-instances", elementId="review", state="ACTIVE")
    await walk.post(f"{path}/completion", {"variables": {"approved": True}}, expect=204, userTaskKey=key)
    history = (await walk.post(f"{path}/audit-logs/search", {"sort": [{"field": "timestamp"}]}, userTaskKey=key))["items"]
    # Setting a variable at a task updates the task, too.
    assert [one["operationType"] for one in history] == ["CREATE", "ASSIGN", "UNASSIGN", "UPDATE", "UPDATE", "COMPLETE"]


async def _incident(walk: Tour) -> None:
    parent = await walk.start("tour-parent")
    job = {"type": "break", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 5_000}
    (broken,) = (await walk.post("/jobs/activation", job))["jobs"]
    await walk.post("/jobs/{jobKey}/failure", {"retries": 0, "errorMessage": "broken for good"}, expect=204, jobKey=broken["jobKey"])
    (incident,) = await walk.find("incidents", state="ACTIVE")
    key, child = incident["incidentKey"], broken["processInstanceKey"]
    await walk.get("/incidents/{incidentKey}", incidentKey=key)
    inside = await walk.post("/process-instances/{processInstanceKey}/incidents/search", {}, processInstanceKey=parent)
    assert [one["incidentKey"] for one in inside["items"]] == [key], "an incident in a called instance is one of its caller's"
    scope = broken["elementInstanceKey"]
    await walk.post("/element-instances/{elementInstanceKey}/incidents/search", {}, elementInstanceKey=scope)
    callers = await walk.get("/process-instances/{processInstanceKey}/call-hierarchy", processInstanceKey=child)
    assert [one["processInstanceKey"] for one in callers] == [parent, child]
    errors = (await walk.post("/incidents/statistics/process-instances-by-error", {}))["items"]
    by_error = {"filter": {"errorHashCode": errors[0]["errorHashCode"]}}
    (found,) = (await walk.post("/incidents/statistics/process-instances-by-definition", by_error))["items"]
    assert (found["processDefinitionId"], found["activeInstancesWithErrorCount"]) == ("tour-broken", 1)
    refill: dict[str, Any] = {"changeset": {"retries": 1}}
    await walk.call("PATCH", "/jobs/{jobKey}", refill, expect=204, jobKey=broken["jobKey"])
    await walk.post("/incidents/{incidentKey}/resolution", expect=204, incidentKey=key)
    (again,) = (await walk.post("/jobs/activation", job))["jobs"]
    await walk.post("/jobs/{jobKey}/failure", {"retries": 0}, expect=204, jobKey=again["jobKey"])
    await walk.call("PATCH", "/jobs/{jobKey}", refill, expect=204, jobKey=broken["jobKey"])
    batch = await walk.post("/process-instances/{processInstanceKey}/incident-resolution", processInstanceKey=child)
    assert (await _ended(walk, batch["batchOperationKey"]))["operationsCompletedCount"] == 1
    (again,) = (await walk.post("/jobs/activation", job))["jobs"]
    await walk.post("/jobs/{jobKey}/error", {"errorCode": "NOBODY"}, expect=204, jobKey=again["jobKey"])


async def _messages(walk: Tour) -> None:
    await walk.start("tour-message", id="a")
    await walk.start("tour-message", id="b")
    await walk.find("message-subscriptions", correlationKey="b", messageSubscriptionState="CREATED")
    open_ones = (await walk.post("/process-definitions/statistics/message-subscriptions", {}))["items"]
    assert open_ones[0]["activeSubscriptions"] == 2
    # The name is the definition's, the version the instance's: each of the two is counted once.
    named = [{"filter": {"processDefinitionVersion": 1, "processDefinitionName": {"$exists": there}}} for there in (True, False)]
    counted = [(await walk.post("/process-definitions/statistics/message-subscriptions", one))["items"] for one in named]
    assert [one["activeSubscriptions"] for items in counted for one in items] == [2]
    await walk.post("/messages/publication", {"name": "paper", "correlationKey": "a", "timeToLive": 1000, "messageId": "m"})
    await walk.post("/messages/correlation", {"name": "paper", "correlationKey": "b"})
    await walk.find("correlated-message-subscriptions", correlationKey="b")
    await walk.post("/signals/broadcast", {"signalName": "nobody-listens", "variables": {"x": 1}})


async def _ad_hoc(walk: Tour) -> None:
    instance = await walk.start("tour-ad-hoc")
    (scope,) = await walk.find("element-instances", elementId="tools", processInstanceKey=instance)
    path = "/element-instances/ad-hoc-activities/{adHocSubProcessInstanceKey}/activation"
    wanted = {"elements": [{"elementId": "look", "variables": {"where": "there"}}]}
    await walk.post(path, wanted, expect=204, adHocSubProcessInstanceKey=scope["elementInstanceKey"])


async def _decisions(walk: Tour) -> None:
    evaluated = await walk.post("/decision-definitions/evaluation", {"decisionDefinitionId": "tour-rate", "variables": {"amount": 200}})
    definition, requirements = evaluated["decisionDefinitionKey"], evaluated["decisionRequirementsKey"]
    await walk.find("decision-definitions", decisionDefinitionId="tour-rate", isLatestVersion=True)
    await walk.get("/decision-definitions/{decisionDefinitionKey}", decisionDefinitionKey=definition)
    await walk.get("/decision-definitions/{decisionDefinitionKey}/xml", decisionDefinitionKey=definition)
    await walk.find("decision-requirements", decisionRequirementsKey=requirements)
    await walk.get("/decision-requirements/{decisionRequirementsKey}", decisionRequirementsKey=requirements)
    await walk.get("/decision-requirements/{decisionRequirementsKey}/xml", decisionRequirementsKey=requirements)
    (one,) = await walk.find("decision-instances", decisionDefinitionId="tour-rate")
    key = one["decisionEvaluationInstanceKey"]
    shown = await walk.get("/decision-instances/{decisionEvaluationInstanceKey}", decisionEvaluationInstanceKey=key)
    assert shown["matchedRules"][0]["ruleIndex"] == 1
    expression = {"expression": "=a + missing", "variables": {"a": 1}}
    assert (await walk.post("/expression/evaluation", expression))["warnings"]


async def _instances(walk: Tour) -> None:
    awaited = {"processDefinitionId": "tour-work", "businessId": "CLM-1", "tags": ["new"], "variables": {"amount": 1}}
    key = (await walk.post("/process-instances", awaited))["processInstanceKey"]
    path = "/process-instances/{processInstanceKey}"
    (found,) = await walk.find("process-instances", businessId="CLM-1", tags=["new"])
    assert found["processInstanceKey"] == key
    await walk.get(path, processInstanceKey=key)
    await walk.get(f"{path}/sequence-flows", processInstanceKey=key)
    counted = (await walk.get(f"{path}/statistics/element-instances", processInstanceKey=key))["items"]
    assert {one["elementId"]: one["active"] for one in counted}["work"] == 1
    instructions = {
        "activateInstructions": [{"elementId": "review", "variableInstructions": [{"variables": {"skipped": True}}]}],
        "terminateInstructions": [{"elementId": "work"}],
    }
    await walk.post(f"{path}/modification", instructions, expect=204, processInstanceKey=key)
    (task,) = await walk.find("user-tasks", processInstanceKey=key, state="CREATED")
    same = (await walk.find("process-definitions", processDefinitionId="tour-work"))[0]["processDefinitionKey"]
    changed = RESOURCES["work.bpmn"].replace(b'name="Review it"', b'name="Look at it"')
    await walk.post("/deployments", files=[("resources", ("work.bpmn", changed))])
    newest = (await walk.find("process-definitions", processDefinitionId="tour-work", version=2))[0]["processDefinitionKey"]
    assert newest != same
    plan = {"targetProcessDefinitionKey": newest, "mappingInstructions": [{"sourceElementId": "review", "targetElementId": "review"}]}
    await walk.post(f"{path}/migration", plan, expect=204, processInstanceKey=key)
    assert (await walk.get("/user-tasks/{userTaskKey}", userTaskKey=task["userTaskKey"]))["processDefinitionVersion"] == 2
    await walk.post(f"{path}/cancellation", expect=204, processInstanceKey=key)


async def _statistics(walk: Tour) -> None:
    definition = (await walk.find("process-definitions", processDefinitionId="tour-work", version=1))[0]["processDefinitionKey"]
    path = "/process-definitions/{processDefinitionKey}/statistics/element-instances"
    counted = (await walk.post(path, {"filter": {"state": "COMPLETED"}}, processDefinitionKey=definition))["items"]
    assert {one["elementId"]: one["completed"] for one in counted}["review"] == 1
    all_of = await walk.post("/process-definitions/statistics/process-instances", {"sort": [{"field": "processDefinitionId"}]})
    work = next(one for one in all_of["items"] if one["processDefinitionId"] == "tour-work")
    assert (work["hasMultipleVersions"], work["activeInstancesWithoutIncidentCount"]) == (True, 0)
    by_version = {"filter": {"processDefinitionId": "tour-work"}, "page": {"from": 0, "limit": 5}}
    versions = await walk.post("/process-definitions/statistics/process-instances-by-version", by_version)
    assert [one["processDefinitionVersion"] for one in versions["items"]] == [1, 2]
    times = {"startTime": "2000-01-01T00:00:00Z", "endTime": "2100-01-01T00:00:00Z"}
    assert (await walk.get("/system/usage-metrics", params=times))["decisionInstances"] == 1


async def _ended(walk: Tour, key: str, state: str = "COMPLETED") -> dict[str, Any]:
    for _ in range(500):
        batch = await walk.get("/batch-operations/{batchOperationKey}", batchOperationKey=key)
        if batch["state"] == state:
            return batch
        walk.exchanges.pop()
        await asyncio.sleep(0.01)
    raise AssertionError(f"batch operation {key} did not become {state}")


async def _batches(walk: Tour) -> None:
    for _ in range(3):
        await walk.start("tour-timer")
    chosen = {"filter": {"processDefinitionId": "tour-timer"}}
    target = (await walk.find("process-definitions", processDefinitionId="tour-timer"))[0]["processDefinitionKey"]
    plan = {"targetProcessDefinitionKey": target, "mappingInstructions": [{"sourceElementId": "pause", "targetElementId": "pause"}]}
    await _ended(walk, (await walk.post("/process-instances/migration", chosen | {"migrationPlan": plan}))["batchOperationKey"])
    move = {"moveInstructions": [{"sourceElementId": "pause", "targetElementId": "pause"}]}
    await _ended(walk, (await walk.post("/process-instances/modification", chosen | move))["batchOperationKey"])
    await _ended(walk, (await walk.post("/process-instances/incident-resolution", {"filter": {}}))["batchOperationKey"])
    key = (await walk.post("/process-instances/cancellation", chosen))["batchOperationKey"]
    batch = await _ended(walk, key)
    assert (batch["operationsTotalCount"], batch["operationsCompletedCount"]) == (3, 3)
    await walk.find("batch-operations", batchOperationKey=key)
    assert len(await walk.find("batch-operation-items", batchOperationKey=key, state="COMPLETED")) == 3
    for action in ("cancellation", "suspension", "resumption"):
        await walk.post(f"/batch-operations/{{batchOperationKey}}/{action}", expect=404, batchOperationKey=key)


async def _documents(walk: Tour) -> None:
    metadata = json.dumps({"fileName": "claim.txt", "expiresAt": "2090-01-01T00:00:00Z", "customProperties": {"case": "CLM-1"}})
    parts = [("file", ("upload.txt", b"hello", "text/plain")), ("metadata", (None, metadata, "application/json"))]
    kept = await walk.post("/documents", expect=201, files=parts, params={"documentId": "letter 1"})
    path, hashed = "/documents/{documentId}", {"contentHash": kept["contentHash"], "storeId": kept["storeId"]}
    assert await walk.get(path, documentId="letter 1", params=hashed) == "hello"
    link = await walk.post(f"{path}/links", {"timeToLive": 60_000}, expect=201, documentId="letter 1", params=hashed)
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(link["url"])).text == "hello"
        assert (await anybody.get(link["url"] + "0")).status_code == 404
    await walk.call("DELETE", path, expect=204, documentId="letter 1")
    await walk.post("/documents/batch", expect=201, files=[("files", ("a.txt", b"a")), ("files", ("b.txt", b"b"))])
