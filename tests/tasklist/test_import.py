"""A real broker with two partitions exports into a real OpenSearch, and into our sink; the import brings the same into a log, once and in order."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camunda_workers.client import Client, Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.errors import ReadModelError
from camunda_workers.events import EventLog, Pump
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.sources.elasticsearch import RecordIndices
from camunda_workers.events.sources.sink import ExporterSink, exporter_properties
from tests.support import opensearch
from tests.support.diagrams import process, sequence, service_task, user_task
from tests.support.opensearch import Indices

pytestmark = [pytest.mark.tasklist, pytest.mark.timeout(300)]
PARTITIONS = (1, 2)
KINDS = frozenset({"process", "processInstance", "processInstanceCreation", "job", "userTask", "variable"})
OTHERS = (
    "checkpoint",
    "commandDistribution",
    "deploymentDistribution",
    "processInstanceBatch",
    "messageBatch",
    "messageCorrelation",
    "user",
)
"""Kinds that an exporter takes unless it is told otherwise."""
ONE = Resource("one.bpmn", process("one", sequence(service_task("work", "work"), user_task("look", group="people"))))
NAMES = ("Zoë", "李", 'O\'Hara "the 2nd"', "line\nbreak", "🚗")


def exporter(name: str, url: str, prefix: str) -> dict[str, Any]:
    """Camunda's own OpenSearch exporter."""
    base = f"zeebe.broker.exporters.{name}"
    return {
        f"{base}.className": "io.camunda.zeebe.exporter.opensearch.OpensearchExporter",
        f"{base}.args.url": url,
        f"{base}.args.bulk.delay": 1,
        f"{base}.args.index.prefix": prefix,
        f"{base}.args.index.numberOfShards": 1,
        f"{base}.args.index.numberOfReplicas": 0,
        # A template and an index for each kind cost the node seconds: these are the kinds that the cases below make.
        **{f"{base}.args.index.{kind}": kind in KINDS for kind in (set(indexed_kinds()) | set(OTHERS))},
    }


def indexed_kinds() -> list[str]:
    """The kinds that the sink asks for."""
    return [name.rpartition(".")[2] for name in exporter_properties("") if ".args.index." in name]


async def work_on(client: Client, cases: int) -> None:
    """Start cases and do half of their jobs."""
    await asyncio.gather(*(client.start("one", {"name": NAMES[n % len(NAMES)], "amount": n / 8, "big": 2**52 + n}) for n in range(cases)))
    for job in await client.activate_jobs("work", worker="test", timeout=timedelta(minutes=1), max_jobs=cases // 2):
        await client.complete_job(job.key, {"done": True})


async def exported(indices: Indices, witness: EventLog, cases: int) -> None:
    """Wait until both exporters have sent everything."""
    before = -1
    async with asyncio.timeout(90):
        while True:
            await indices.refresh()
            count, size = await indices.count(), await witness.size()
            started = sum(
                [1 for one in PARTITIONS async for _ in witness.records(partition=one, value_types={"PROCESS_INSTANCE_CREATION"})]
            )
            if count == size == before and started == cases:
                return
            before = size
            await asyncio.sleep(1.5)


@asynccontextmanager
async def importing(log: Path, indices: Indices) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The import as its own program, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "camunda_workers", "log", "import", opensearch.address(), "--indices", indices.pattern, "--log", str(log)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def all_of(log: Path, indices: Indices) -> dict[int, int]:
    """Import to the end; how many records of each partition were added."""
    async with importing(log, indices) as process:
        output, _ = await process.communicate()
    assert process.returncode == 0
    return {one["partition"]: one["added"] for one in map(json.loads, output.splitlines())}


async def content(log: EventLog) -> dict[int, list[Any]]:
    """What a log has of each partition, in the log's order."""
    found = {one: [json.loads(record.text) async for record in log.records(partition=one)] for one in PARTITIONS}
    for record in (one for records in found.values() for one in records):
        record.pop("sequence", None)  # each exporter's own number; the sink keeps what it was sent
    return found


async def test_history_of_all_partitions_is_imported_once_in_order_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "imported.db"
    async with Indices.fresh() as indices, EventLog.open(tmp_path / "witness.db", durable=True) as witness, ExporterSink(witness) as sink:
        properties = {
            **exporter("search", opensearch.address(), indices.prefix),
            **exporter("witness", sink.address, indices.prefix),
            "zeebe.broker.cluster.partitionsCount": len(PARTITIONS),
        }
        async with BrokerEngine(tmp_path / "broker", properties=properties) as engine, Client(engine.grpc_address, "") as client:
            await client.deploy(ONE)
            await work_on(client, 60)
            await exported(indices, witness, 60)
            first = {one: len(records) for one, records in (await content(witness)).items()}
            assert min(first.values()) > 100

            # Given up in the middle of a partition, then killed behind one, then to the end.
            async with (
                EventLog.open(path) as log,
                RecordIndices(opensearch.address(), indices=indices.pattern, quiet=0.1) as source,
            ):
                assert await source.partitions() == list(PARTITIONS)
                await log.append(await source.read(0, 40))
                assert await log.size() == 40
            async with importing(path, indices) as killed:
                assert killed.stdout is not None
                assert json.loads(await killed.stdout.readline()) == {
                    "partition": 1,
                    "added": first[1] - 40,
                    "position": await witness.position(1),
                }
            assert (await all_of(path, indices))[1] == 0
            assert await all_of(path, indices) == dict.fromkeys(PARTITIONS, 0)

            # History that goes on; and, while it is being written, nothing is taken out of its order.
            async with EventLog.open(path) as log, asyncio.TaskGroup() as group:
                writing = group.create_task(work_on(client, 60))
                while not writing.done():
                    for partition in PARTITIONS:
                        async with RecordIndices(opensearch.address(), partition=partition, indices=indices.pattern, quiet=0.1) as source:
                            await Pump(source, log, partition=partition).catch_up()
            await exported(indices, witness, 120)
            await all_of(path, indices)
        async with EventLog.open(path) as log:
            expected = await content(witness)
            assert await content(log) == expected
            assert sum(map(len, expected.values())) == await indices.count() > 1.5 * sum(first.values())
            assert (await verify_log(log)).good
            # After history has been imported, the sink can go on with the same log: it knows what it is sent again.
            for partition in PARTITIONS:
                assert await log.append([one.text async for one in witness.records(partition=partition)], partition=partition) == 0

        # An index that somebody removed is told, not jumped over.
        await remove_the_jobs(indices)
        async with (
            EventLog.open() as log,
            RecordIndices(opensearch.address(), indices=indices.pattern, quiet=0.1) as strict,
            RecordIndices(opensearch.address(), indices=indices.pattern, quiet=0.1, gaps=True) as lenient,
        ):
            with pytest.raises(ReadModelError, match=r"\d+ records of the kind JOB are missing before position \d+ of partition 1"):
                await Pump(strict, log).catch_up()
            await Pump(lenient, log).catch_up()
            assert 0 < await log.size() < len(expected[1])


async def remove_the_jobs(indices: Indices) -> None:
    """Of the job records, leave the oldest and the newest only."""
    query = {"term": {"valueType": "JOB"}}
    for order in ("asc", "desc"):
        body = {"size": 1, "query": {"bool": {"filter": [query, {"term": {"partitionId": 1}}]}}, "sort": [{"position": order}]}
        found = await indices.call("POST", f"/{indices.pattern}/_search", json=body)
        position = found["hits"]["hits"][0]["_source"]["position"]
        query = {"bool": {"must": [query], "must_not": [{"term": {"position": position}}]}}
    await indices.call("POST", f"/{indices.pattern}/_delete_by_query", json={"query": query}, params={"refresh": "true"})
