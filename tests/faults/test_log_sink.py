"""A real broker pushes into the sink, which is killed again and again; and the broker is killed, too. Every record is in the log, once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from camunda_workers.client import Client, Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.events import EventLog
from camunda_workers.events.chain.note import Verifier
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.sources.sink import exporter_properties
from camunda_workers.testing.sink import Sink
from tests.support.diagrams import process, sequence, service_task

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
KILLS = int(os.environ.get("SINK_KILLS", "2"))
INSTANCES = 60


@asynccontextmanager
async def sink_process(log: Path, port: int) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """The sink as its own program; killed without a goodbye at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "camunda_workers", "log", "sink", "--port", str(port), "--log", str(log)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"CAMUNDA_WORKERS_SINK_PASSWORD": "secret"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            ready = json.loads(await process.stdout.readline())
        yield process, ready["sink"]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_the_sink_is_killed_in_mid_batch_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    witness = Sink()  # a second exporter of the same broker: what should have come
    async with sink_process(path, 0) as (_, address):
        port = int(address.rpartition(":")[2])
    properties = exporter_properties(address, password="secret")
    properties |= {name: 20 if name.endswith("bulk.size") else value for name, value in properties.items()}
    properties |= {
        name.replace(".records.", ".witness."): witness.address if name.endswith(".url") else value for name, value in properties.items()
    }
    try:
        async with BrokerEngine(tmp_path / "broker", properties=properties) as engine, Client(engine.grpc_address, "") as client:
            await client.deploy(Resource("one.bpmn", process("one", sequence(service_task("work", "work")))))
            started = 0

            async def start_some(count: int) -> None:
                nonlocal started
                for _ in range(count):
                    await client.start("one", {"number": started, "text": "x" * 2000})
                    started += 1

            for _ in range(KILLS):
                async with sink_process(path, port):
                    await start_some(INSTANCES // (KILLS + 1) // 2)
                # It was killed while the exporter pushed; the broker goes on without it.
                await start_some(INSTANCES // (KILLS + 1) // 2)
            async with sink_process(path, port):
                await start_some(INSTANCES - started)
                await engine.kill()  # and the broker, too
                await engine.start()
                async with Client(engine.grpc_address, "") as again:
                    await again.start("one", {"number": started})

                async def complete() -> bool:
                    async with EventLog.open(path) as log:
                        names = [one.value["value"] async for one in log.records(value_types={"VARIABLE"}) if one.value["name"] == "number"]
                        return len(names) == INSTANCES + 1 and await log.position() == witness.store.position

                async with asyncio.timeout(90):
                    while not await complete():
                        await asyncio.sleep(0.5)
        async with EventLog.open(path) as log:
            found = [record.text async for record in log.records()]
            expected = await witness.store.read(0, 1_000_000)
            assert [json.loads(line)["position"] for line in found] == [json.loads(line)["position"] for line in expected]
            # Not text by text: a broker that was restarted can write a record's members in another order than the one before it.
            assert [json.loads(line) for line in found] == [json.loads(line) for line in expected]
            report = await verify_log(log, [Verifier.parse(path.with_suffix(".pub").read_text())])
            assert report.good
            numbers = [int(one.value["value"]) async for one in log.records(value_types={"VARIABLE"}) if one.value["name"] == "number"]
            assert numbers == list(range(INSTANCES + 1))
    finally:
        witness.stop()
