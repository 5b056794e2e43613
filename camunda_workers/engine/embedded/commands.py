"""Commands of the engine as plain data: a value type, an intent, a key and the fields of Camunda's record of that type.

The field names are those of Zeebe's records (``io.camunda.zeebe.protocol.impl.record.value``); a field that is left out has the
record's own default. Both faces of the gateway, gRPC and REST, make their commands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from camunda_workers.engine.embedded.documents import EMPTY

DEFAULT_TENANT = "<default>"


@dataclass(frozen=True, slots=True)
class Command:
    """What is written to the engine's log.

    Attributes:
        value_type: the record's value type, e.g. ``JOB``.
        intent: what to do, e.g. ``COMPLETE``.
        value: fields of the record.
        key: the entity it concerns; ``None`` where the engine makes a new one.
        operation_reference: the caller's own number, repeated in every record that results.
    """

    value_type: str
    intent: str
    value: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: int | None = None
    operation_reference: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine answered: the key, intent and fields of the record that followed."""

    key: int
    intent: str
    value: Mapping[str, Any]


def deploy(resources: Iterable[tuple[str, bytes]], tenant_id: str = "") -> Command:
    """Deploy resources, all or none, in one go."""
    entries = [{"resourceName": name, "resource": content} for name, content in resources]
    return Command("DEPLOYMENT", "CREATE", {"resources": entries, "tenantId": tenant_id or DEFAULT_TENANT})


def create_instance(
    *,
    process_id: str = "",
    definition_key: int = 0,
    version: int = -1,
    variables: bytes = EMPTY,
    tags: Sequence[str] = (),
    business_id: str = "",
    start_elements: Sequence[str] = (),
    terminate_after: Sequence[str] = (),
    tenant_id: str = "",
    await_result: bool = False,
    fetch_variables: Sequence[str] = (),
    operation_reference: int | None = None,
) -> Command:
    """Create a process instance by its definition's key, or by process id and version (-1: the latest).

    A business id is for engines that know it (``Bridge.knows_business_ids``): an older one would ignore it without a word.
    """
    value: dict[str, Any] = {
        "bpmnProcessId": process_id,
        "version": version,
        "variables": variables,
        "tenantId": tenant_id or DEFAULT_TENANT,
        "tags": list(tags),
        "fetchVariables": list(fetch_variables),
        "startInstructions": [{"elementId": element} for element in start_elements],
        "runtimeInstructions": [{"type": "TERMINATE_PROCESS_INSTANCE", "afterElementId": element} for element in terminate_after],
    }
    if business_id:
        value["businessId"] = business_id
    if definition_key or not process_id:
        value["processDefinitionKey"] = definition_key
    intent = "CREATE_WITH_AWAITING_RESULT" if await_result else "CREATE"
    return Command("PROCESS_INSTANCE_CREATION", intent, value, operation_reference=operation_reference)


def cancel_instance(key: int, operation_reference: int | None = None) -> Command:
    """Cancel a process instance."""
    return Command("PROCESS_INSTANCE", "CANCEL", {}, key, operation_reference)


def activate_jobs(job_type: str, worker: str, timeout: int, count: int, fetch: Sequence[str], tenants: Sequence[str] = ()) -> Command:
    """Activate up to ``count`` jobs for ``timeout`` milliseconds."""
    value = {
        "type": job_type,
        "worker": worker,
        "timeout": timeout,
        "maxJobsToActivate": count,
        "variables": list(fetch),
        "tenantIds": list(tenants) or [DEFAULT_TENANT],
    }
    return Command("JOB_BATCH", "ACTIVATE", value)


def complete_job(key: int, variables: bytes, result: Mapping[str, Any] | None = None) -> Command:
    """Complete a job, for a listener or an ad-hoc sub-process with its result (see :func:`job_result`)."""
    value: dict[str, Any] = {"variables": variables}
    if result is not None:
        value["result"] = result
    return Command("JOB", "COMPLETE", value, key)


def fail_job(key: int, retries: int, message: str, back_off: int, variables: bytes) -> Command:
    """Fail a job; ``back_off`` in milliseconds. No retries left raises an incident."""
    value = {"retries": retries, "errorMessage": message, "retryBackoff": back_off, "variables": variables}
    return Command("JOB", "FAIL", value, key)


def throw_error(key: int, code: str, message: str, variables: bytes) -> Command:
    """End a job with a BPMN error."""
    return Command("JOB", "THROW_ERROR", {"errorCode": code, "errorMessage": message, "variables": variables}, key)


def yield_job(key: int) -> Command:
    """Give a job back that was pushed to a stream which is gone."""
    return Command("JOB", "YIELD", {}, key)


def update_retries(key: int, retries: int, operation_reference: int | None = None) -> Command:
    """Set a job's retries."""
    return Command("JOB", "UPDATE_RETRIES", {"retries": retries}, key, operation_reference)


def update_timeout(key: int, timeout: int, operation_reference: int | None = None) -> Command:
    """Set a job's timeout to ``timeout`` milliseconds from now."""
    return Command("JOB", "UPDATE_TIMEOUT", {"timeout": timeout}, key, operation_reference)


def publish_message(name: str, correlation_key: str, ttl: int, message_id: str, variables: bytes, tenant_id: str = "") -> Command:
    """Publish a message that waits ``ttl`` milliseconds for whoever it correlates with."""
    value = {
        "name": name,
        "correlationKey": correlation_key,
        "timeToLive": ttl,
        "variables": variables,
        "tenantId": tenant_id or DEFAULT_TENANT,
    }
    if message_id:
        value["messageId"] = message_id
    return Command("MESSAGE", "PUBLISH", value)


def correlate_message(name: str, correlation_key: str, variables: bytes, tenant_id: str = "") -> Command:
    """Correlate a message with a process instance that waits for it now, or not at all."""
    value = {"name": name, "correlationKey": correlation_key, "variables": variables, "tenantId": tenant_id or DEFAULT_TENANT}
    return Command("MESSAGE_CORRELATION", "CORRELATE", value)


def broadcast_signal(name: str, variables: bytes, tenant_id: str = "") -> Command:
    """Broadcast a signal."""
    return Command("SIGNAL", "BROADCAST", {"signalName": name, "variables": variables, "tenantId": tenant_id or DEFAULT_TENANT})


def set_variables(scope: int, variables: bytes, *, local: bool, operation_reference: int | None = None) -> Command:
    """Set variables at an element instance, or propagate them upwards from it."""
    value = {"scopeKey": scope, "updateSemantics": "LOCAL" if local else "PROPAGATE", "variables": variables}
    return Command("VARIABLE_DOCUMENT", "UPDATE", value, operation_reference=operation_reference)


def resolve_incident(key: int, operation_reference: int | None = None) -> Command:
    """Resolve an incident: the engine tries again what failed."""
    return Command("INCIDENT", "RESOLVE", {}, key, operation_reference)


def evaluate_decision(*, decision_id: str = "", decision_key: int = 0, variables: bytes = EMPTY, tenant_id: str = "") -> Command:
    """Evaluate a decision by key, or the latest version of an id."""
    value: dict[str, Any] = {"variables": variables, "tenantId": tenant_id or DEFAULT_TENANT}
    if decision_id:
        value["decisionId"] = decision_id
    if decision_key or not decision_id:
        value["decisionKey"] = decision_key
    return Command("DECISION_EVALUATION", "EVALUATE", value)


def modify_instance(
    key: int, activate: Sequence[Mapping[str, Any]], terminate: Sequence[int], operation_reference: int | None = None
) -> Command:
    """Modify an instance: activate elements (``elementId``, ``ancestorScopeKey``, ``variableInstructions``), end element instances."""
    value = {
        "processInstanceKey": key,
        "activateInstructions": list(activate),
        "terminateInstructions": [{"elementInstanceKey": instance} for instance in terminate],
    }
    return Command("PROCESS_INSTANCE_MODIFICATION", "MODIFY", value, key, operation_reference)


def migrate_instance(
    key: int, target_definition: int, mapping: Mapping[str, str] | Sequence[tuple[str, str]], operation_reference: int | None = None
) -> Command:
    """Move an instance to another definition; ``mapping`` gives each active element its target."""
    pairs = mapping.items() if isinstance(mapping, Mapping) else mapping
    value = {
        "processInstanceKey": key,
        "targetProcessDefinitionKey": target_definition,
        "mappingInstructions": [{"sourceElementId": source, "targetElementId": target} for source, target in pairs],
    }
    return Command("PROCESS_INSTANCE_MIGRATION", "MIGRATE", value, key, operation_reference)


def delete_resource(key: int, operation_reference: int | None = None) -> Command:
    """Delete a process, decision, form or other resource."""
    return Command("RESOURCE_DELETION", "DELETE", {"resourceKey": key}, operation_reference=operation_reference)


def fetch_resource(key: int) -> Command:
    """Read a deployed resource that is no process, decision or form."""
    return Command("RESOURCE", "FETCH", {"resourceKey": key})


def activate_activities(scope: int, elements: Sequence[tuple[str, bytes]], *, cancel_remaining: bool) -> Command:
    """Activate activities of an ad-hoc sub-process, each with variables of its own."""
    value = {
        "adHocSubProcessInstanceKey": scope,
        "activateElements": [{"elementId": element, "variables": variables} for element, variables in elements],
        "cancelRemainingInstances": cancel_remaining,
    }
    return Command("AD_HOC_SUB_PROCESS_INSTRUCTION", "ACTIVATE", value)


def pin_clock(moment: int) -> Command:
    """Hold the clock that processes see at a moment (milliseconds since 1970)."""
    return Command("CLOCK", "PIN", {"time": moment})


def reset_clock() -> Command:
    """Let the clock that processes see run again."""
    return Command("CLOCK", "RESET", {})


def assign_user_task(key: int, assignee: str, *, allow_override: bool = True, action: str = "") -> Command:
    """Assign a user task; without ``allow_override`` the engine refuses one that is assigned already."""
    value = {"userTaskKey": key, "assignee": assignee, "action": action or ("assign" if allow_override else "claim")}
    return Command("USER_TASK", "ASSIGN" if allow_override else "CLAIM", value, key)


def unassign_user_task(key: int) -> Command:
    """Take the assignee off a user task."""
    return Command("USER_TASK", "ASSIGN", {"userTaskKey": key, "assignee": "", "action": "unassign"}, key)


def update_user_task(key: int, changes: Mapping[str, Any], action: str = "") -> Command:
    """Change a user task's ``candidateGroupsList``, ``candidateUsersList``, ``dueDate``, ``followUpDate`` or ``priority``."""
    value = {"userTaskKey": key, "action": action or "update", "changedAttributes": sorted(changes), **changes}
    return Command("USER_TASK", "UPDATE", value, key)


def complete_user_task(key: int, variables: bytes, action: str = "") -> Command:
    """Complete a user task."""
    return Command("USER_TASK", "COMPLETE", {"userTaskKey": key, "variables": variables, "action": action or "complete"}, key)
