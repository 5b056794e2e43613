"""A worker in a process of its own, to be killed, stopped and asked to end: ``python -m tests.support.worker_process <options as JSON>``.

It writes what it does into the ledger, and a line to the standard output when it is ready and for each effect.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import structlog

from camunda_workers import Client, JobContext, Router, run_workers, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.settings import Settings
from camunda_workers.worker.poller import Polling
from tests.support.ledger import Ledger


class Options(TypedDict, total=False):
    """What a worker process is told.

    Attributes:
        address: the gateway's.
        ledger: the ledger's file.
        job_type: of the job with the effect.
        last_type: of the job that ends the case; none by default.
        hold: seconds the function takes after its effect.
        timeout: seconds of the job's timeout.
        cap: how many run at once.
        drain: seconds it may take to end.
    """

    address: Required[str]
    ledger: Required[str]
    job_type: str
    last_type: str
    hold: float
    timeout: float
    cap: int
    drain: float


async def main(options: Options) -> None:
    """Work until told to stop."""
    ledger = Ledger(options["ledger"])
    hold = options.get("hold", 0.0)
    timeout = timedelta(seconds=options.get("timeout", 60.0))
    cap = options.get("cap", 32)
    keys: dict[int, int] = {}
    running = 0

    class Noting(Client):
        async def complete_job(
            self, job_key: int, variables: object = None, *, result: pb.JobResult | None = None, lease_token: str | None = None
        ) -> None:
            await super().complete_job(job_key, variables, result=result, lease_token=lease_token)
            if (key := keys.pop(job_key, None)) is not None:
                ledger.acknowledged(key)

    @worker(options.get("job_type", "work"), timeout=timeout, max_running=cap)
    async def work(number: int, job: JobContext) -> dict[str, int]:
        nonlocal running
        running += 1
        try:
            keys[job.key] = job.element_instance_key
            ledger.ran(job.element_instance_key, number, running)
            ledger.effect(job.element_instance_key, number)
            print(f"effect {job.element_instance_key}", flush=True)
            await asyncio.sleep(hold)
            return {"done": number}
        finally:
            running -= 1

    router = Router(work)
    if last := options.get("last_type"):

        @router.worker(last, timeout=timeout, max_running=cap)
        async def finish(number: int, job: JobContext) -> None:  # pyright: ignore[reportUnusedFunction]
            ledger.finished(number, job.process_instance_key)

    async with Noting(settings=Settings(grpc_address=options["address"])) as client:
        print(f"ready {os.getpid()}", flush=True)
        polling = Polling(request_timeout=timedelta(seconds=5))
        await run_workers(client, [router], polling=polling, drain_timeout=timedelta(seconds=options.get("drain", 10.0)))


class WorkerProcess:
    """A running worker, seen from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def line(self, word: str) -> str:
        """Wait for the next line that begins with this word."""
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            while not (line := (await self._process.stdout.readline()).decode()).startswith(word):
                assert line, "the worker process has ended"
        return line

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def wait(self, seconds: float) -> int:
        """Its exit code; it has so long to end."""
        async with asyncio.timeout(seconds):
            # What it still prints has to be taken, or it waits for a reader for ever.
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    async def end(self) -> None:
        """Kill it if it still runs."""
        if not self.ended:
            self._process.kill()
            await self._process.communicate()

    def memory(self) -> float:
        """Megabytes it holds; 0 where that cannot be read."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def start_worker(*, quiet: bool = False, **options: Unpack[Options]) -> WorkerProcess:
    """Start one, without waiting until it is ready; ``quiet`` when nobody will read what it prints."""
    command = [sys.executable, "-m", "tests.support.worker_process", json.dumps(options)]
    out: Any = subprocess.DEVNULL if quiet else subprocess.PIPE
    return WorkerProcess(await asyncio.create_subprocess_exec(*command, stdout=out, cwd=Path(__file__).parents[2]))


@asynccontextmanager
async def worker_process(**options: Unpack[Options]) -> AsyncGenerator[WorkerProcess]:
    """A worker that is ready; it does not outlive the block."""
    process = await start_worker(**options)
    try:
        await process.line("ready")
        yield process
    finally:
        await process.end()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), logger_factory=structlog.PrintLoggerFactory(file=sys.stderr)
    )
    asyncio.run(main(json.loads(sys.argv[1])))
