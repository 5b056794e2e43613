"""What tests of a durable engine in this process share: a small process, commands for it, and ways to hurt its folder."""

from __future__ import annotations

from pathlib import Path

from camunda_workers.engine.embedded import commands
from camunda_workers.engine.embedded.documents import pack
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.support.diagrams import process, sequence, service_task, timer

CASE = process("case", sequence(service_task("work", "work"), timer("pause", "PT48H")))
HOUR_MS = 3_600_000


async def deploy(engine: EmbeddedEngine) -> None:
    await engine.bridge.execute(commands.deploy([("case.bpmn", CASE)]))


async def start(engine: EmbeddedEngine, count: int = 1) -> list[int]:
    answers = [await engine.bridge.execute(commands.create_instance(process_id="case")) for _ in range(count)]
    return [answer.value["processInstanceKey"] for answer in answers]


async def activate(engine: EmbeddedEngine) -> list[int]:
    answer = await engine.bridge.execute(commands.activate_jobs("work", "test", HOUR_MS, 100, []))
    return list(answer.value["jobKeys"])


async def complete(engine: EmbeddedEngine, key: int) -> None:
    await engine.bridge.execute(commands.complete_job(key, pack({})))


async def later(engine: EmbeddedEngine, key: int) -> None:
    """Let a job wait for an hour before it is tried again."""
    await engine.bridge.execute(commands.fail_job(key, 1, "not now", HOUR_MS, pack({})))


async def states(engine: EmbeddedEngine) -> dict[int, str]:
    model = await engine.read_model()
    found = await model.search_process_instances(page={"limit": 1000})
    return {int(item["processInstanceKey"]): item["state"] for item in found["items"]}


def snapshots(data: Path) -> list[Path]:
    return sorted((data / "snapshots").glob("0*"))


def changes(data: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


async def fill(data: Path, rounds: int) -> list[int]:
    """An engine that was stopped as often, each time with a snapshot; returns the cases."""
    keys: list[int] = []
    for number in range(rounds):
        async with EmbeddedEngine(data=data) as engine:
            if not number:
                await deploy(engine)
            keys += await start(engine, 3)
    return keys
