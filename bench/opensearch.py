"""One broker's log, given to Camunda's stock exporters twice: into a real OpenSearch, and into our sink.

Needs an OpenSearch (``python -m tests.support.opensearch FOLDER`` runs one; ``CAMUNDA_WORKERS_TEST_OPENSEARCH`` names another) and the broker's
distribution in the cache; without them it says so and measures nothing. ``OPENSEARCH_CASES`` sets how many cases the broker has in its log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from bench.result import Result
from camunda_workers.client import Client, Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.distribution import distribution_folder
from camunda_workers.events import EventLog, Pump
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.sources.elasticsearch import RecordIndices
from camunda_workers.events.sources.sink import exporter_properties
from camunda_workers.settings import Settings
from tests.support import opensearch
from tests.support.diagrams import process, sequence, service_task
from tests.support.opensearch import Indices
from tests.support.tasks_ground import claim

CASES: Final = int(os.environ.get("OPENSEARCH_CASES", "1500"))
AT_ONCE: Final = 20
TICKS: Final = os.sysconf("SC_CLK_TCK")
_ONE: Final = Resource("one.bpmn", process("one", sequence(service_task("work", "work"))))
_PAUSED: Final = "/actuator/exporting/pause"
_RESUMED: Final = "/actuator/exporting/resume"


@dataclass(frozen=True)
class Drained:
    """How one of the two took the log.

    Attributes:
        records: how many.
        rate: records a second, without the first and the last tenth (templates, indices; the exporter's last, small request).
        cpu: microseconds of processor time a record that the receiving side took.
        broker_cpu: and the broker with its exporter.
        size: bytes on disk.
    """

    records: int
    rate: float
    cpu: float
    broker_cpu: float
    size: int


def _claims(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Claims that differ as claims do: alike ones would be packed to nothing."""
    chance = random.Random(seed)
    syllables = [first + second for first in "bcdfglmnprstvw" for second in ("a", "e", "i", "o", "u", "an", "er", "is", "ot")]

    def words(number: int) -> str:
        return " ".join("".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(number))

    for number in range(count):
        name, amount = words(2).title(), chance.randint(500, 90_000)
        yield claim(f"CLM-{seed + number:06d}", amount=amount) | {
            "policy_number": chance.randint(100_000, 999_999),
            "incident_date": f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
            "incident_city": words(1).title(),
            "incident_hour": chance.randint(0, 23),
            "injury_amount": amount // chance.randint(3, 9),
            "vehicle": {"make": words(1), "model": words(1), "year": chance.randint(1995, 2026)},
            "claimant": {"name": name, "email": f"{name.lower().replace(' ', '.')}@{words(1)}.example"},
            "what_happened": words(chance.randint(10, 60)),
        }


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _bytes(log: Path) -> int:
    """What a log takes on disk, with whatever SQLite keeps beside it."""
    return sum(path.stat().st_size for path in log.parent.glob(f"{log.name}*"))


def _properties(exporter: dict[str, Any]) -> dict[str, Any]:
    # Without a snapshot nothing of the log is let go.
    return exporter | {"zeebe.broker.data.snapshotPeriod": "60m"}


async def _actuate(engine: BrokerEngine, path: str) -> None:
    async with httpx.AsyncClient(base_url=engine.management_address, timeout=60, trust_env=False) as http:
        (await http.post(path)).raise_for_status()


async def _make(folder: Path) -> None:
    """A broker's folder whose log no exporter has seen yet."""
    async with BrokerEngine(folder, properties=_properties(exporter_properties("http://127.0.0.1:1"))) as engine:
        await _actuate(engine, _PAUSED)
        async with Client(engine.grpc_address, "") as client:
            await client.deploy(_ONE)
            started = done = 0
            while done < CASES:
                if started < CASES:
                    await asyncio.gather(*(client.start("one", {"claim": one}) for one in _claims(started, AT_ONCE)))
                    started += AT_ONCE
                jobs = await client.activate_jobs("work", worker="bench", timeout=timedelta(minutes=5), max_jobs=AT_ONCE)
                await asyncio.gather(*(client.complete_job(job.key, {"decision": {"outcome": "approve", "amount": 900}}) for job in jobs))
                done += len(jobs)


async def _drain(
    folder: Path, exporter: dict[str, Any], count: Callable[[], Awaitable[int]], cpu: Callable[[], Awaitable[float]]
) -> tuple[int, float, float, float]:
    """Let a broker export its log: records, rate, microseconds of the receiver's and the broker's processor time a record."""
    samples: list[tuple[float, int]] = []
    async with BrokerEngine(folder, properties=_properties(exporter)) as engine:
        await asyncio.sleep(3)  # a Java process that has just started compiles
        before, broker_before = await cpu(), _cpu(engine.pid)
        await _actuate(engine, _RESUMED)
        changed = time.perf_counter()
        while time.perf_counter() - changed < 8:
            samples.append((time.perf_counter(), await count()))
            if len(samples) < 2 or samples[-1][1] != samples[-2][1]:
                changed = samples[-1][0]
            await asyncio.sleep(0.1)
        after, broker_after = await cpu(), _cpu(engine.pid)
    total = samples[-1][1]
    begin = next(one for one in samples if one[1] >= total / 10)
    end = next(one for one in samples if one[1] >= total * 9 / 10)
    rate = (end[1] - begin[1]) / max(1e-3, end[0] - begin[0])
    return total, rate, (after - before) / total * 1e6, (broker_after - broker_before) / total * 1e6


async def _into_opensearch(folder: Path, indices: Indices) -> Drained:
    exporter = exporter_properties(opensearch.address())
    base = "zeebe.broker.exporters.records"
    exporter |= {
        f"{base}.className": "io.camunda.zeebe.exporter.opensearch.OpensearchExporter",
        f"{base}.args.index.prefix": indices.prefix,
        f"{base}.args.index.numberOfShards": 1,
        f"{base}.args.index.numberOfReplicas": 0,
    }

    async def count() -> int:
        answer = await indices.call("GET", f"/{indices.pattern}/_stats/indexing")
        return int(answer["_all"]["primaries"].get("indexing", {}).get("index_total", 0))

    async def cpu() -> float:
        nodes = (await indices.call("GET", "/_nodes/stats/process"))["nodes"]
        return sum(one["process"]["cpu"]["total_in_millis"] for one in nodes.values()) / 1000

    records, rate, used, broker = await _drain(folder, exporter, count, cpu)
    await indices.refresh()
    assert await indices.count() == records
    await indices.compact()
    return Drained(records, rate, used, broker, await indices.bytes())


@asynccontextmanager
async def _sink(log: Path) -> AsyncGenerator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "camunda_workers", "log", "sink", "--port", "0", "--log", str(log)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def _into_sink(folder: Path, log: Path) -> Drained:
    async with _sink(log) as ready, httpx.AsyncClient(base_url=ready["sink"], trust_env=False) as http:

        async def count() -> int:
            return int((await http.get("/_status")).json()["records"])

        async def cpu() -> float:
            return _cpu(ready["pid"])

        records, rate, used, broker = await _drain(folder, exporter_properties(ready["sink"]), count, cpu)
    return Drained(records, rate, used, broker, _bytes(log))


async def _imported(indices: Indices, path: Path) -> tuple[int, float]:
    """The records into a log of their own, from OpenSearch: how many a second, and the bytes that the log takes without a read model."""
    async with EventLog.open(path) as log, RecordIndices(opensearch.address(), indices=indices.pattern, quiet=0.1) as source:
        begin = time.perf_counter()
        added = await Pump(source, log).catch_up()
        seconds = time.perf_counter() - begin
        assert (await verify_log(log)).good
    return _bytes(path) // added, added / seconds


async def _measure(folder: Path) -> list[Result]:
    made = folder / "broker"
    await _make(made)
    for name in ("a", "b"):
        shutil.copytree(made, folder / name)
    async with Indices.fresh() as indices:
        peer = await _into_opensearch(folder / "a", indices)
        size, rate = await _imported(indices, folder / "imported.db")
    ours = await _into_sink(folder / "b", folder / "events.db")
    print(f"    OpenSearch {peer}\n    sink {ours}\n    imported: {size} bytes a record, {rate:,.0f} records/s", file=sys.stderr)
    assert ours.records == peer.records
    return [
        Result("records from a broker's exporter: sink, OpenSearch", "records/s", ours.rate, 0.9, at_most=False, peer=peer.rate),
        Result("CPU to take a record in: sink, OpenSearch", "µs", ours.cpu, 1.0, peer=peer.cpu),
        Result("disk for a record: log with read model, OpenSearch", "bytes", ours.size / ours.records, 5.0, peer=peer.size / peer.records),
        Result("disk for a record: log alone, OpenSearch", "bytes", size, 5.0, peer=peer.size / peer.records),
        Result("imported from OpenSearch into a log", "records/s", rate, 5000, at_most=False),
    ]


def run() -> Iterator[Result]:
    """Measure, where everything that it needs is there."""
    settings = Settings()
    missing = opensearch.lacking()
    if not distribution_folder(settings.broker_version, settings.cache_dir).is_dir():
        missing = f"no broker {settings.broker_version} in the cache: camunda-workers engine start --engine broker fetches it (299 MB)"
    if missing:
        print(f"    opensearch is not measured: {missing}", file=sys.stderr)
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # a busy broker is what is wanted here
    with tempfile.TemporaryDirectory(prefix="bench-opensearch-") as folder:
        yield from asyncio.run(_measure(Path(folder)))
