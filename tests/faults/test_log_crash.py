"""The process that writes the log is killed at any moment: what is there verifies, and going on leaves neither a gap nor a double."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from camunda_workers.events import EventLog, Pump, ReadModel
from camunda_workers.events.chain.note import Verifier
from camunda_workers.events.chain.verify import verify_log
from camunda_workers.events.projections import PROJECTIONS
from tests.support.recorded import ListSource, recorded

KILLS = int(os.environ.get("LOG_KILLS", "4"))
ROOT = Path(__file__).parents[2]
WRITER = """
import asyncio, sys
from pathlib import Path
from camunda_workers.events import EventLog, Pump, ReadModel
from camunda_workers.events.chain.notary import Notary, load_signer
from camunda_workers.events.facts import Fact, FactKind, Facts
from tests.support.recorded import ListSource, recorded

async def main(path):
    async with EventLog.open(path) as log:
        notary = Notary(log, load_signer(path.with_suffix(".key"), name="example.org/log"), every=50)
        print("ready", flush=True)
        facts = Facts(log)
        pump = Pump(Slow(recorded()), log, followers=[ReadModel(log), notary], batch=7)
        await asyncio.gather(pump.catch_up(), *(facts.record(Fact(FactKind.WORKER_RUN, {"n": n}, id=f"run-{n}")) for n in range(200)))
        print("done", flush=True)

class Slow(ListSource):
    async def read(self, after, limit):
        await asyncio.sleep(0.002)
        return await super().read(after, limit)

asyncio.run(main(Path(sys.argv[1])))
"""


async def tables(log: EventLog) -> dict[str, list[Any]]:
    def read(connection: Any) -> dict[str, list[Any]]:
        return {t.name: sorted(map(tuple, connection.execute(select(t))), key=repr) for p in PROJECTIONS for t in p.tables}

    return await log.database.read(read)


async def test_killed_again_and_again(tmp_path: Path) -> None:
    path, chance = tmp_path / "events.db", random.Random(7)
    sizes: list[int] = []
    for number in range(KILLS + 1):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        if number < KILLS:
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.communicate)
        async with EventLog.open(path) as log:
            key = Verifier.parse(path.with_suffix(".pub").read_text())
            report = await verify_log(log, [key])
            assert report.good, report.problems
            sizes.append(report.size)
    assert sizes == sorted(sizes)
    async with EventLog.open(path) as log, EventLog.open() as other:
        assert [record.text.encode() async for record in log.records()] == list(recorded())
        assert sorted([record.value["n"] async for record in log.records(partition=0)]) == list(range(200))
        assert sizes[-1] == len(recorded()) + 200
        model = ReadModel(other)
        await Pump(ListSource(recorded()), other, followers=[model]).catch_up()
        assert await tables(log) == await tables(other)
        found = await tables(log)
        await ReadModel(log).rebuild()
        assert await tables(log) == found
