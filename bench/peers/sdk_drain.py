"""Drains a backlog with camunda-orchestration-sdk at its defaults; runs in a Python that has it, not in ours.

``python sdk_drain.py <REST address> <job type> <count>`` prints a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from camunda_orchestration_sdk import CamundaAsyncClient, WorkerConfig  # pyright: ignore[reportMissingImports, reportUnknownVariableType]


async def main(address: str, job_type: str, count: int) -> None:
    """Drain."""
    done = 0
    started, cpu = time.perf_counter(), time.process_time()

    async def work(job: Any) -> dict[str, Any]:
        nonlocal done
        done += 1
        if done == count:
            print(json.dumps({"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}), flush=True)
            os._exit(0)
        variables = job.variables.to_dict()
        return {"number": variables["number"] + 1, "amount": variables["claim"]["amount"]}

    configuration: Any = {"CAMUNDA_REST_ADDRESS": f"{address}/v2", "CAMUNDA_AUTH_STRATEGY": "NONE"}
    async with CamundaAsyncClient(configuration=configuration) as client:  # pyright: ignore[reportUnknownVariableType]
        config: Any = WorkerConfig(job_type=job_type, job_timeout_milliseconds=60_000)  # pyright: ignore[reportUnknownVariableType]
        client.create_job_worker(config=config, callback=work, execution_strategy="async")  # pyright: ignore[reportUnknownMemberType]
        await client.run_workers()  # pyright: ignore[reportUnknownMemberType]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
