"""Uses an engine once, as a first user would, so that every class a start needs has been loaded: the class-data archive is made from this run."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import EMPTY
from camunda_workers.engine.embedded.engine import EmbeddedEngine

PROCESS = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="warm-up" isExecutable="true">
    <bpmn:startEvent id="started"/>
    <bpmn:sequenceFlow id="to-work" sourceRef="started" targetRef="work"/>
    <bpmn:serviceTask id="work">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="=&#34;warm-&#34; + &#34;up&#34;"/>
        <zeebe:ioMapping><zeebe:input source="=x + 1" target="y"/><zeebe:output source="=y" target="z"/></zeebe:ioMapping>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="to-question" sourceRef="work" targetRef="large"/>
    <bpmn:exclusiveGateway id="large" default="small"/>
    <bpmn:sequenceFlow id="small" sourceRef="large" targetRef="decide"/>
    <bpmn:sequenceFlow id="is-large" sourceRef="large" targetRef="decide">
      <bpmn:conditionExpression>=z &gt; 100</bpmn:conditionExpression>
    </bpmn:sequenceFlow>
    <bpmn:userTask id="decide"><bpmn:extensionElements><zeebe:userTask/></bpmn:extensionElements></bpmn:userTask>
    <bpmn:boundaryEvent id="late" attachedToRef="decide" cancelActivity="false">
      <bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="to-late" sourceRef="late" targetRef="reminded"/>
    <bpmn:endEvent id="reminded"/>
    <bpmn:sequenceFlow id="to-end" sourceRef="decide" targetRef="ended"/>
    <bpmn:endEvent id="ended"/>
  </bpmn:process>
</bpmn:definitions>"""


async def warm_up() -> None:
    """Deploy, start, work a job, let a timer fire, complete a user task, read the records."""
    import grpc.aio

    for state in ("memory", "rocksdb"):
        async with EmbeddedEngine(state=state) as engine, grpc.aio.insecure_channel(engine.grpc_address) as channel:
            stub = GatewayStub(channel)
            await stub.DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name="warm-up.bpmn", content=PROCESS)]))
            await stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(bpmnProcessId="warm-up", version=-1, variables='{"x":1}'))
            polling = pb.ActivateJobsRequest(type="warm-up", worker="warm-up", timeout=60_000, maxJobsToActivate=1)
            async for answer in stub.ActivateJobs(polling):
                for job in answer.jobs:
                    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables='{"done":true}'))
            await engine.advance(timedelta(hours=2))
            task = next(key for value_type, key in await _keys(engine) if value_type == "USER_TASK")
            await engine.bridge.execute(commands.complete_user_task(task, EMPTY))
            await engine.settle()


async def _keys(engine: EmbeddedEngine) -> list[tuple[str, int]]:
    import json

    records = [json.loads(record) for record in await engine.records.read(0, 10_000)]
    return [(record["valueType"], record["key"]) for record in records if record["intent"] == "CREATED"]


if __name__ == "__main__":
    asyncio.run(warm_up())
