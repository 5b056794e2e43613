"""pyzeebe, unchanged and in a process of its own, against ``camunda-workers engine start``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.diagrams import ONE_TASK
from tests.support.processes import engine_process, run_python

pytestmark = pytest.mark.engine

SCRIPT = """
import asyncio, json, sys
from pyzeebe import Job, ZeebeClient, ZeebeWorker, create_insecure_channel

async def main(address, diagram):
    channel = create_insecure_channel(grpc_address=address)
    client, worker = ZeebeClient(channel), ZeebeWorker(channel)
    deployed = await client.deploy_resource(diagram)

    @worker.task(task_type="work")
    async def work(x: int) -> dict:
        return {"y": x + 1}

    working = asyncio.create_task(worker.work())
    result = await client.run_process_with_result("one-task", {"x": 41}, timeout=10000)
    started = await client.run_process("one-task", {"x": 1})
    topology = await client.topology()
    try:
        await client.run_process("nobody-knows-it")
    except Exception as error:
        refused = type(error).__name__
    await worker.stop()
    await asyncio.wait_for(working, 30)
    print(json.dumps([deployed.deployments[0].bpmn_process_id, result.variables, started.process_instance_key > 0, topology.cluster_size, refused]))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("state", ["memory", "rocksdb"])
async def test_pyzeebe_deploys_runs_and_works(tmp_path: Path, state: str) -> None:
    diagram = tmp_path / "one-task.bpmn"
    diagram.write_bytes(ONE_TASK)
    async with engine_process("--state", state) as ready:
        printed = await run_python(SCRIPT, ready["grpc"], str(diagram))
    assert json.loads(printed) == ["one-task", {"x": 41, "y": 42}, True, 1, "ProcessDefinitionNotFoundError"]
