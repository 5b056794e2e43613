"""The search API beside a real broker: how soon what the broker did is searchable, and how fast its exporter's records are taken in."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from bench.result import Result
from camunda_workers.client import BackOff, Client, Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.distribution import distribution_folder
from camunda_workers.settings import Settings
from tests.support.diagrams import ONE_TASK

_PACE = 100.0
_SECONDS = 20.0
_AT_ONCE = 2_000


class _Bench:
    def __init__(self, client: Client, rest: httpx.AsyncClient) -> None:
        self._client = client
        self._rest = rest

    async def _start(self) -> str:
        return str((await self._client.start("one-task", {"amount": 7})).process_instance_key)

    async def _found(self, filter: dict[str, Any]) -> int:
        answer = await self._rest.post("/v2/process-instances/search", json={"filter": filter, "page": {"limit": 1}})
        answer.raise_for_status()
        return answer.json()["page"]["totalItems"]

    async def until_found(self, seconds: float, pace: float) -> list[float]:
        """Start instances at a pace; the milliseconds from the answer of every tenth to the search that finds it."""
        took: list[float] = []

        async def one(*, watched: bool) -> None:
            key = await self._start()
            begun = time.perf_counter()
            while watched:
                if await self._found({"processInstanceKey": key}):
                    took.append((time.perf_counter() - begun) * 1000)
                    return
                await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            begun = time.perf_counter()
            for number in range(int(seconds * pace)):
                group.create_task(one(watched=number % 10 == 0))
                await asyncio.sleep(max(0.0, begun + number / pace - time.perf_counter()))
        return took

    async def at_once(self, count: int) -> None:
        """Start so many as fast as the broker takes them, and wait until all of them are found."""
        before, left = await self._found({}), iter(range(count))

        async def starts() -> None:
            for _ in left:
                await self._start()

        await asyncio.gather(*(starts() for _ in range(32)))
        while await self._found({}) < before + count:  # noqa: ASYNC110 another process does it
            await asyncio.sleep(0.1)


def p99(took: Sequence[float]) -> float:
    """All but a hundredth are below it."""
    return sorted(took)[int(len(took) * 0.99)]


async def _measure() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory(prefix="bench-broker-") as folder:
        async with (
            BrokerEngine(Path(folder), search=True) as engine,
            # A broker that gets all it can take refuses now and then.
            Client(settings=Settings(grpc_address=engine.grpc_address), back_off=BackOff(attempts=100, longest=2.0)) as client,
            httpx.AsyncClient(base_url=engine.rest_address, timeout=60, trust_env=False) as rest,
        ):
            await client.deploy(Resource("one-task.bpmn", ONE_TASK))
            bench = _Bench(client, rest)
            await bench.at_once(500)  # Java's compilers
            alone = await bench.until_found(10, 2)
            took = await bench.until_found(_SECONDS, _PACE)
            assert engine.event_log is not None
            size, begun, cpu = await engine.event_log.size(), time.perf_counter(), time.process_time()
            await bench.at_once(_AT_ONCE)
            seconds = time.perf_counter() - begun
            records = await engine.event_log.size() - size
            spent = (time.process_time() - cpu) * 1000 / records
            print(
                f"    of {len(took)} p50 {sorted(took)[len(took) // 2]:.0f} ms; {spent:.2f} ms of CPU a record, clients included",
                file=sys.stderr,
            )
            return p99(took), p99(alone), records / seconds


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    settings = Settings()
    if not (distribution_folder(settings.broker_version, settings.cache_dir) / "bin" / "broker").exists():
        print("left out: no broker distribution in the cache; camunda-workers engine start --engine broker fetches it", file=sys.stderr)
        return
    found, alone, rate = asyncio.run(_measure())
    yield Result(f"beside a broker: started to found by a search, {_PACE:g} instances/s beside it (p99)", "ms", found, 200)
    yield Result("beside a broker: the same, two instances a second (p99)", "ms", alone, 200)
    yield Result("beside a broker: records taken in while it starts all it can", "records/s", rate, 1_000, at_most=False)


if __name__ == "__main__":
    for _row in run():
        print(f"{_row.name}: {_row.ours:.3g} {_row.unit} ({'met' if _row.met else 'MISSED'})")
