"""The calls that the embedded gateway and a real one are compared by."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tests.support.diagrams import ONE_TASK, process, sequence
from tests.support.gateway_calls import Call
from tests.support.gateway_diagrams import CALLING, CAUGHT, EMPTY, TWO
from tests.support.resources import form, table

_KEY = "2251799813999999"
_BAD_DOCUMENTS = {
    "an array": "[1]",
    "a text": '"text"',
    "a number": "7",
    "null": "null",
    "not JSON": "{",
    # The name is that of `tests.support.gateway_records.TRAILING`: one side takes it.
    "trailing": '{"trailing":1}x',
}


def _file(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "content": base64.b64encode(content).decode()}


def _deploy(name: str, *files: dict[str, Any], **keep: str) -> Call:
    return Call(f"deploy {name}", "DeployResource", {"resources": list(files)}, keep)


def script() -> list[Call]:
    """Return the calls, in their order."""
    parts = (_deployments, _starts, _jobs, _incidents, _messages, _variables, _cancels, _modifications, _migrations, _decisions, _deletions)
    return [call for part in parts for call in part()]


def _deployments() -> Iterator[Call]:
    yield Call("topology", "Topology", {})
    yield _deploy("a process", _file("one.bpmn", ONE_TASK), one="deployments.0.process.processDefinitionKey")
    yield _deploy("it again", _file("one.bpmn", ONE_TASK))
    yield _deploy("several", _file("caught.bpmn", CAUGHT), _file("two.bpmn", TWO), _file("empty.bpmn", EMPTY))
    yield _deploy("a caller", _file("calling.bpmn", CALLING))
    yield _deploy("a decision", _file("rate.dmn", table("rate")), rate="deployments.0.decision.decisionKey")
    yield _deploy("a decision that fails", _file("fails.dmn", table("fails", expression="assert(amount, amount = 1)")))
    yield _deploy("a form", _file("ask.form", form("ask")), form="deployments.0.form.formKey")
    yield _deploy("nothing")
    yield _deploy("an unknown kind", _file("notes.txt", b"hello"))
    yield _deploy("no name", _file("", ONE_TASK))
    yield _deploy("an empty file", _file("one.bpmn", b""))
    yield _deploy("text instead of XML", _file("one.bpmn", b"hello"))
    yield _deploy("XML that is no BPMN", _file("one.bpmn", b"<a/>"))
    yield _deploy("a flow to nowhere", _file("one.bpmn", ONE_TASK.replace(b'targetRef="ended"', b'targetRef="nowhere"')))
    yield _deploy("a task without a type", _file("one.bpmn", ONE_TASK.replace(b'type="work"', b'type=""')))
    yield _deploy("a wrong expression", _file("one.bpmn", ONE_TASK.replace(b'type="work"', b'type="=1+"')))
    yield _deploy("one id twice", _file("a.bpmn", ONE_TASK), _file("b.bpmn", ONE_TASK))
    yield _deploy("one name twice", _file("a.bpmn", ONE_TASK), _file("a.bpmn", TWO))
    yield _deploy("a broken decision", _file("rate.dmn", b"<definitions/>"))
    yield _deploy("a broken form", _file("ask.form", b"{"))
    yield _deploy("a form without an id", _file("ask.form", b"{}"))
    yield _deploy("a good one with a bad one", _file("good.bpmn", EMPTY), _file("bad.bpmn", b"<a/>"))
    yield Call("deploy for a tenant", "DeployResource", {"resources": [_file("one.bpmn", ONE_TASK)], "tenantId": "other"})
    yield Call("deploy for the default tenant", "DeployResource", {"resources": [_file("one.bpmn", ONE_TASK)], "tenantId": "<default>"})
    yield Call("deploy the old way", "DeployProcess", {"processes": [{"name": "one.bpmn", "definition": _file("", ONE_TASK)["content"]}]})
    yield Call("deploy nothing the old way", "DeployProcess", {"processes": []})


def _start(name: str, keep: dict[str, str] | None = None, **request: Any) -> Call:
    return Call(f"start {name}", "CreateProcessInstance", {"version": -1, **request}, keep or {})


def _with_result(name: str, wait: int = 5000, fetch: list[str] | None = None, **request: Any) -> Call:
    asked = {"request": {"version": -1, **request}, "requestTimeout": wait, "fetchVariables": fetch or []}
    return Call(f"await {name}", "CreateProcessInstanceWithResult", asked)


def _starts() -> Iterator[Call]:
    yield _start("by id", bpmnProcessId="empty")
    yield _start("by version", bpmnProcessId="empty", version=1)
    yield _start("by latest version", bpmnProcessId="empty", version=-1)
    yield _start("by key", processDefinitionKey="$one")
    yield _start("without a version", bpmnProcessId="empty", version=0)
    yield _start("nothing")
    yield _start("an unknown id", bpmnProcessId="nobody")
    yield _start("an unknown version", bpmnProcessId="empty", version=99)
    yield _start("a negative version", bpmnProcessId="empty", version=-2)
    yield _start("an unknown key", processDefinitionKey=_KEY)
    yield _start("a negative key", processDefinitionKey="-5")
    yield _start("an id and a key", bpmnProcessId="empty", processDefinitionKey="$one")
    yield _start("for a tenant", bpmnProcessId="empty", tenantId="other")
    yield _start("for the default tenant", bpmnProcessId="empty", tenantId="<default>")
    yield _start("at an element", bpmnProcessId="two-tasks", startInstructions=[{"elementId": "second"}])
    yield _start("at no element", bpmnProcessId="two-tasks", startInstructions=[{"elementId": "third"}])
    yield _start("at an empty element", bpmnProcessId="two-tasks", startInstructions=[{"elementId": ""}])
    for what, document in _BAD_DOCUMENTS.items():
        yield _start(f"with {what}", bpmnProcessId="empty", variables=document)
    yield _start("with a megabyte", bpmnProcessId="empty", variables=f'{{"x":"{"x" * 2**20}"}}')
    yield _start("with three megabytes", bpmnProcessId="empty", variables=f'{{"x":"{"x" * 3 * 2**20}"}}')
    yield _start("with more than the limit", bpmnProcessId="empty", variables=f'{{"x":"{"x" * 5 * 2**20}"}}')
    yield _with_result("an end", bpmnProcessId="empty", variables='{"a":1,"b":"ä€𝄞","c":null,"d":[1.5,true],"e":{"f":{}}}')
    yield _with_result("some variables", fetch=["a", "missing"], bpmnProcessId="empty", variables='{"a":1,"b":2}')
    yield _with_result("large numbers", bpmnProcessId="empty", variables='{"a":9223372036854775807,"b":-9223372036854775808,"c":1e300}')
    yield _with_result("an odd name", bpmnProcessId="empty", variables='{"with space":1,"":2}')
    yield _with_result("no variables", bpmnProcessId="empty")
    yield _with_result("an unknown id", bpmnProcessId="nobody")
    yield _with_result("a wrong document", bpmnProcessId="empty", variables="[]")
    yield _with_result("too short", wait=300, bpmnProcessId="two-tasks")


def _activate(name: str, keep: dict[str, str] | None = None, until: str = "", **request: Any) -> Call:
    asked = {"type": "work", "worker": "test", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": -1, **request}
    return Call(f"activate {name}", "ActivateJobs", asked, keep or {}, until)


_JOB = {"job": "jobs.0.key"}


def _jobs() -> Iterator[Call]:
    yield _activate("nothing there", type="nobody")
    yield _activate("a blank type", type="  ")
    yield _activate("no type", type="")
    yield _activate("no timeout", timeout=0)
    yield _activate("a negative timeout", timeout=-1)
    yield _activate("no number", maxJobsToActivate=0)
    yield _activate("a negative number", maxJobsToActivate=-3)
    yield _activate("for a tenant", tenantIds=["other"])
    yield _activate("for the default tenant", type="nobody", tenantIds=["<default>"])
    yield Call("stream no type", "StreamActivatedJobs", {"type": "", "worker": "test", "timeout": 1000})
    yield Call("stream no timeout", "StreamActivatedJobs", {"type": "work", "worker": "test", "timeout": 0})
    yield _activate("one", _JOB, "jobs.0")
    yield Call("complete with a wrong document", "CompleteJob", {"jobKey": "$job", "variables": "[1]"})
    yield Call("extend", "UpdateJobTimeout", {"jobKey": "$job", "timeout": 90_000})
    yield Call("extend by nothing", "UpdateJobTimeout", {"jobKey": "$job", "timeout": 0})
    yield Call("extend by less", "UpdateJobTimeout", {"jobKey": "$job", "timeout": -1})
    yield Call("complete", "CompleteJob", {"jobKey": "$job", "variables": '{"done":true}'})
    yield Call("complete again", "CompleteJob", {"jobKey": "$job"})
    yield Call("fail a completed one", "FailJob", {"jobKey": "$job", "retries": 1})
    yield Call("extend a completed one", "UpdateJobTimeout", {"jobKey": "$job", "timeout": 1000})
    yield Call("refill a completed one", "UpdateJobRetries", {"jobKey": "$job", "retries": 1})
    for key, what in ((_KEY, "an unknown one"), ("0", "none"), ("-1", "a negative one")):
        yield Call(f"complete {what}", "CompleteJob", {"jobKey": key})
        yield Call(f"fail {what}", "FailJob", {"jobKey": key, "retries": 1})
        yield Call(f"throw at {what}", "ThrowError", {"jobKey": key, "errorCode": "NO"})
        yield Call(f"refill {what}", "UpdateJobRetries", {"jobKey": key, "retries": 1})
        yield Call(f"extend {what}", "UpdateJobTimeout", {"jobKey": key, "timeout": 1000})
    yield _start("with variables", bpmnProcessId="one-task", variables='{"a":1,"b":{"c":[2]}}')
    yield _activate("with some variables", _JOB, "jobs.0", fetchVariable=["b", "missing"])
    yield Call("fail", "FailJob", {"jobKey": "$job", "retries": 2, "errorMessage": "once", "variables": '{"tried":1}'})
    yield _activate("it again", _JOB, "jobs.0", worker="")
    yield Call("fail with a wrong document", "FailJob", {"jobKey": "$job", "retries": 2, "variables": "7"})
    yield Call("fail with a back-off", "FailJob", {"jobKey": "$job", "retries": 1, "retryBackOff": 600_000})
    yield _activate("nothing during the back-off")
    yield _start("something risky", bpmnProcessId="caught")
    yield _activate("something risky", _JOB, "jobs.0", type="risky")
    yield Call("throw with a wrong document", "ThrowError", {"jobKey": "$job", "errorCode": "NO", "variables": "[1]"})
    yield Call("throw", "ThrowError", {"jobKey": "$job", "errorCode": "NO", "errorMessage": "no", "variables": '{"why":1}'})
    yield Call("throw again", "ThrowError", {"jobKey": "$job", "errorCode": "NO"})
    yield _start("something risky again", bpmnProcessId="caught")
    yield _activate("something risky again", _JOB, "jobs.0", type="risky")
    yield Call("throw what nobody catches", "ThrowError", {"jobKey": "$job", "errorCode": "YES"})
    yield Call("complete after that", "CompleteJob", {"jobKey": "$job"})
    yield _start("something risky once more", bpmnProcessId="caught")
    yield _activate("something risky once more", _JOB, "jobs.0", type="risky")
    yield Call("throw nothing", "ThrowError", {"jobKey": "$job", "errorCode": ""})


def _incidents() -> Iterator[Call]:
    for key, what in ((_KEY, "an unknown one"), ("0", "none"), ("-1", "a negative one"), ("$one", "no incident")):
        yield Call(f"resolve {what}", "ResolveIncident", {"incidentKey": key})
    yield _start("one that will fail", {"broken": "processInstanceKey"}, bpmnProcessId="two-tasks")
    yield _activate("one that will fail", {"job": "jobs.0.key"}, "jobs.0", type="first", maxJobsToActivate=1)
    yield Call("fail for good", "FailJob", {"jobKey": "$job", "retries": 0, "errorMessage": "broken"})
    yield _activate("nothing with an incident", type="first")
    yield Call("complete with an incident", "CompleteJob", {"jobKey": "$job"})
    yield Call("refill with none", "UpdateJobRetries", {"jobKey": "$job", "retries": 0})
    yield Call("refill with less", "UpdateJobRetries", {"jobKey": "$job", "retries": -1})
    yield Call("refill", "UpdateJobRetries", {"jobKey": "$job", "retries": 3})
    yield Call("fail with fewer than none", "FailJob", {"jobKey": "$job", "retries": -1})


def _messages() -> Iterator[Call]:
    yield Call("publish", "PublishMessage", {"name": "paper", "correlationKey": "a", "timeToLive": 1000})
    yield Call("publish with an id", "PublishMessage", {"name": "paper", "correlationKey": "a", "timeToLive": 600_000, "messageId": "m"})
    yield Call("publish that id again", "PublishMessage", {"name": "paper", "correlationKey": "a", "timeToLive": 1000, "messageId": "m"})
    yield Call("publish no name", "PublishMessage", {"name": "", "correlationKey": "a"})
    yield Call("publish no correlation key", "PublishMessage", {"name": "paper"})
    yield Call("publish for less than no time", "PublishMessage", {"name": "paper", "correlationKey": "a", "timeToLive": -1})
    yield Call("publish a wrong document", "PublishMessage", {"name": "paper", "correlationKey": "a", "variables": "[1]"})
    yield Call("publish for a tenant", "PublishMessage", {"name": "paper", "correlationKey": "a", "tenantId": "other"})
    yield Call("signal", "BroadcastSignal", {"signalName": "all", "variables": '{"a":1}'})
    yield Call("signal no name", "BroadcastSignal", {"signalName": ""})
    yield Call("signal a wrong document", "BroadcastSignal", {"signalName": "all", "variables": "7"})
    yield Call("signal for a tenant", "BroadcastSignal", {"signalName": "all", "tenantId": "other"})


def _set(name: str, key: str, variables: str = '{"x":1}', local: bool = False) -> Call:
    return Call(f"set {name}", "SetVariables", {"elementInstanceKey": key, "variables": variables, "local": local})


def _variables() -> Iterator[Call]:
    yield _set("variables", "$broken")
    yield _set("local variables", "$broken", local=True)
    yield _set("no variables", "$broken", "")
    yield _set("an empty object", "$broken", "{}")
    for what, document in _BAD_DOCUMENTS.items():
        yield _set(what, "$broken", document)
    yield _set("at nothing", _KEY)
    yield _set("at none", "0")
    yield _set("at a definition", "$one")


def _cancel(name: str, key: str) -> Call:
    return Call(f"cancel {name}", "CancelProcessInstance", {"processInstanceKey": key})


def _cancels() -> Iterator[Call]:
    yield _start("a caller", {"caller": "processInstanceKey"}, bpmnProcessId="calling")
    yield _activate("what is called", {"called": "jobs.0.processInstanceKey", "inner": "jobs.0.elementInstanceKey"}, "jobs.0")
    yield _cancel("what is called", "$called")
    yield _cancel("an element", "$inner")
    yield _cancel("the caller", "$caller")
    yield _cancel("the caller again", "$caller")
    yield _cancel("what was called", "$called")
    yield _cancel("an unknown one", _KEY)
    yield _cancel("none", "0")
    yield _cancel("a negative one", "-1")
    yield _set("at what has ended", "$caller")


def _modify(name: str, key: str = "$broken", activate: Any = (), terminate: Any = ()) -> Call:
    request = {"processInstanceKey": key, "activateInstructions": list(activate), "terminateInstructions": list(terminate)}
    return Call(f"modify {name}", "ModifyProcessInstance", request)


def _modifications() -> Iterator[Call]:
    second = {"elementId": "second"}
    yield _modify("nothing")
    yield _modify("an unknown one", _KEY, [second])
    yield _modify("what has ended", "$caller", [second])
    yield _modify("to an unknown element", activate=[{"elementId": "third"}])
    yield _modify("to an empty element", activate=[{"elementId": ""}])
    yield _modify("to an event", activate=[{"elementId": "started"}])
    yield _modify("from an unknown element instance", terminate=[{"elementInstanceKey": _KEY}])
    yield _modify("from a definition", terminate=[{"elementInstanceKey": "$one"}])
    yield _modify("with a wrong document", activate=[{**second, "variableInstructions": [{"variables": "[1]"}]}])
    yield _modify("with an unknown scope", activate=[{**second, "variableInstructions": [{"variables": "{}", "scopeId": "nowhere"}]}])
    yield _modify("under an unknown ancestor", activate=[{**second, "ancestorElementInstanceKey": _KEY}])
    yield _modify("to another element", activate=[{**second, "variableInstructions": [{"variables": '{"y":2}'}]}])
    yield _modify("to two", activate=[second, second])


def _migrate(name: str, target: str, mapping: dict[str, str] | list[tuple[str, str]], key: str = "$moving") -> Call:
    pairs = mapping.items() if isinstance(mapping, dict) else mapping
    instructions = [{"sourceElementId": source, "targetElementId": to} for source, to in pairs]
    plan = {"targetProcessDefinitionKey": target, "mappingInstructions": instructions}
    return Call(f"migrate {name}", "MigrateProcessInstance", {"processInstanceKey": key, "migrationPlan": plan})


def _migrations() -> Iterator[Call]:
    changed = TWO.replace(b'"second"', b'"last"')
    yield _deploy("a changed one", _file("two.bpmn", changed), changed="deployments.0.process.processDefinitionKey")
    yield _start("one to move", {"moving": "processInstanceKey"}, bpmnProcessId="two-tasks", version=1)
    yield _activate("one to move", {"job": "jobs.0.key"}, "jobs.0", type="first", maxJobsToActivate=5)
    yield _migrate("an unknown one", "$changed", {"first": "first"}, _KEY)
    yield _migrate("to an unknown definition", _KEY, {"first": "first"})
    yield _migrate("without a mapping", "$changed", {})
    yield _migrate("from an unknown element", "$changed", {"first": "first", "third": "last"})
    yield _migrate("to an unknown element", "$changed", {"first": "third"})
    yield _migrate("one element twice", "$changed", [("first", "first"), ("first", "last")])
    yield _migrate("to another type", "$changed", {"first": "started"})
    yield _migrate("as planned", "$changed", {"first": "first"})
    yield _migrate("what has ended", "$changed", {"first": "first"}, "$caller")
    yield Call("migrate without a plan", "MigrateProcessInstance", {"processInstanceKey": "$moving"})


def _decide(name: str, **request: Any) -> Call:
    return Call(f"decide {name}", "EvaluateDecision", request)


def _decisions() -> Iterator[Call]:
    yield _decide("by id", decisionId="rate", variables='{"amount":200}')
    yield _decide("by key", decisionKey="$rate", variables='{"amount":2}')
    yield _decide("without the variable", decisionId="rate")
    yield _decide("nothing")
    yield _decide("both", decisionId="rate", decisionKey="$rate")
    yield _decide("an unknown id", decisionId="nobody")
    yield _decide("an unknown key", decisionKey=_KEY)
    yield _decide("a negative key", decisionKey="-1")
    yield _decide("a failing one", decisionId="fails", variables='{"amount":2}')
    yield _decide("a wrong document", decisionId="rate", variables="[1]")
    yield _decide("for a tenant", decisionId="rate", tenantId="other")


def _delete(name: str, key: str) -> Call:
    return Call(f"delete {name}", "DeleteResource", {"resourceKey": key})


def _deletions() -> Iterator[Call]:
    for key, what in ((_KEY, "an unknown one"), ("0", "none"), ("-1", "a negative one")):
        yield _delete(what, key)
    yield _delete("a form", "$form")
    yield _delete("the form again", "$form")
    yield _deploy("what is to go", _file("going.bpmn", process("going", sequence())), going="deployments.0.process.processDefinitionKey")
    yield _start("what is to go", bpmnProcessId="going")
    yield _delete("a process", "$going")
    yield _delete("the process again", "$going")
    yield _start("what is gone", bpmnProcessId="going")
    yield _start("what is gone by key", processDefinitionKey="$going")
