"""The search API beside a real broker: how soon what the broker did is searchable, which part of that is ours, and how fast records are taken in.

``engine start --engine broker`` runs as a process of its own, as its users run it; about two minutes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import httpx
import structlog

from bench.gateway_long import served
from bench.result import Result
from camunda_workers.client import BackOff, Client, Resource
from camunda_workers.engine.broker.distribution import distribution_folder
from camunda_workers.events import DEFAULT_FILE, EventLog, ReadModel, Record
from camunda_workers.events.sources.sink import ExporterSink
from camunda_workers.settings import Settings
from tests.support.diagrams import ONE_TASK

PACE = 100.0
"""Instances a second."""
_SECONDS = 20.0
_WARM = 1_000
_AT_ONCE = 1_000
_LOOK = 0.01
"""Seconds between two searches. One search looks for all that are waited for: many that look each for its own would be the load that is measured."""
_PATIENCE = 120.0
"""Seconds within which each part has to end: a broker that cannot keep up is a figure, not a wait without end."""


class Watch:
    """When something is found by a search, and how many milliseconds after it was there to be found."""

    def __init__(self, find: Callable[[list[str]], Awaitable[list[str]]]) -> None:
        self._find = find
        self._since: dict[str, float] = {}
        self.took: list[float] = []

    def begin(self, key: str, since: float) -> None:
        """Look for a process instance that is there since a moment of ``time.perf_counter``."""
        self._since[key] = since

    async def look(self) -> None:
        """Go on looking until cancelled."""
        while True:
            if self._since:
                found = await self._find(list(self._since)[:500])
                now = time.perf_counter()
                self.took += [(now - self._since.pop(key)) * 1000 for key in found]
            await asyncio.sleep(_LOOK)

    async def all_found(self) -> None:
        """Wait until nothing is looked for any more; what is not found by then has taken all the time there was."""
        end = time.perf_counter() + _PATIENCE
        while self._since and time.perf_counter() < end:  # noqa: ASYNC110 `look` takes them away
            await asyncio.sleep(_LOOK)
        now = time.perf_counter()
        self.took += [(now - since) * 1000 for since in self._since.values()]
        self._since.clear()


class _Bench:
    def __init__(self, client: Client, rest: httpx.AsyncClient) -> None:
        self._client = client
        self._rest = rest

    async def _search(self, wanted: object) -> list[str]:
        answer = await self._rest.post("/v2/process-instances/search", json=wanted)
        answer.raise_for_status()
        return [one["processInstanceKey"] for one in answer.json()["items"]]

    async def _found(self, keys: list[str]) -> list[str]:
        return await self._search({"filter": {"processInstanceKey": {"$in": keys}}, "page": {"limit": len(keys)}})

    async def until_found(self, seconds: float, pace: float) -> list[float]:
        """Start instances at a pace; the milliseconds from the answer of every fifth to the search that finds it."""
        watch = Watch(self._found)
        looking = asyncio.create_task(watch.look())

        async def one(*, watched: bool) -> None:
            key = str((await self._client.start("one-task", {"amount": 7})).process_instance_key)
            if watched:
                watch.begin(key, time.perf_counter())

        try:
            async with asyncio.TaskGroup() as group:
                begun = time.perf_counter()
                for number in range(int(seconds * pace)):
                    group.create_task(one(watched=number % 5 == 0))
                    await asyncio.sleep(max(0.0, begun + number / pace - time.perf_counter()))
            await watch.all_found()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return watch.took

    async def at_once(self, count: int) -> None:
        """Start so many as fast as the broker takes them, and wait until the last of them are found."""
        left, last = iter(range(count)), list[str]()

        async def starts() -> None:
            key = ""
            for _ in left:
                key = str((await self._client.start("one-task", {"amount": 7})).process_instance_key)
            last.append(key)

        await asyncio.gather(*(starts() for _ in range(32)))
        last = [key for key in last if key]
        async with asyncio.timeout(_PATIENCE):
            while len(await self._found(last)) < len(last):  # noqa: ASYNC110 another process does it
                await asyncio.sleep(_LOOK)


def p99(took: Sequence[float]) -> float:
    """All but a hundredth are below it."""
    return sorted(took)[int(len(took) * 0.99)]


def _median(took: Sequence[float]) -> float:
    return sorted(took)[len(took) // 2]


async def _beside(folder: Path) -> tuple[list[float], list[float], float]:
    """Found under load and alone, in milliseconds, and the seconds for many at once."""
    with served(folder, "--engine", "broker") as (grpc, address, _):
        async with (
            # A broker that gets all it can take refuses now and then.
            Client(settings=Settings(grpc_address=grpc), back_off=BackOff(attempts=100, longest=2.0)) as client,
            httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as rest,
        ):
            await client.deploy(Resource("one-task.bpmn", ONE_TASK))
            bench = _Bench(client, rest)
            await bench.at_once(_WARM)  # Java's compilers
            alone = await bench.until_found(10, 5)
            found = await bench.until_found(_SECONDS, PACE)
            begun = time.perf_counter()
            await bench.at_once(_AT_ONCE)
            return found, alone, time.perf_counter() - begun


async def _ours(folder: Path) -> tuple[list[float], float]:
    """The broker's records once more, as many a second, from this process instead of the exporter: what is left without the broker.

    Returns the milliseconds from a request to the search that finds what is in it, and the records that one instance makes.
    """
    async with EventLog.open(folder / DEFAULT_FILE) as log:
        records = [record async for record in log.records()]
    begins = {
        record.position: str(record.key)
        for record in records
        if record.value_type == "PROCESS_INSTANCE" and record.intent == "ELEMENT_ACTIVATED" and record.value["bpmnElementType"] == "PROCESS"
    }
    size = len(records) / len(begins)
    return await _pushed(folder / "ours.db", records[: int(_SECONDS / 2 * PACE * size)], begins, round(size)), size


async def _pushed(path: Path, records: list[Record], begins: dict[int, str], size: int) -> list[float]:
    async with EventLog.open(path, durable=True) as log:
        model = ReadModel(log)

        async def find(keys: list[str]) -> list[str]:
            found = await model.search_process_instances({"processInstanceKey": {"$in": keys}}, page={"limit": len(keys)})
            return [one["processInstanceKey"] for one in found["items"]]

        watch = Watch(find)
        async with ExporterSink(log, followers=[model]) as sink, httpx.AsyncClient(base_url=sink.address, trust_env=False) as http:
            looking, begun = asyncio.create_task(watch.look()), time.perf_counter()
            for number, first in enumerate(range(0, len(records), size)):
                some = records[first : first + size]
                for record in some:
                    if record.position in begins:
                        watch.begin(begins[record.position], time.perf_counter())
                body = "".join(f'{{"index":{{}}}}\n{record.text}\n' for record in some)
                (await http.post("/_bulk", content=body)).raise_for_status()
                await asyncio.sleep(max(0.0, begun + number / PACE - time.perf_counter()))
            await watch.all_found()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    return watch.took


async def _measure(folder: Path) -> list[Result]:
    found, alone, seconds = await _beside(folder)
    ours, size = await _ours(folder)
    print(
        f"    median {_median(found):.0f} ms at {PACE:g}/s, {_median(alone):.0f} ms at 5/s; {_median(ours):.0f} ms without the broker; "
        f"{_AT_ONCE / seconds:.0f} instances/s and {size:.0f} records each when it starts all it can",
        file=sys.stderr,
    )
    return [
        Result(f"beside a broker: started to found by a search, {PACE:g} instances/s beside it (p99)", "ms", p99(found), 200),
        Result("beside a broker: the same, five instances a second (p99)", "ms", p99(alone), 200),
        Result(f"of it ours: the records of {PACE:g} instances/s without the broker (p99)", "ms", p99(ours), 50),
        Result(
            "beside a broker: records taken in while it starts all it can", "records/s", _AT_ONCE * size / seconds, 1_000, at_most=False
        ),
    ]


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    # That a busy broker is asked again is expected here, thousands of times.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = Settings()
    if not (distribution_folder(settings.broker_version, settings.cache_dir) / "bin" / "broker").exists():
        print("left out: no broker distribution in the cache; camunda-workers engine start --engine broker fetches it", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="bench-broker-") as folder:
        yield from asyncio.run(_measure(Path(folder)))


if __name__ == "__main__":
    for _row in run():
        print(f"{_row.name}: {_row.ours:.3g} {_row.unit} ({'met' if _row.met else 'MISSED'})")
