"""Kills the broker and the workers at random while cases run, and lets the ledger judge: ``python -m bench.soak [seconds]``, ten minutes by default.

Three worker processes, one real broker, a network between them that fails. Every few seconds one of: kill -9 of the broker, kill -9 of a worker,
SIGSTOP and later SIGCONT, SIGTERM, connections reset, the network down. At the end everything runs again, the rest drains, and the verdict is
printed. Every process is a child of this one and ends with it.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.drain import diagram
from camunda_workers.client import BackOff, Client, Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.config import choose_ports
from camunda_workers.errors import CamundaWorkersError
from camunda_workers.settings import Settings
from tests.support.fault_proxy import FaultProxy, Weather, fault_proxy
from tests.support.ledger import Ledger
from tests.support.worker_process import WorkerProcess, start_worker

WORKERS = 3
CAP = 16
PACE = 15.0
"""Cases a second; what a laptop's broker does beside being killed."""
OPEN = 400
"""Cases under way at most: this is a soak and no load test."""
JOB_TIMEOUT = 8.0
PATIENCE = 240.0


@dataclass
class Soak:
    """One run.

    Attributes:
        seconds: how long faults happen.
        seed: of the faults; printed, so that a run can be repeated.
    """

    seconds: float
    seed: int
    folder: Path
    ledger: Ledger
    faults: dict[str, int] = field(default_factory=dict[str, int])
    memory: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    in_doubt: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._workers: list[WorkerProcess] = []
        self._stopped: set[int] = set()
        self._over = False

    async def run(self) -> bool:
        """Soak; whether every invariant held."""
        port = choose_ports().grpc
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(BrokerEngine(self.folder / "broker", grpc_port=port))
            proxy = await stack.enter_async_context(fault_proxy(broker.grpc_address))
            stack.push_async_callback(self._end_workers)
            settings = Settings(grpc_address=broker.grpc_address, request_timeout=5.0)
            client = await stack.enter_async_context(Client(settings=settings, back_off=BackOff(attempts=1)))
            await client.deploy(Resource("soak.bpmn", diagram("soak", "effect", "finish")))
            for _ in range(WORKERS):
                await self._start_worker(proxy)
            cases = asyncio.create_task(self._cases(client))
            watching = asyncio.create_task(self._watch())
            stack.callback(cases.cancel)
            stack.callback(watching.cancel)
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                await self._fault(broker, proxy)
                await asyncio.sleep(self._dice.uniform(1.0, 4.0))
            self._over = True
            await cases
            await self._recover(proxy)
            await self._until_settled()
        return self._verdict()

    async def _cases(self, client: Client) -> None:
        number = 0
        while not self._over:
            if len(self.ledger.unfinished()) < OPEN:
                number += 1
                try:
                    await client.start("soak", {"number": number})
                    self.ledger.started(number)
                except CamundaWorkersError:
                    # Perhaps it was started, perhaps not: its number is not used again, so it counts as neither.
                    self.in_doubt += 1
            await asyncio.sleep(1 / PACE)

    async def _start_worker(self, proxy: FaultProxy) -> None:
        worker = await start_worker(
            quiet=True,
            address=proxy.address,
            ledger=str(self.ledger.path),
            job_type="effect",
            last_type="finish",
            hold=0.05,
            timeout=JOB_TIMEOUT,
            cap=CAP,
            drain=2.0,
        )
        self._workers.append(worker)

    async def _fault(self, broker: BrokerEngine, proxy: FaultProxy) -> None:
        names = ["kill worker"] * 4 + ["stop worker"] * 2 + ["terminate worker"] * 2 + ["cut"] * 3 + ["down"] * 2 + ["kill broker"]
        name = self._dice.choice(names)
        self.faults[name] = self.faults.get(name, 0) + 1
        worker = self._dice.choice(self._workers)
        match name:
            case "kill broker":
                await broker.kill()
                await asyncio.sleep(self._dice.uniform(0, 2))
                await broker.start()
            case "cut":
                proxy.cut()
            case "down":
                proxy.weather = Weather.DOWN
                proxy.cut()
                await asyncio.sleep(self._dice.uniform(0.2, 3))
                proxy.weather = Weather.FAIR
            case "stop worker":
                worker.send(signal.SIGSTOP)
                # Longer than its jobs' timeout, now and then: what it says afterwards is too late.
                await asyncio.sleep(self._dice.uniform(0.5, JOB_TIMEOUT * 1.3))
                worker.send(signal.SIGCONT)
            case _:
                worker.send(signal.SIGKILL if name == "kill worker" else signal.SIGTERM)
                await worker.wait(20)
                self._workers.remove(worker)
                await self._start_worker(proxy)

    async def _recover(self, proxy: FaultProxy) -> None:
        proxy.weather = Weather.FAIR
        for worker in self._workers:
            assert not worker.ended, "a worker has ended by itself"

    async def _until_settled(self) -> None:
        end = time.monotonic() + PATIENCE
        while self.ledger.unfinished() and time.monotonic() < end:  # noqa: ASYNC110 - other processes write it
            await asyncio.sleep(0.5)

    async def _watch(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(5)
            for worker in self._workers:
                if (megabytes := worker.memory()) > 0:
                    self.memory.setdefault(worker.pid, []).append(megabytes)
            left, passed = len(self.ledger.unfinished()), round(time.monotonic() - began)
            counted = f"{self.ledger.count('started')} started, {self.ledger.count('finished')} finished, {left} under way"
            print(f"  {passed:4} s  {counted}, faults {sum(self.faults.values())}", flush=True)

    async def _end_workers(self) -> None:
        for worker in self._workers:
            if not worker.ended:
                worker.send(signal.SIGCONT)
            await worker.end()

    def _verdict(self) -> bool:
        verdict = self.ledger.verdict(cap=CAP)
        largest = max((max(samples) for samples in self.memory.values()), default=0.0)
        # What a young process grows by belongs to its start.
        grown = max((samples[-1] - samples[2] for samples in self.memory.values() if len(samples) > 3), default=0.0)
        if grown > 50:
            verdict.broken.append(f"a worker process grew by {grown:.0f} MB")
        print(f"\nfaults: {', '.join(f'{name} {count}' for name, count in sorted(self.faults.items()))} (seed {self.seed})")
        print(f"starts whose answer was lost: {self.in_doubt}; largest worker process {largest:.0f} MB, grown by {grown:.0f} MB")
        print(verdict, flush=True)
        return not verdict.broken


async def main(seconds: float, seed: int) -> bool:
    """Run it in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite") as ledger:
        return await Soak(seconds, seed, Path(folder), ledger).run()


if __name__ == "__main__":
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1_000_000)
    print(f"soaking for {wanted:.0f} s, seed {chosen}", flush=True)
    sys.exit(0 if asyncio.run(main(wanted, chosen)) else 1)
