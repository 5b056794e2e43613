"""A durable engine is killed under load, again and again: what it acknowledged is there, and nothing happens twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from camunda_workers.client.proto import gateway_pb2 as pb
from tests.support.durable import CASE, Acknowledged, DurableProcess, Load, broken_promises, gateway, publish

pytestmark = pytest.mark.engine

KILLS = int(os.environ.get("CAMUNDA_WORKERS_TEST_KILLS", "4"))


@pytest.mark.timeout(120 + 30 * KILLS)
async def test_kills_under_load_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    data, ledger = tmp_path / "data", Acknowledged()
    seed = int(os.environ.get("CAMUNDA_WORKERS_TEST_SEED", "0")) or random.randrange(1, 1_000_000)
    chance = random.Random(seed)
    for kill in range(KILLS):
        # A snapshot a second, so that kills hit snapshots and the log's cleaning too.
        engine = DurableProcess(data, "--snapshot-every", "1")
        try:
            await engine.start()
            if kill and chance.random() < 0.2:
                await asyncio.sleep(chance.uniform(0.3, 2.0))  # while it is getting ready
                continue
            await engine.until_ready()
            async with gateway(engine.ready["grpc"]) as stub:
                if not kill:
                    await stub.DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name="case.bpmn", content=CASE)]))
                loaded = asyncio.create_task(Load(stub, ledger, chance).run())
                await asyncio.sleep(chance.uniform(0.05, 2.5))
                await engine.kill()
                await asyncio.wait_for(loaded, 30)
            print(f"kill {kill + 1}: {ledger}", flush=True)
        finally:
            await engine.end()
    facts = f"seed {seed}, {KILLS} kills: {ledger}"
    assert ledger.cases, facts
    engine = DurableProcess(data)
    try:
        await engine.start()
        await engine.until_ready()
        await _finish(engine.ready, ledger)
        await engine.stop()
    finally:
        await engine.end()
    print(facts, flush=True)
    assert await broken_promises(data / "events.db", ledger) == [], facts


async def _finish(ready: dict[str, Any], ledger: Acknowledged) -> None:
    """Do all that is left to do: the jobs come back, the timers fire, every case ends."""
    async with gateway(ready["grpc"]) as stub, httpx.AsyncClient(base_url=ready["rest"]) as rest:
        for number in range(1, ledger.tried + 1):
            if number not in ledger.messages:
                await publish(stub, ledger, number)

        async def active() -> int:
            body = {"filter": {"processDefinitionId": "case", "state": "ACTIVE"}, "page": {"limit": 1}}
            answer = await rest.post("/v2/process-instances/search", json=body, timeout=60)
            return int(answer.json()["page"]["totalItems"])

        async with asyncio.timeout(60 + ledger.tried / 20):
            while await active():
                request = pb.ActivateJobsRequest(type="work", worker="last", timeout=60_000, maxJobsToActivate=100, requestTimeout=1000)
                async for answer in stub.ActivateJobs(request):
                    for job in answer.jobs:
                        number = json.loads(job.variables)["number"]
                        await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables=json.dumps({"done": number})))
                        ledger.jobs[job.key] = number
