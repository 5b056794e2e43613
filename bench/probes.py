"""What `bench.worker` looks at, each in a process of its own: ``python -m bench.probes <probe> <address> <job type> <number>``."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from bench.contestants import Claim, quiet
from camunda_workers import Client, Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.settings import Settings

HANDLER = 0.1
WATCHED = 15.0
SETTLED = 8.0
IDLE = 10.0


def memory() -> float:
    """Megabytes of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1e6


async def latency_ours(address: str, job_type: str, number: int) -> dict[str, Any]:
    """Our worker; stamps each job when its function begins."""
    taken: list[float] = []
    done = asyncio.Event()

    @worker(job_type)
    async def stamp(made: int) -> None:
        taken.append((time.monotonic_ns() - made) / 1e6)
        if len(taken) == number:
            done.set()

    async with Client(settings=Settings(grpc_address=address)) as client, WorkerRunner(client, [Router(stamp)]):
        await done.wait()
    return {"milliseconds": taken}


async def latency_plain(address: str, job_type: str, number: int) -> dict[str, Any]:
    """A plain stream with the same validation."""
    shape = TypedDict("shape", {"made": int})  # noqa: UP013 - made here, as ours is
    adapter: Any = TypeAdapter(shape)
    taken: list[float] = []
    tasks: set[asyncio.Task[None]] = set()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = GatewayStub(channel)

        async def work(job: Any) -> None:
            made: int = adapter.validate_json(job.variables)["made"]
            taken.append((time.monotonic_ns() - made) / 1e6)
            await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables="{}"), timeout=10)

        request = pb.StreamActivatedJobsRequest(type=job_type, worker="plain", timeout=60_000, fetchVariable=["made"])
        async for job in stub.StreamActivatedJobs(request):
            tasks.add(task := asyncio.create_task(work(job)))
            task.add_done_callback(tasks.discard)
            if len(taken) + len(tasks) >= number:
                break
        await asyncio.gather(*tasks)
    return {"milliseconds": taken}


async def cap(address: str, job_type: str, number: int) -> dict[str, Any]:
    """50,000 jobs are pushed at a slow function: how many run at once, and what they cost in memory while they wait."""
    running = most = done = 0

    @worker(job_type, max_running=number)
    async def slow(number: int, claim: Claim) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(HANDLER)
        running -= 1
        done += 1

    async with Client(settings=Settings(grpc_address=address)) as client, WorkerRunner(client, [Router(slow)]):
        while done < number:  # noqa: ASYNC110 - a probe looks now and then
            await asyncio.sleep(0.01)
        before = memory()
        highest = before
        began = time.monotonic()
        already = done
        while (passed := time.monotonic() - began) < WATCHED:
            await asyncio.sleep(0.1)
            highest = max(highest, memory())
    return {"most": most, "grown": highest - before, "rate": (done - already) / passed}


async def idle(address: str, job_type: str, number: int) -> dict[str, Any]:
    """Many workers and nothing to do."""

    def one(name: str) -> Any:
        @worker(name)
        async def nothing(number: int) -> None:
            raise AssertionError(number)

        return nothing

    router = Router(*(one(f"{job_type}-{count}") for count in range(number)))
    async with Client(settings=Settings(grpc_address=address)) as client, WorkerRunner(client, [router]):
        # All have asked for jobs by then, and grpc has learnt what it learns at first.
        await asyncio.sleep(SETTLED)
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(IDLE)
        percent = (time.process_time() - used) / (time.monotonic() - began) * 100
    return {"percent": percent, "memory": memory()}


PROBES: dict[str, Callable[[str, str, int], Awaitable[dict[str, Any]]]] = {
    "latency-ours": latency_ours,
    "latency-plain": latency_plain,
    "cap": cap,
    "idle": idle,
}


async def main(probe: str, address: str, job_type: str, number: int) -> dict[str, Any]:
    """One probe, in this process."""
    return await PROBES[probe](address, job_type, number)


if __name__ == "__main__":
    quiet()
    chosen, where, what, how_many = sys.argv[1:]
    print(json.dumps(asyncio.run(main(chosen, where, what, int(how_many)))), flush=True)
