"""Draining a backlog from a real broker: ours beside a plain loop, pyzeebe, and Camunda's SDKs for Node and Python; one after the other, same broker.

The SDKs are installed into the cache folder when they are not there yet; one that cannot be is left out, in words.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.contestants import VARIABLES, quiet
from bench.result import Result
from camunda_workers.client import BackOff, Client, Resource
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.distribution import distribution_folder
from camunda_workers.settings import Settings

BACKLOG = 5_000
ROUNDS = 5
SOME = {"pyzeebe": 320, "node": 2_000, "sdk": 100, "warm-up": 5_000}
"""The slow ones get fewer jobs, so that the run ends today; what is compared is jobs a second."""
PEERS = Path(__file__).parent / "peers"
LONGEST = 240.0


def _cache() -> Path:
    return Settings().cache_dir / "bench"


def _node() -> str:
    """Where the Node SDK's modules are; empty when they cannot be had."""
    modules = _cache() / "node" / "node_modules"
    if not (modules / "@camunda8" / "sdk").exists():
        npm = shutil.which("npm")
        if npm is None:
            return ""
        modules.parent.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(modules.parent), "@camunda8/sdk"]
        if subprocess.run(command, capture_output=True, timeout=600, check=False).returncode:
            return ""
    return str(modules)


def _sdk() -> str:
    """A Python that has Camunda's SDK; empty when it cannot be had."""
    python = _cache() / "sdk" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True, timeout=120)
        command = [str(python), "-m", "pip", "-q", "install", "camunda-orchestration-sdk"]
        if subprocess.run(command, capture_output=True, timeout=600, check=False).returncode:
            return ""
    return str(python)


class _Reached(Protocol):
    """An engine by its addresses."""

    @property
    def grpc_address(self) -> str: ...
    @property
    def rest_address(self) -> str: ...


@dataclass(frozen=True)
class _Addresses:
    grpc_address: str
    rest_address: str


def _command(name: str, engine: _Reached, job_type: str, count: int) -> list[str]:
    if name == "node":
        node, modules = shutil.which("node"), _node()
        return [node, str(PEERS / "drain.mjs"), modules, engine.grpc_address, job_type, str(count)] if node and modules else []
    if name == "sdk":
        python = _sdk()
        return [python, str(PEERS / "sdk_drain.py"), engine.rest_address, job_type, str(count)] if python else []
    name = "plain" if name == "warm-up" else name
    return [sys.executable, "-m", "bench.contestants", name, engine.grpc_address, job_type, str(count)]


def diagram(process_id: str, *job_types: str) -> bytes:
    """Service tasks one after the other."""
    ids = ["started", *(f"task-{number}" for number in range(len(job_types))), "ended"]
    tasks = "".join(
        f'<bpmn:serviceTask id="{name}"><bpmn:extensionElements><zeebe:taskDefinition type="{job_type}"/></bpmn:extensionElements></bpmn:serviceTask>'
        for name, job_type in zip(ids[1:], job_types, strict=False)
    )
    flows = "".join(
        f'<bpmn:sequenceFlow id="to-{target}" sourceRef="{source}" targetRef="{target}"/>' for source, target in itertools.pairwise(ids)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
        'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">'
        f'<bpmn:process id="{process_id}" isExecutable="true"><bpmn:startEvent id="started"/>{tasks}<bpmn:endEvent id="ended"/>{flows}'
        "</bpmn:process></bpmn:definitions>"
    ).encode()


async def _fill(client: Client, job_type: str, count: int) -> None:
    """Start so many instances; each waits at its one job."""
    await client.deploy(Resource(f"{job_type}.bpmn", diagram(job_type, job_type)))
    left = iter(range(count))
    variables = json.loads(VARIABLES)

    async def start() -> None:
        for _ in left:
            await client.start(job_type, variables)

    await asyncio.gather(*(start() for _ in range(32)))


async def _drain(client: Client, engine: _Reached, name: str, job_type: str) -> dict[str, float] | None:
    """Jobs a second of one contestant, and its CPU milliseconds for each; nothing when it did not finish."""
    count = SOME.get(name, BACKLOG)
    command = await asyncio.to_thread(_command, name, engine, job_type, count)
    if not command:
        print(f"left out: {name} cannot be installed here", file=sys.stderr)
        return None
    await _fill(client, job_type, count)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        async with asyncio.timeout(LONGEST):
            out, err = await process.communicate()
    except TimeoutError:
        out, err = b"", b"not done in time"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [line for line in out.splitlines() if line.startswith(b"{")]
    if not lines:
        said = err.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        print(f"left out: {name} did not drain {count} jobs; it said: {said[0][:200]}", file=sys.stderr)
        return None
    took = json.loads(lines[-1])
    print(f"    {name}: {count / took['seconds']:.1f} jobs/s, {took['cpu'] / count * 1000:.3f} ms CPU a job", file=sys.stderr)
    return {"rate": count / took["seconds"], "cpu": took["cpu"] / count * 1000}


async def _measure(rounds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        # A broker that is filled as fast as it can refuses now and then; that is no reason to give the whole run up.
        patient = BackOff(attempts=100, longest=2.0)
        async with (
            BrokerEngine(Path(folder)) as engine,
            Client(settings=Settings(grpc_address=engine.grpc_address), back_off=patient) as client,
        ):
            # Java compiles what is used often; the first contestant must not be the one who waits for that.
            await _drain(client, engine, "warm-up", "warm-up")
            for number in range(rounds):
                # The order turns round, so that nobody always meets the warmer broker.
                names = ["ours", "plain"] if number % 2 == 0 else ["plain", "ours"]
                for name in [*names, *(["node", "pyzeebe", "sdk"] if number == rounds - 1 else [])]:
                    if (took := await _drain(client, engine, name, f"{name}-{number}")) is not None:
                        found.setdefault(name, []).append(took)
    return found


async def _beside_the_sdk() -> dict[str, float]:
    """Jobs a second of ours and of Camunda's Python SDK on ``engine start``: the SDK takes no answer of a broker before 8.10, and takes ours."""
    starting = [sys.executable, "-m", "camunda_workers", "engine", "start", "--grpc-port", "0", "--rest-port", "0"]
    process = await asyncio.create_subprocess_exec(*starting, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        engine = _Addresses(ready["grpc"], ready["rest"])
        found: dict[str, float] = {}
        async with Client(settings=Settings(grpc_address=engine.grpc_address)) as client:
            for name in ("warm-up", "ours", "sdk"):
                if (took := await _drain(client, engine, name, f"{name}-here")) is not None:
                    found[name] = took["rate"]
        return found
    finally:
        process.terminate()
        await process.wait()


def run() -> Iterator[Result]:
    """Measure everything in this module."""
    quiet()
    here = asyncio.run(_beside_the_sdk())
    if "sdk" in here:
        words = "drain a backlog of the embedded engine, beside camunda-orchestration-sdk"
        yield Result(words, "jobs/s", here["ours"], 5.0, at_most=False, peer=here["sdk"])
    settings = Settings()
    if not (distribution_folder(settings.broker_version, settings.cache_dir) / "bin" / "broker").exists():
        print("left out: no broker distribution in the cache; camunda-workers engine start --engine broker fetches it", file=sys.stderr)
        return
    found = asyncio.run(_measure(ROUNDS))
    # Each round is a pair, one right after the other: the broker's own pace changes from minute to minute, by more than what is compared.
    pairs = sorted(zip(found["ours"], found["plain"], strict=True), key=lambda pair: pair[0]["rate"] / pair[1]["rate"])
    ours, plain = (one["rate"] for one in pairs[len(pairs) // 2])
    yield Result("drain a backlog of the real broker, beside a plain grpc.aio loop", "jobs/s", ours, 0.95, at_most=False, peer=plain)
    ours = statistics.median(one["rate"] for one in found["ours"])
    for name, words, target in (
        ("pyzeebe", "pyzeebe 4.7.0 at its defaults", 5.0),
        ("node", "@camunda8/sdk (Node)", 1.5),
        ("sdk", "camunda-orchestration-sdk", 5.0),
    ):
        if name in found:
            peer = statistics.median(one["rate"] for one in found[name])
            yield Result(f"drain a backlog of the real broker, beside {words}", "jobs/s", ours, target, at_most=False, peer=peer)
