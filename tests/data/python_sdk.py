"""Camunda's own Python SDK, as its users set it, against an engine: ``python python_sdk.py REST FILE.bpmn [TOKEN_URL CLIENT_ID CLIENT_SECRET]``.

Runs in a Python that has camunda-orchestration-sdk 10. The file's process ``order`` waits for the job ``work``, the message ``go`` (correlated by
``order``) and the user task ``approve``, one after the other.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import camunda_orchestration_sdk as sdk  # pyright: ignore[reportMissingImports]
from camunda_orchestration_sdk import errors, models  # pyright: ignore[reportMissingImports]

SDK: Any = sdk
MODELS: Any = models
ERRORS: Any = errors
AT_ONCE = SDK.ConsistencyOptions(wait_up_to_ms=0)
SOON = SDK.ConsistencyOptions(wait_up_to_ms=5000, poll_interval_ms=20)


async def main(rest: str, file: str, *credentials: str) -> None:
    """Deploy, start, work, publish, complete; look at everything."""
    configuration: dict[str, Any] = {"CAMUNDA_REST_ADDRESS": f"{rest}/v2", "CAMUNDA_AUTH_STRATEGY": "NONE"}
    if credentials:
        url, client_id, secret = credentials
        configuration |= {"CAMUNDA_AUTH_STRATEGY": "OAUTH", "CAMUNDA_OAUTH_URL": url, "CAMUNDA_TOKEN_AUDIENCE": "orchestration-api"}
        configuration |= {"CAMUNDA_CLIENT_ID": client_id, "CAMUNDA_CLIENT_SECRET": secret}
    async with SDK.CamundaAsyncClient(configuration=configuration) as camunda:
        assert (await camunda.get_topology()).gateway_version.startswith("8.")
        assert (await camunda.get_authentication()).username == (credentials[1] if credentials else "development")
        deployed = await camunda.deploy_resources_from_files([file])
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
        await camunda.complete_user_task(
            task.user_task_key, data=MODELS.UserTaskCompletionRequest.from_dict({"variables": {"approved": True}})
        )
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
    print("everything was as expected")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
