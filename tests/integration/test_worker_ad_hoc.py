"""The job of an ad-hoc sub-process: a worker decides what comes next, on Camunda's engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from camunda_workers import Client, JobContext, JobKind, Router, WorkerRunner, worker
from camunda_workers.client import Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from camunda_workers.worker.outcome import ActivateElement, AdHoc
from camunda_workers.worker.polling import Polling
from tests.support.diagrams import process, service_task

pytestmark = pytest.mark.engine

AGENT = process(
    "agent",
    '<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="tools"/>'
    '<bpmn:adHocSubProcess id="tools"><bpmn:extensionElements><zeebe:taskDefinition type="decide"/></bpmn:extensionElements>'
    + service_task("search", "search")
    + service_task("ask", "ask")
    + '</bpmn:adHocSubProcess><bpmn:sequenceFlow id="f2" sourceRef="tools" targetRef="e"/><bpmn:endEvent id="e"/>',
)


@pytest.mark.parametrize("rest", [False, True])
async def test_elements_are_activated_with_variables_until_it_is_done(rest: bool) -> None:
    decisions: list[JobKind] = []
    searched: list[str] = []

    @worker("decide")
    async def decide(job: JobContext, found: str | None = None) -> AdHoc:
        decisions.append(job.kind)
        if found is None:
            return AdHoc(activate=[ActivateElement("search", {"query": "claim 7"})], variables={"asked": 1})
        if len(decisions) == 2:
            return AdHoc(activate=["ask"])
        return AdHoc(done=True, cancel_remaining=True, variables={"answer": found.upper()})

    @worker("search")
    async def search(query: str) -> dict[str, str]:
        searched.append(query)
        return {"found": "policy 9"}

    @worker("ask")
    async def ask() -> None: ...

    async with (
        EmbeddedEngine(rest_port=0) as engine,
        Client(settings=Settings(grpc_address=engine.grpc_address, rest_address=engine.rest_address)) as client,
    ):
        await client.deploy(Resource("agent.bpmn", AGENT))
        gateway = client.jobs_over_rest() if rest else client
        async with WorkerRunner(gateway, [Router(decide, search, ask)], polling=Polling(request_timeout=timedelta(seconds=5))):
            ended = await client.start_with_result("agent", {"found": None}, timeout=timedelta(seconds=20))
    assert searched == ["claim 7"]
    assert decisions == [JobKind.AD_HOC_SUB_PROCESS] * 3
    assert ended.variables["answer"] == "POLICY 9"
    assert ended.variables["asked"] == 1
