"""Camunda's own Python SDK, as its users set it, against an engine: ``python python_sdk.py REST FOLDER [TOKEN_URL CLIENT_ID CLIENT_SECRET]``.

Runs in a Python that has camunda-orchestration-sdk 10. The folder has ``order.bpmn``, whose process ``order`` waits for the job ``work``, the message
``go`` (correlated by ``order``) and the user task ``approve``, one after the other; and ``rate.dmn``, whose decision ``rate`` makes of an ``amount``
above 100 the band "high", of any other "low".
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import camunda_orchestration_sdk as sdk  # pyright: ignore[reportMissingImports]
from camunda_orchestration_sdk import errors, models  # pyright: ignore[reportMissingImports]

SDK: Any = sdk
MODELS: Any = models
ERRORS: Any = errors
AT_ONCE = SDK.ConsistencyOptions(wait_up_to_ms=0)
NOTHING = MODELS.CancelProcessInstanceRequest.from_dict({})
SOON = SDK.ConsistencyOptions(wait_up_to_ms=5000, poll_interval_ms=20)


async def main(rest: str, folder: str, *credentials: str) -> None:
    """Do what people do with an engine, and look at everything."""
    configuration: dict[str, Any] = {"CAMUNDA_REST_ADDRESS": f"{rest}/v2", "CAMUNDA_AUTH_STRATEGY": "NONE"}
    if credentials:
        url, client_id, secret = credentials
        configuration |= {"CAMUNDA_AUTH_STRATEGY": "OAUTH", "CAMUNDA_OAUTH_URL": url, "CAMUNDA_TOKEN_AUDIENCE": "orchestration-api"}
        configuration |= {"CAMUNDA_CLIENT_ID": client_id, "CAMUNDA_CLIENT_SECRET": secret}
    async with SDK.CamundaAsyncClient(configuration=configuration) as camunda:
        assert (await camunda.get_topology()).gateway_version.startswith("8.")
        assert (await camunda.get_authentication()).username == (credentials[1] if credentials else "development")
        await one_order(camunda, Path(folder))
        await many_orders(camunda)
        await decisions(camunda, Path(folder))
        await documents(camunda)
        await incidents(camunda)
        await refusals(camunda)
    print("everything was as expected")


async def one_order(camunda: Any, folder: Path) -> None:
    """Deploy, start, work, publish, complete."""
    deployed = await camunda.deploy_resources_from_files([str(folder / "order.bpmn")])
    assert [one.process_definition_id for one in deployed.processes] == ["order"]
    order = {"processDefinitionId": "order", "variables": {"order": "A-1", "amount": 7}}
    started = await camunda.create_process_instance(data=MODELS.ProcessCreationById.from_dict(order))
    mine = {"filter": {"processInstanceKey": started.process_instance_key}}

    found = await camunda.search_process_instances(data=MODELS.ProcessInstanceSearchQuery.from_dict(mine), consistency=AT_ONCE)
    assert [one.state.value for one in found.items] == ["ACTIVE"]
    jobs = await camunda.search_jobs(data=MODELS.JobSearchQuery.from_dict(mine), consistency=AT_ONCE)
    assert [one.type_ for one in jobs.items] == ["work"]

    worked = asyncio.Event()

    async def work(job: Any) -> dict[str, Any]:
        worked.set()
        return {"price": job.variables.to_dict()["amount"] * 2}

    config = SDK.WorkerConfig(job_type="work", job_timeout_milliseconds=60_000)
    camunda.create_job_worker(config=config, callback=work, execution_strategy="async")
    working = asyncio.create_task(camunda.run_workers())
    await asyncio.wait_for(worked.wait(), 30)

    await camunda.publish_message(
        data=MODELS.MessagePublicationRequest.from_dict(
            {"name": "go", "correlationKey": "A-1", "timeToLive": 60_000, "variables": {"sent": True}}
        )
    )
    tasks = await camunda.search_user_tasks(data=MODELS.UserTaskSearchQuery.from_dict(mine), consistency=SOON)
    (task,) = tasks.items
    assert (task.element_id, task.candidate_groups, task.state.value) == ("approve", ["approvers"], "CREATED")
    await camunda.assign_user_task(task.user_task_key, data=MODELS.UserTaskAssignmentRequest.from_dict({"assignee": "ann"}))
    seen = await camunda.search_user_task_variables(task.user_task_key, consistency=SOON)
    assert {one.name: one.value for one in seen.items} == {"order": '"A-1"', "amount": "7", "price": "14", "sent": "true"}
    await camunda.complete_user_task(task.user_task_key, data=MODELS.UserTaskCompletionRequest.from_dict({"variables": {"approved": True}}))
    try:
        await camunda.complete_user_task(task.user_task_key)
    except (ERRORS.ConflictError, ERRORS.NotFoundError):
        pass
    else:
        raise AssertionError("the second completion was taken")

    found = await camunda.get_process_instance(started.process_instance_key, consistency=SOON)
    assert found.state.value == "COMPLETED"
    kept = await camunda.search_variables(
        data=MODELS.VariableSearchQuery.from_dict(
            {"filter": {**mine["filter"], "name": {"$in": ["approved", "price"]}}, "sort": [{"field": "name"}]}
        ),
        consistency=SOON,
    )
    assert [(one.name, one.value) for one in kept.items] == [("approved", "true"), ("price", "14")]
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def many_orders(camunda: Any) -> None:
    """Filters, sorting, pages by cursor; a batch operation ends them all."""
    for number in range(5):
        order = {"processDefinitionId": "order", "variables": {"order": f"B-{number}", "amount": number}}
        await camunda.create_process_instance(data=MODELS.ProcessCreationById.from_dict(order))
    active = {"processDefinitionId": "order", "state": {"$in": ["ACTIVE"]}}
    seen: list[str] = []
    page: dict[str, Any] = {"limit": 2}
    while True:
        wanted = {"filter": active, "sort": [{"field": "processInstanceKey", "order": "DESC"}], "page": page}
        found = await camunda.search_process_instances(data=MODELS.ProcessInstanceSearchQuery.from_dict(wanted), consistency=AT_ONCE)
        if not found.items:
            break
        assert found.page.total_items == 5
        seen += [one.process_instance_key for one in found.items]
        page = {"limit": 2, "after": found.page.end_cursor}
    assert (len(seen), seen) == (5, sorted(set(seen), reverse=True))
    alike = {"filter": {"name": "order", "value": {"$like": '"B-*'}}, "sort": [{"field": "value"}], "page": {"from": 1, "limit": 3}}
    found = await camunda.search_variables(data=MODELS.VariableSearchQuery.from_dict(alike), consistency=AT_ONCE)
    assert [one.value for one in found.items] == ['"B-1"', '"B-2"', '"B-3"']
    jobs = await camunda.search_jobs(
        data=MODELS.JobSearchQuery.from_dict({"filter": {"state": "CREATED", "type": "work"}}), consistency=AT_ONCE
    )
    assert len(jobs.items) == 5
    definition = found = await camunda.search_process_definitions(
        data=MODELS.ProcessDefinitionSearchQuery.from_dict({"filter": {"processDefinitionId": "order", "isLatestVersion": True}}),
        consistency=AT_ONCE,
    )
    assert 'id="approve"' in await camunda.get_process_definition_xml(definition.items[0].process_definition_key, consistency=SOON)

    ended = await camunda.cancel_process_instances_batch_operation(
        data=MODELS.ProcessInstanceCancellationBatchOperationRequest.from_dict({"filter": active})
    )
    async with asyncio.timeout(30):
        while True:
            batch = await camunda.get_batch_operation(ended.batch_operation_key, consistency=SOON)
            if batch.state.value == "COMPLETED":
                break
            await asyncio.sleep(0.02)
    assert (batch.operations_total_count, batch.operations_completed_count, batch.operations_failed_count) == (5, 5, 0)
    wanted = {"filter": {"batchOperationKey": ended.batch_operation_key, "state": "COMPLETED"}}
    items = await camunda.search_batch_operation_items(data=MODELS.BatchOperationItemSearchQuery.from_dict(wanted), consistency=AT_ONCE)
    assert sorted((one.process_instance_key for one in items.items), reverse=True) == seen
    left = await camunda.search_process_instances(data=MODELS.ProcessInstanceSearchQuery.from_dict({"filter": active}), consistency=AT_ONCE)
    assert left.items == []


async def decisions(camunda: Any, folder: Path) -> None:
    """A decision is deployed, evaluated, found."""
    deployed = await camunda.deploy_resources_from_files([str(folder / "rate.dmn")])
    assert [one.decision_definition_id for one in deployed.decisions] == ["rate"]
    asked = {"decisionDefinitionId": "rate", "variables": {"amount": 200}}
    rated = await camunda.evaluate_decision(data=MODELS.DecisionEvaluationByID.from_dict(asked))
    assert (rated.output, rated.evaluated_decisions[0].matched_rules[0].rule_index) == ('"high"', 1)
    wanted = {"filter": {"decisionDefinitionId": "rate", "state": "EVALUATED"}}
    found = await camunda.search_decision_instances(data=MODELS.DecisionInstanceSearchQuery.from_dict(wanted), consistency=SOON)
    assert [one.result for one in found.items] == ['"high"']
    assert "decisionTable" in await camunda.get_decision_definition_xml(rated.decision_definition_key, consistency=SOON)


async def documents(camunda: Any) -> None:
    """A document is kept, fetched, linked and deleted."""
    file = SDK.types.File(io.BytesIO("a lëtter".encode()), "letter.txt", "text/plain")
    metadata = MODELS.DocumentMetadata.from_dict({"fileName": "letter.txt", "customProperties": {"case": "A-1"}})
    kept = await camunda.create_document(data=MODELS.CreateDocumentData(file, metadata))
    assert (kept.metadata.file_name, kept.metadata.size, kept.metadata.custom_properties.to_dict()) == ("letter.txt", 9, {"case": "A-1"})
    which = {"store_id": kept.store_id, "content_hash": kept.content_hash}
    fetched = await camunda.get_document(kept.document_id, **which)
    assert fetched.payload.read().decode() == "a lëtter"
    assert (
        await camunda.create_document_link(kept.document_id, data=MODELS.DocumentLinkRequest.from_dict({"timeToLive": 60_000}), **which)
    ).url.startswith("http")
    await camunda.delete_document(kept.document_id, store_id=kept.store_id)
    await refused(camunda.get_document(kept.document_id, **which), ERRORS.NotFoundError, "NOT_FOUND")


async def incidents(camunda: Any) -> None:
    """A job fails until nobody tries any more; its incident is found and resolved; a message is correlated."""
    order = {"processDefinitionId": "order", "variables": {"order": "C-1", "amount": 1}}
    started = await camunda.create_process_instance(data=MODELS.ProcessCreationById.from_dict(order))
    mine = {"filter": {"processInstanceKey": started.process_instance_key}}
    asked = MODELS.JobActivationRequest.from_dict({"type": "work", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 10})
    (job,) = (await camunda.activate_jobs(data=asked)).jobs
    await camunda.fail_job(job.job_key, data=MODELS.JobFailRequest.from_dict({"retries": 0, "errorMessage": "no paper"}))
    found = await camunda.search_incidents(data=MODELS.IncidentSearchQuery.from_dict(mine), consistency=SOON)
    (incident,) = found.items
    assert (incident.error_type.value, incident.error_message, incident.state.value) == ("JOB_NO_RETRIES", "no paper", "ACTIVE")
    await camunda.update_job(job.job_key, data=MODELS.JobUpdateRequest.from_dict({"changeset": {"retries": 1}}))
    await camunda.resolve_incident(incident.incident_key, data=MODELS.IncidentResolutionRequest.from_dict({}))
    (job,) = (await camunda.activate_jobs(data=asked)).jobs
    await camunda.complete_job(job.job_key, data=MODELS.JobCompletionRequest.from_dict({"variables": {"price": 2}}))
    waiting = await camunda.search_message_subscriptions(data=MODELS.MessageSubscriptionSearchQuery.from_dict(mine), consistency=SOON)
    assert [(one.message_name, one.correlation_key) for one in waiting.items] == [("go", "C-1")]
    go = MODELS.MessageCorrelationRequest.from_dict({"name": "go", "correlationKey": "C-1"})
    assert (await camunda.correlate_message(data=go)).process_instance_key == started.process_instance_key
    await refused(camunda.correlate_message(data=go), ERRORS.NotFoundError, "NOT_FOUND")
    await camunda.cancel_process_instance(started.process_instance_key, data=NOTHING)


async def refusals(camunda: Any) -> None:
    """What is wrong is refused with Camunda's problem details."""
    tagged = MODELS.ProcessCreationById.from_dict({"processDefinitionId": "order", "tags": ["no tag"]})
    await refused(camunda.create_process_instance(data=tagged), ERRORS.BadRequestError, "INVALID_ARGUMENT")
    done = MODELS.JobCompletionRequest.from_dict({})
    await refused(camunda.complete_job("2251799813999999", data=done), ERRORS.NotFoundError, "NOT_FOUND")
    await refused(camunda.cancel_process_instance("2251799813999999", data=NOTHING), ERRORS.NotFoundError, "NOT_FOUND")
    wrong = MODELS.ProcessInstanceSearchQuery.from_dict({"filter": {}, "page": {"limit": 1, "after": "no cursor"}})
    await refused(camunda.search_process_instances(data=wrong, consistency=AT_ONCE), ERRORS.BadRequestError, None)


async def refused(call: Awaitable[Any], kind: type[Exception], title: str | None) -> None:
    """Expect this error, with the problem's title where it has to be a certain one."""
    try:
        await call
    except kind as error:
        problem: Any = error
        assert problem.parsed.status == problem.status_code
        assert problem.parsed.detail
        assert title in (None, problem.parsed.title), problem.parsed
    else:
        raise AssertionError(f"this was not refused as {kind.__name__}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
