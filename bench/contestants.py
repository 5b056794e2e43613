"""What is compared: our worker, a plain grpc.aio loop with the same validation, and pyzeebe; each alone in a process.

``python -m bench.contestants <name> <address> <job type> <count>`` prints a line of JSON when so many jobs were completed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
import structlog
from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from camunda_workers import Client, Router, run_workers, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.settings import Settings

RUNNING = 200
"""Jobs that may run at once: the same for ours and the plain loop."""

BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

VARIABLES = json.dumps({"number": 7, "claim": {"id": 7, "amount": 100.5, "text": "water damage " * 5, "tags": ["a", "b"]}})


class Claim(BaseModel):
    """What the jobs carry."""

    id: int
    amount: float
    text: str
    tags: list[str]


class Checked(BaseModel):
    """What the function returns."""

    number: int
    amount: float


async def check(number: int, claim: Claim) -> Checked:
    """The work: none."""
    return Checked(number=number + 1, amount=claim.amount)


Ended = Callable[[], None]


async def ours(address: str, job_type: str, ended: Ended, done: asyncio.Event) -> None:
    """Our worker, as ``run_workers`` runs it."""

    class Counting(Client):
        async def complete_job(
            self, job_key: int, variables: object = None, *, result: pb.JobResult | None = None, lease_token: str | None = None
        ) -> None:
            await super().complete_job(job_key, variables, result=result, lease_token=lease_token)
            ended()

    one = worker(job_type, max_running=RUNNING)(check)
    async with Counting(settings=Settings(grpc_address=address)) as client:
        await run_workers(client, [Router(one)], stop=done)


class _Arguments(TypedDict):
    number: int
    claim: Claim


async def plain(address: str, job_type: str, ended: Ended, done: asyncio.Event) -> None:
    """A loop on grpc.aio that does what has to be done and nothing else: no cap on bad luck, no retries, no drain."""
    adapter = TypeAdapter(_Arguments)
    room = asyncio.Semaphore(RUNNING)
    tasks: set[asyncio.Task[None]] = set()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = GatewayStub(channel)

        async def complete(job: Any) -> None:
            arguments = adapter.validate_json(job.variables)
            result = await check(**arguments)
            request = pb.CompleteJobRequest(jobKey=job.key, variables=json.dumps(result.model_dump(mode="json", by_alias=True)))
            while True:
                try:
                    await stub.CompleteJob(request, timeout=30)
                    break
                except grpc.aio.AioRpcError as error:
                    if error.code() not in BUSY:
                        raise
                    await asyncio.sleep(0.02)
            room.release()
            ended()

        async def poll() -> None:
            while True:
                if len(tasks) > RUNNING * 0.7:
                    await asyncio.sleep(0.001)
                    continue
                request = pb.ActivateJobsRequest(
                    type=job_type,
                    worker="plain",
                    timeout=60_000,
                    maxJobsToActivate=RUNNING - len(tasks),
                    requestTimeout=10_000,
                    fetchVariable=["number", "claim"],
                )
                try:
                    async for response in stub.ActivateJobs(request, timeout=20):
                        for job in response.jobs:
                            await room.acquire()
                            task = asyncio.create_task(complete(job))
                            tasks.add(task)
                            task.add_done_callback(tasks.discard)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in BUSY:
                        raise
                    await asyncio.sleep(0.02)

        polling = asyncio.create_task(poll())
        await done.wait()
        polling.cancel()
        await asyncio.wait([polling, *tasks])


async def pyzeebe(address: str, job_type: str, ended: Ended, done: asyncio.Event) -> None:
    """pyzeebe at its defaults."""
    from pyzeebe import ZeebeWorker, create_insecure_channel

    worker = ZeebeWorker(create_insecure_channel(grpc_address=address))

    async def count(job: Any) -> Any:
        # Runs just before the completion is sent: a few jobs early, nothing in thousands.
        ended()
        return job

    @worker.task(task_type=job_type, after=[count])
    async def task(number: int, claim: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"number": number + 1, "amount": claim["amount"]}

    working = asyncio.create_task(worker.work())
    await done.wait()
    working.cancel()
    await asyncio.wait([working])


CONTESTANTS: dict[str, Callable[[str, str, Ended, asyncio.Event], Awaitable[None]]] = {"ours": ours, "plain": plain, "pyzeebe": pyzeebe}


async def drain(name: str, address: str, job_type: str, count: int) -> dict[str, float]:
    """Run one contestant until so many jobs are done; seconds and CPU seconds from its start."""
    done = asyncio.Event()
    completed = 0
    seconds = cpu = 0.0
    started, started_cpu = time.perf_counter(), time.process_time()

    def ended() -> None:
        nonlocal completed, seconds, cpu
        completed += 1
        if completed == count:
            seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
            done.set()

    await CONTESTANTS[name](address, job_type, ended, done)
    return {"seconds": seconds, "cpu": cpu}


def quiet() -> None:
    """Log errors only, as cheaply for every contestant."""
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def run(name: str, address: str, job_type: str, count: int) -> dict[str, float]:
    """One contestant, in this process."""
    quiet()
    return asyncio.run(drain(name, address, job_type, count))


if __name__ == "__main__":
    chosen, where, what, how_many = sys.argv[1:]
    print(json.dumps(run(chosen, where, what, int(how_many))), flush=True)
