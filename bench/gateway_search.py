"""Searches through the REST API: how long one takes among 100,000 instances, and when a new instance is found. Takes minutes."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from bench.gateway_long import served
from bench.result import Result
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.stub import GatewayStub
from camunda_workers.events.search import MOST_COUNTED
from tests.support.diagrams import ONE_TASK

INSTANCES = 100_000
_TOGETHER = 100
_SEARCHES = 1_000
_PACE = 100.0
_SECONDS = 20.0


def _p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)] * 1000


def _cpu(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Bench:
    def __init__(self, stub: Any, rest: httpx.AsyncClient) -> None:
        self._stub = stub
        self._rest = rest
        self._keys: list[int] = []

    async def start(self) -> int:
        """Start an instance and return its key."""
        answer = await self._stub.CreateProcessInstance(pb.CreateProcessInstanceRequest(bpmnProcessId="one-task", version=-1))
        return answer.processInstanceKey

    async def fill(self, count: int) -> None:
        """Have so many instances, all of them searchable."""
        for _ in range(count // _TOGETHER):
            self._keys += await asyncio.gather(*(self.start() for _ in range(_TOGETHER)))
        last = await self.search({"page": {"from": count - 1, "limit": 1}})
        assert len(last["items"]) == 1, f"of {count} instances not all were found"
        assert last["page"]["hasMoreTotalItems"] == (count > MOST_COUNTED), f"{last['page']} among {count} instances"

    async def search(self, wanted: dict[str, Any]) -> Any:
        """Search for process instances."""
        answer = await self._rest.post("/v2/process-instances/search", json=wanted)
        answer.raise_for_status()
        return answer.json()

    async def searches(self, count: int) -> list[float]:
        """Search one after the other, what people search for; the seconds that each took."""
        dice = random.Random(7)
        kinds = itertools.cycle(
            [
                lambda: {"filter": {"processInstanceKey": str(dice.choice(self._keys))}},
                lambda: {"filter": {"state": "ACTIVE"}, "sort": [{"field": "startDate", "order": "DESC"}], "page": {"limit": 20}},
                lambda: {"filter": {"processDefinitionId": "one-task", "state": "ACTIVE"}, "page": {"limit": 50}},
                lambda: {"sort": [{"field": "processInstanceKey", "order": "ASC"}], "page": {"from": 1000, "limit": 20}},
                lambda: {"filter": {"processInstanceKey": {"$in": [str(dice.choice(self._keys)) for _ in range(20)]}}},
            ]
        )
        took: list[float] = []
        for _ in range(count):
            wanted = next(kinds)()
            begun = time.perf_counter()
            await self.search(wanted)
            took.append(time.perf_counter() - begun)
        return took

    async def until_found(self, seconds: float) -> list[float]:
        """Start instances at a pace; the seconds from the answer of every tenth to the search that finds it."""
        took: list[float] = []

        async def one(*, watched: bool) -> None:
            key = await self.start()
            begun = time.perf_counter()
            while watched:
                found = await self.search({"filter": {"processInstanceKey": str(key)}})
                if found["page"]["totalItems"] == 1:
                    took.append(time.perf_counter() - begun)
                    return

        async with asyncio.TaskGroup() as group:
            begun = time.perf_counter()
            for number in range(int(seconds * _PACE)):
                group.create_task(one(watched=number % 10 == 0))
                await asyncio.sleep(max(0.0, begun + number / _PACE - time.perf_counter()))
        return took


async def _measure(count: int) -> tuple[float, float]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-search-") as folder,
        served(Path(folder) / "data") as (grpc_address, rest_address, process),
    ):
        async with grpc.aio.insecure_channel(grpc_address) as channel, httpx.AsyncClient(base_url=rest_address, timeout=600) as rest:
            stub: Any = GatewayStub(channel)
            await stub.DeployResource(pb.DeployResourceRequest(resources=[pb.Resource(name="one-task.bpmn", content=ONE_TASK)]))
            bench = _Bench(stub, rest)
            await bench.fill(count)
            await bench.searches(100)
            before = _cpu(process)
            searches = await bench.searches(_SEARCHES)
            used = (_cpu(process) - before) / _SEARCHES * 1000
            print(
                f"    a search: median {statistics.median(searches) * 1000:.1f} ms, {used:.1f} ms of processor time",
                file=sys.stderr,
                flush=True,
            )
            return _p99(searches), _p99(await bench.until_found(_SECONDS))


def run(count: int = INSTANCES) -> Iterator[Result]:
    """Measure everything in this module."""
    search, found = asyncio.run(_measure(count))
    yield Result(f"search among {count:,} instances (p99)", "ms", search, 20)
    yield Result(f"started to found by a search, {_PACE:g} instances/s beside it (p99)", "ms", found, 200)


if __name__ == "__main__":
    for _row in run(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else INSTANCES):
        print(f"{_row.name}: {_row.ours:.3g} {_row.unit} ({'met' if _row.met else 'MISSED'})")
