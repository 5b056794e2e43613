"""The worker alone: against a gateway in another process that is faster than any worker, so that nothing but the worker is measured."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.contestants import VARIABLES
from bench.fake_gateway import GatewayProcess, fake_gateway
from bench.result import Result

JOBS = 30_000
ROUNDS = 7
PUSHED = 50_000
CAP = 32
TYPES = 500
SINGLE_JOBS = 300


async def _child(module: str, *arguments: str) -> dict[str, Any]:
    """Run a contestant or a probe in a Python of its own."""
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        async with asyncio.timeout(120):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert out, f"{' '.join(command)} said nothing"
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


async def _drains() -> dict[str, list[dict[str, float]]]:
    """Turn by turn, so that whatever else the machine does hits both alike."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
    async with fake_gateway() as gateway:
        for number in range(ROUNDS):
            for name in ("ours", "plain") if number % 2 else ("plain", "ours"):
                job_type = f"{name}-{number}"
                await gateway.order("add", [job_type, JOBS, VARIABLES])
                found[name].append(await _child("contestants", name, gateway.address, job_type, str(JOBS)))
    return found


async def _latencies(gateway: GatewayProcess, name: str, job_type: str) -> list[float]:
    """Milliseconds from a job's making to its function's first line, one job at a time."""
    probe = asyncio.create_task(_child("probes", f"latency-{name}", gateway.address, job_type, str(SINGLE_JOBS)))
    await gateway.order("joined", job_type)
    await gateway.order("trickle", [job_type, SINGLE_JOBS, 0.01])
    latencies: list[float] = (await probe)["milliseconds"]
    return latencies


async def _latency() -> dict[str, dict[str, float]]:
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    async with fake_gateway() as gateway:
        for number in range(4):
            for name in ("ours", "plain") if number % 2 else ("plain", "ours"):
                found[name] += (await _latencies(gateway, name, f"{name}-{number}"))[10:]
    return {name: _percentiles(one) for name, one in found.items()}


def _percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {"p50": cuts[49], "p99": cuts[98]}


async def _cap() -> dict[str, Any]:
    async with fake_gateway() as gateway:
        probe = asyncio.create_task(_child("probes", "cap", gateway.address, "pushed", str(CAP)))
        await gateway.order("joined", "pushed")
        await gateway.order("add", ["pushed", PUSHED, VARIABLES])
        return await probe


async def _idle() -> dict[str, Any]:
    async with fake_gateway() as gateway:
        return await _child("probes", "idle", gateway.address, "idle", str(TYPES))


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    drains = asyncio.run(_drains())
    cpu = {name: statistics.median(one["cpu"] for one in all_) / JOBS for name, all_ in drains.items()}
    yield Result("no-op jobs on one core", "jobs/s", 1 / cpu["ours"], 2_500, at_most=False)
    seconds = statistics.median(one["seconds"] for one in drains["ours"])
    yield Result("no-op jobs as they went, by the clock", "jobs/s", JOBS / seconds, 2_500, at_most=False)
    yield Result("CPU for a job, beside a plain grpc.aio loop", "µs", cpu["ours"] * 1e6, 1.15, peer=cpu["plain"] * 1e6)
    latency = asyncio.run(_latency())
    yield Result("job made to handler entered, streaming (p50)", "ms", latency["ours"]["p50"], 1.2, peer=latency["plain"]["p50"])
    yield Result("job made to handler entered, streaming (p99)", "ms", latency["ours"]["p99"], 2, peer=latency["plain"]["p99"])
    cap = asyncio.run(_cap())
    yield Result(f"running at once of {PUSHED} pushed jobs, cap {CAP}", "jobs", cap["most"], CAP)
    yield Result(f"memory grown by {PUSHED} pushed jobs", "MB", cap["grown"], 50)
    idle = asyncio.run(_idle())
    yield Result(f"idle CPU of {TYPES} job types", "% of a core", idle["percent"], 3)


if __name__ == "__main__":
    for row in run():
        print(
            f"{row.name}: {row.ours:.3g} {row.unit}, peer {row.peer}, ratio {row.ratio:.2f}, {'met' if row.met else 'NOT MET'}", flush=True
        )
