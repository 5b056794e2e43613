"""Whether an engine's memory and threads stay flat over many requests, gRPC and REST mixed: ``python -m bench.gateway_long [COUNT]``.

A durable engine in a process of its own, as users run one: its log is cleaned behind its snapshots, its event log grows on disk and not in memory.
Each case is eight requests: two instances are started and worked, one over each face; after every tenth one is searched for. Says how it stands after
every twentieth of the way.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from bench.result import Result
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from tests.support.diagrams import ONE_TASK

COUNT = 1_000_000
_AT_ONCE = 16
_POINTS = 20
_SETTLED = _POINTS // 4
"""Points after which caches are full and Java's compilers are done: flat is measured from here."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the engine's process stands: requests answered until now, resident megabytes and those of them that are no file's, threads, open files."""

    requests: int
    megabytes: float
    own: float
    threads: int
    files: int


@contextmanager
def served(data: Path, *options: str) -> Generator[tuple[str, str, int]]:
    """An engine on a folder as a process of its own: its addresses and process id."""
    starting = [sys.executable, "-m", "camunda_workers", "engine", "start", "--grpc-port", "0", "--rest-port", "0", "--data", str(data)]
    with subprocess.Popen([*starting, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield ready["grpc"], ready["rest"], process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def _standing(process: int, requests: int) -> Standing:
    folder = Path(f"/proc/{process}")
    _, resident, of_files, *_ = (int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6 for pages in (folder / "statm").read_text().split())
    return Standing(requests, resident, resident - of_files, len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir())))


class _Caller:
    def __init__(self, stub: Any, rest: httpx.AsyncClient) -> None:
        self._stub = stub
        self._rest = rest
        self.requests = 0
        self._names = itertools.count()
        self._turns = itertools.count()

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self._rest.post(path, json=body)
        answer.raise_for_status()
        self.requests += 1
        return answer.json() if answer.content else None

    async def case(self) -> None:
        """Start, look, work, complete: over gRPC, then over REST."""
        stub = self._stub
        await stub.Topology(pb.TopologyRequest())
        await stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1, variables='{"amount":7}'))
        name = f"nobody-waits-{next(self._names)}"
        await stub.PublishMessage(pb.PublishMessageRequest(name=name, correlationKey="a", timeToLive=0, variables='{"a":1}'))
        self.requests += 3
        polling = pb.ActivateJobsRequest(type="work", worker="long", timeout=600_000, maxJobsToActivate=1, requestTimeout=10_000)
        async for answer in stub.ActivateJobs(polling):
            for job in answer.jobs:
                await stub.CompleteJob(pb.CompleteJobRequest(jobKey=job.key, variables='{"done":true}'))
                self.requests += 1
        self.requests += 1
        started = await self._post("/v2/process-instances", {"processDefinitionId": "one-task", "variables": {"amount": 7}})
        if next(self._turns) % 10 == 0:
            wanted = {"filter": {"processInstanceKey": started["processInstanceKey"]}}
            found = await self._post("/v2/process-instances/search", wanted)
            assert found["page"]["totalItems"] == 1, "an instance that was started is not found"
        taking = {"type": "work", "worker": "long", "timeout": 600_000, "maxJobsToActivate": 1, "requestTimeout": 10_000}
        for job in (await self._post("/v2/jobs/activation", taking))["jobs"]:
            await self._post(f"/v2/jobs/{job['jobKey']}/completion", {"variables": {"done": True}})


async def measure(count: int, *, say: bool = False) -> list[Standing]:
    """Send so many requests; how the engine stood along the way."""
    standings: list[Standing] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-long-") as folder,
        served(Path(folder) / "data", "--snapshot-every", "30") as (
            grpc_address,
            rest_address,
            process,
        ),
    ):
        limits = httpx.Limits(max_connections=_AT_ONCE)
        async with (
            grpc.aio.insecure_channel(grpc_address) as channel,
            httpx.AsyncClient(base_url=rest_address, limits=limits, timeout=60) as rest,
        ):
            stub: Any = GatewayStub(channel)
            await stub.DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name="one-task.bpmn", content=ONE_TASK)]))
            caller = _Caller(stub, rest)

            async def calling(until: int) -> None:
                while caller.requests < until:
                    await caller.case()

            begun = time.perf_counter()
            for point in range(1, _POINTS + 1):
                until = count * point // _POINTS
                await asyncio.gather(*(calling(until) for _ in range(_AT_ONCE)))
                standings.append(standing := _standing(process, caller.requests))
                if say:
                    pace = caller.requests / (time.perf_counter() - begun)
                    print(
                        f"{standing.requests:>9,} requests {pace:6.0f}/s {standing.megabytes:7.0f} MB ({standing.own:.0f} its own) "
                        f"{standing.threads:4} threads {standing.files:4} files",
                        flush=True,
                    )
    return standings


def results(standings: list[Standing]) -> Iterator[Result]:
    """Judge: what grew after the first quarter of the way."""
    settled, end = standings[_SETTLED:], standings[-1]
    half = len(settled) // 2
    early = max(one.megabytes for one in settled[:half])
    late = max(one.megabytes for one in settled[half:])
    yield Result(f"memory after {end.requests:,} requests", "MB", end.megabytes, 1500)
    yield Result("most memory in the last part beside the part before", "MB", late, 1.1, peer=early)
    yield Result("threads at the end beside those after a quarter", "", end.threads, 1.1, peer=settled[0].threads)
    yield Result("open files at the end beside those after a quarter", "", end.files, 1.2, peer=settled[0].files)


def run() -> Iterator[Result]:
    """Measure everything in this module; a million requests take half an hour."""
    yield from results(asyncio.run(measure(COUNT)))


if __name__ == "__main__":
    _count = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else COUNT
    _rows = list(results(asyncio.run(measure(_count, say=True))))
    for _row in _rows:
        print(f"{_row.name}: {_row.ours:.4g} {_row.unit} ratio {_row.ratio:.2f} {'met' if _row.met else 'MISSED'}")
    sys.exit(0 if all(row.met for row in _rows) else 1)
