"""Every code block of the README runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from camunda_workers import Client, Router, WorkerRunner
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.support.diagrams import process, sequence, service_task

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.engine
async def test_the_worker_works() -> None:
    (block,) = (block for block in blocks("python") if "@worker" in block)
    assert len([line for line in block.splitlines() if line.strip()]) <= 17
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec", dont_inherit=True), names)
    async with EmbeddedEngine() as engine, Client(engine.grpc_address, "") as client:
        diagram = ROOT / "bpmn" / "claims" / "claims.bpmn"
        assert "NO_COVER" in diagram.read_text(encoding="utf-8")
        from camunda_workers.client import Resource

        await client.deploy(Resource("check.bpmn", process("check", sequence(service_task("check-it", "check-policy")))))
        async with WorkerRunner(client, [Router(names["check_policy"])]):
            result = await client.start_with_result("check", {"claim": {"policy_number": "342868"}})
            assert result.variables["policy"] == {"deductible": 500}
            started = await client.start("check", {"claim": {"policy_number": "042"}})
            await engine.settle()
        records = [json.loads(record) for record in await engine.records.read(0, 100_000)]
        thrown = [r for r in records if r["valueType"] == "JOB" and r["intent"] == "ERROR_THROWN"]
        assert [r["value"]["errorCode"] for r in thrown] == ["NO_COVER"]
        assert thrown[0]["value"]["processInstanceKey"] == started.process_instance_key


@pytest.mark.engine
async def test_the_workers_main_serves_until_it_is_told_to_stop() -> None:
    (block,) = (block for block in blocks("python") if "@worker" in block)
    async with EmbeddedEngine() as engine:
        environment = os.environ | {"ZEEBE_GRPC_ADDRESS": engine.grpc_address}
        script = f"{block}\nimport asyncio\nasyncio.run(main())"
        running = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=environment)
        async with asyncio.timeout(60):
            while "check-policy" not in engine.dispatch.served_types():
                assert running.returncode is None
                await asyncio.sleep(0.01)
            running.terminate()
            assert await running.wait() == 0


@pytest.mark.engine
def test_the_test_passes(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("python") if "def test_" in block)
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    # Below the repository's folder, so that its paths mean what they mean to the reader.
    (tmp_path / "test_readme_example.py").write_text(block, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    done = subprocess.run([*command, str(tmp_path / "test_readme_example.py")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_commands_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in blocks("sh"):
        assert re.search(rf"^{command.strip().removeprefix('make ')}:", makefile, re.MULTILINE), command


@pytest.mark.engine
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (shown,) = blocks("text")
    command = [sys.executable, "-m", "camunda_workers", "demo", "--cases", "5"]
    environment = os.environ | {"CAMUNDA_WORKERS_DATA_DIR": str(tmp_path), "COLUMNS": "120"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    labels = [line.split("  ")[0] for line in shown.splitlines() if "  " in line and not line.startswith(" ")]
    assert len(labels) == 9
    for label in labels:
        assert f"\n{label}  " in done.stdout
    business_id = re.search(r"case show (\S+)", done.stdout)
    assert business_id is not None
    told = subprocess.run(
        [*command[:3], "case", "show", business_id[1]], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "Claim received" in told.stdout


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
