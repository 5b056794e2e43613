"""An engine's folder goes from one engine version to another: one process per version, because a process holds one only.

``python -m tests.support.version_move write|go_on|backwards FOLDER``; the version is the environment's. ``write`` leaves one case at each kind of
waiting, a snapshot, and a log that goes further than it; ``go_on`` ends them all and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import pack
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.support.diagrams import process, sequence, service_task, timer, user_task

WAITING = ("job", "person", "message", "timer", "incident")
_MESSAGE = '<bpmn:message id="paid" name="paid"><bpmn:extensionElements><zeebe:subscription correlationKey="=id"/></bpmn:extensionElements></bpmn:message>'
_DECISION = b"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="rules" name="Rules" namespace="http://camunda.org/schema/1.0/dmn">
  <decision id="double" name="Double"><variable name="double"/><literalExpression><text>assert(x, x != null) * 2</text></literalExpression></decision>
</definitions>"""
_RULE = (
    '<bpmn:businessRuleTask id="rule"><bpmn:extensionElements><zeebe:calledDecision decisionId="double" resultVariable="twice"/>'
    "</bpmn:extensionElements></bpmn:businessRuleTask>"
)
_PARTS = {
    "job": service_task("work", "work"),
    "person": user_task("decide", group="clerks"),
    "message": '<bpmn:intermediateCatchEvent id="wait"><bpmn:messageEventDefinition messageRef="paid"/></bpmn:intermediateCatchEvent>',
    "timer": timer("pause", "PT48H"),
    "incident": _RULE,
}


async def write(data: Path) -> None:
    async with EmbeddedEngine(data=data) as engine:
        resources = [
            (f"{name}.bpmn", process(name, sequence(part), _MESSAGE if name == "message" else "")) for name, part in _PARTS.items()
        ]
        await engine.bridge.execute(commands.deploy([*resources, ("rules.dmn", _DECISION)]))
        for name in WAITING:
            await start(engine, name)
    engine = await EmbeddedEngine(data=data).start()
    for name in WAITING:  # these are in the log only
        await start(engine, name)
    await engine.settle()
    await engine.read_model()
    os._exit(9)


async def start(engine: EmbeddedEngine, name: str) -> None:
    variables = {"id": name} if name == "incident" else {"id": name, "x": 21}
    await engine.bridge.execute(commands.create_instance(process_id=name, variables=pack(variables)))


async def go_on(data: Path) -> None:
    async with EmbeddedEngine(data=data, rest_port=0) as engine, grpc.aio.insecure_channel(engine.grpc_address) as channel:
        async with httpx.AsyncClient(base_url=engine.rest_address, timeout=60) as rest:
            before = await instances(engine)
            await finish(engine)
            for name in WAITING:  # and new ones
                await start(engine, name)
            await finish(engine)
            topology: Any = await GatewayStub(channel).Topology(pb.TopologyRequest())
            seen = {
                "before": before,
                "after": await instances(engine),
                "grpc": [topology.gatewayVersion, *(broker.version for broker in topology.brokers)],
                "rest": (await rest.get("/v2/topology")).json()["gatewayVersion"],
                "records": await versions(engine),
            }
    print(json.dumps(seen))


async def finish(engine: EmbeddedEngine) -> None:
    """End every case that waits."""
    await engine.settle()
    jobs = await engine.bridge.execute(commands.activate_jobs("work", "test", 60_000, 10, []))
    for key in jobs.value["jobKeys"]:
        await engine.bridge.execute(commands.complete_job(key, pack({"done": True})))
    model = await engine.read_model()
    for task in (await model.search_user_tasks(filter={"state": "CREATED"}))["items"]:
        await engine.bridge.execute(commands.complete_user_task(int(task["userTaskKey"]), pack({})))
    for _ in range(3):  # one message is for one instance of a process
        await engine.bridge.execute(commands.publish_message("paid", "message", 60_000, "", pack({})))
    for incident in (await model.search_incidents(filter={"state": "ACTIVE"}))["items"]:
        scope = int(incident["processInstanceKey"])
        await engine.bridge.execute(commands.set_variables(scope, pack({"x": 4}), local=True))
        await engine.bridge.execute(commands.resolve_incident(int(incident["incidentKey"])))
    await engine.advance(timedelta(hours=49))
    await engine.settle()


async def instances(engine: EmbeddedEngine) -> dict[str, list[str]]:
    found = await (await engine.read_model()).search_process_instances(page={"limit": 100})
    states: dict[str, list[str]] = {}
    for item in found["items"]:
        states.setdefault(item["processDefinitionId"], []).append(item["state"])
    return states


async def versions(engine: EmbeddedEngine) -> list[str]:
    """The versions that wrote the records which the engine still has."""
    return sorted({json.loads(record)["brokerVersion"] for record in await engine.records.read(0, 100_000)})


async def backwards(data: Path) -> None:
    from camunda_workers.errors import ConfigurationError

    try:
        async with EmbeddedEngine(data=data):
            print("it was opened")
    except ConfigurationError as error:
        print(error)


if __name__ == "__main__":
    asyncio.run({"write": write, "go_on": go_on, "backwards": backwards}[sys.argv[1]](Path(sys.argv[2])))
