"""An unchanged pyzeebe client and worker: one-task instances with their results, against the gateway at ``argv[1]``.

Prints two numbers: instances per second with many under way, and the median milliseconds of one alone.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import Any

from pyzeebe import ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import ZeebeBackPressureError

_AT_ONCE = 64


async def main(address: str, diagram: str, count: int) -> None:
    """Deploy, run a worker beside the client, and measure."""
    client = ZeebeClient(create_insecure_channel(grpc_address=address))
    worker = ZeebeWorker(create_insecure_channel(grpc_address=address))

    # At its limit of running jobs pyzeebe sleeps five seconds: the limit is out of reach.
    @worker.task(task_type="work", max_jobs_to_activate=_AT_ONCE, max_running_jobs=100 * _AT_ONCE)
    async def work() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"done": True}

    await client.deploy_resource(diagram)
    working = asyncio.create_task(worker.work())
    room = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with room:
            while True:
                try:
                    await client.run_process_with_result("one-task", timeout=60_000)
                except ZeebeBackPressureError:
                    await asyncio.sleep(0.01)  # as users do: a real broker refuses while it has too much to do
                else:
                    return

    await asyncio.gather(*(one() for _ in range(100)))
    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    rate = count / (time.perf_counter() - begun)
    alone: list[float] = []
    for _ in range(100):
        begun = time.perf_counter()
        await one()
        alone.append((time.perf_counter() - begun) * 1000)
    print(rate, statistics.median(alone), flush=True)
    working.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
