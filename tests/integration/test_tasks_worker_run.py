"""``camunda-workers worker run`` runs the listeners for a project's duties in a process of its own, and its readiness tells when nobody does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from camunda_workers.errors import InvalidState
from tests.support.tasks_ground import Ground, office, person

pytestmark = pytest.mark.engine

RULES = """
[workers]
modules = ["mine:router"]

[duties]
listeners = ["four-eyes"]

[[duties.separate]]
name = "assess and approve"
process = "claim"
tasks = ["assess-claim", "approve-payment"]

[duties.people."grace"]
aliases = ["grace.admin"]
"""
MODULE = """
from camunda_workers import Router, worker

@worker("nobody-needs-this")
async def work() -> None:
    pass

router = Router(work)
"""


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncGenerator[Ground]:
    async with office(tmp_path, listeners=False, on_disk=True, patience=60) as opened:
        yield opened


@asynccontextmanager
async def process(folder: Path, ground: Ground, rules: str = RULES) -> AsyncGenerator[str]:
    """``worker run`` in this folder; the address of its probes."""
    (folder / "mine.py").write_text(MODULE)
    (folder / "camunda-workers.toml").write_text(rules)
    environment = {
        **os.environ,
        "ZEEBE_GRPC_ADDRESS": ground.engine.grpc_address,
        "CAMUNDA_REST_ADDRESS": ground.engine.rest_address,
        "CAMUNDA_WORKERS_DATA_DIR": str(folder),
        "CAMUNDA_WORKERS_START_JITTER": "0",
    }
    command = [sys.executable, "-m", "camunda_workers", "worker", "run", "--log-json", "--port", "0"]
    child = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stderr=asyncio.subprocess.PIPE)
    assert child.stderr is not None
    said: list[str] = []

    async def port() -> int:
        async for line in child.stderr or ():
            said.append(line.decode())
            if '"probes.listening"' in said[-1]:
                return int(json.loads(said[-1])["port"])
        raise AssertionError("".join(said))

    rest: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(60):
            address = f"http://127.0.0.1:{await port()}"
        rest = asyncio.create_task(child.stderr.read())
        yield address
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
        if rest is not None:
            await rest


async def readiness(address: str, *problems: str) -> None:
    """Wait until the probe names these problems and no others."""
    async with asyncio.timeout(40), httpx.AsyncClient() as http:
        while list((answer := await http.get(f"{address}/readyz")).json()["problems"]) != list(problems):
            await asyncio.sleep(0.05)
        assert answer.status_code == (503 if problems else 200)


@pytest.mark.timeout(180)
async def test_the_rules_hold_in_another_process(ground: Ground, tmp_path: Path) -> None:
    async with process(tmp_path, ground) as address:
        await readiness(address)
        claim_id = await ground.reported()
        task = await ground.task(claim_id, "assess-claim")
        await ground.client.assign_user_task(task.key, "grace")
        await ground.client.complete_user_task(task.key, {"assessment": {"outcome": "approve", "amount": 24_000, "notes": "plausible"}})
        approval = await ground.task(claim_id, "approve-payment")
        for name in ("grace", "Grace ", "grace.admin"):
            with pytest.raises(InvalidState, match="already completed 'assess-claim'"):
                await ground.client.assign_user_task(approval.key, name)
        await ground.client.assign_user_task(approval.key, "dmitri")
        decisions = await ground.tasks.store.ledger.facts(approval.key, kind="duty.decided")
        assert [one.data["allowed"] for one in decisions] == [False, False, False, True]
        assert await ground.tasks.problems() == {}
    # Told by the store, at once: the process has said good-bye.
    assert list(await ground.tasks.problems()) == ["duties listener 'four-eyes'"]
    decision, _ = await ground.tasks.explain(person("dmitri"), approval.key, "grace.admin")
    assert not decision.allowed


@pytest.mark.timeout(120)
async def test_readiness_fails_where_the_listener_is_switched_off(ground: Ground, tmp_path: Path) -> None:
    async with process(tmp_path, ground, f"{RULES}\n[workers.four-eyes]\nenabled = false\n") as address:
        await readiness(address, "duties listener 'four-eyes'")
