"""``camunda-workers worker run`` as users run it: a process of its own against Camunda's engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from camunda_workers import Client
from camunda_workers.cli.supervisor import merged_metrics
from camunda_workers.client import Resource
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.settings import Settings
from camunda_workers.worker.probes import Probes
from tests.support.diagrams import ONE_TASK

MODULE = """
import asyncio, os
from camunda_workers import Router, worker

@worker("work", idempotent=True)
async def work(number: int) -> dict[str, int]:
    if number == 99:
        await asyncio.sleep(3600)
    return {"answer": number * FACTOR, "process": os.getpid()}

FACTOR = 2
router = Router(work)
several = [router]
nothing = 7
"""


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(rest_port=0) as running:
        yield running


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[Client]:
    async with Client(settings=Settings(grpc_address=engine.grpc_address, rest_address=engine.rest_address)) as opened:
        await opened.deploy(Resource("one.bpmn", ONE_TASK))
        yield opened


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "camunda-workers.toml").write_text('[workers]\nmodules = ["mine:router"]\n')
    return tmp_path


class Running:
    """A process and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode())

    async def said(self, event: str, count: int = 1) -> dict[str, Any]:
        """Waits for a log line."""
        async with asyncio.timeout(40):
            while True:
                found = [json.loads(line) for line in self.lines if f'"event": "{event}"' in line]
                if len(found) >= count:
                    return found[count - 1]
                if self.process.returncode is not None:
                    raise AssertionError("".join(self.lines))
                await asyncio.sleep(0.02)


@asynccontextmanager
async def worker_run(folder: Path, engine: EmbeddedEngine, *arguments: str, **variables: str) -> AsyncGenerator[Running]:
    environment = {
        **os.environ,
        "ZEEBE_GRPC_ADDRESS": engine.grpc_address,
        "CAMUNDA_REST_ADDRESS": engine.rest_address,
        "CAMUNDA_WORKERS_DATA_DIR": str(folder / "data"),
        "CAMUNDA_WORKERS_START_JITTER": "0",
        **variables,
    }
    command = [sys.executable, "-m", "camunda_workers", "worker", "run", "--log-json", *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stderr=asyncio.subprocess.PIPE)
    running = Running(process)
    reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def answer(client: Client, number: int) -> dict[str, Any]:
    result = await client.start_with_result("one-task", {"number": number}, timeout=timedelta(seconds=30))
    return dict(result.variables)


@pytest.mark.engine
async def test_one_process_works_answers_probes_and_drains(engine: EmbeddedEngine, client: Client, project: Path) -> None:
    async with worker_run(project, engine, "--port", "0", "--drain", "0.3") as running:
        port = (await running.said("probes.listening"))["port"]
        assert (await answer(client, 21))["answer"] == 42
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/livez")).json() == {"status": "UP"}
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()) == (200, {"status": "UP", "problems": {}})
            assert 'camunda_jobs_total{job_type="work",outcome="completed"} 1.0' in (await http.get("/metrics")).text
            assert (await http.get("/nothing")).status_code == 404
            assert (await http.post("/livez")).status_code == 405
            assert (await http.head("/livez")).content == b""
        await client.start("one-task", {"number": 99})
        async with asyncio.timeout(10):
            while not any('"job.ended"' in line for line in running.lines):
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
        assert (await running.said("job.returned"))["element_id"] == "work"
    (again,) = await client.activate_jobs(
        "work", worker="x", timeout=timedelta(minutes=1), max_jobs=1, request_timeout=timedelta(seconds=5)
    )
    assert again.retries == 3
    assert (project / "data" / "outcomes.db").exists()


@pytest.mark.engine
async def test_several_processes_are_one_for_probes_restart_and_drain(engine: EmbeddedEngine, client: Client, project: Path) -> None:
    async with worker_run(project, engine, "mine:several", "--processes", "2", "--port", "0", "--drain", "1") as running:
        port = (await running.said("probes.listening"))["port"]
        await running.said("runner.started", 2)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            async with asyncio.timeout(30):
                while (await http.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.05)
            victim = (await answer(client, 1))["process"]
            os.kill(victim, signal.SIGKILL)
            await running.said("process.ended")
            assert (await answer(client, 2))["answer"] == 4
            await running.said("runner.started", 3)
            text = (await http.get("/metrics")).text
            assert re.search(r'camunda_worker_polls_total\{process="[01]",job_type="work"\}', text)
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await running.process.wait() == 0


@pytest.mark.engine
async def test_a_change_of_the_code_is_run(engine: EmbeddedEngine, client: Client, project: Path) -> None:
    async with worker_run(project, engine, "--reload", "--drain", "1") as running:
        await running.said("runner.started")
        assert (await answer(client, 5))["answer"] == 10
        (project / "mine.py").write_text(MODULE.replace("FACTOR = 2", "FACTOR = 3  # changed"))
        assert (await running.said("worker.reload"))["changed"] == ["mine.py"]
        await running.said("runner.started", 2)
        assert (await answer(client, 5))["answer"] == 15
        running.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await running.process.wait() == 0


@pytest.mark.engine
async def test_a_worker_is_switched_off_by_the_environment(engine: EmbeddedEngine, project: Path) -> None:
    async with worker_run(project, engine, CAMUNDA_WORKERS_WORKER_WORK_ENABLED="false", CAMUNDA_WORKERS_JOBS_OVER="rest") as running:
        assert (await running.said("worker.switched_off"))["job_type"] == "work"
        assert (await running.said("runner.started"))["job_types"] == []


@pytest.mark.engine
async def test_jobs_come_over_rest_where_grpc_is_closed(engine: EmbeddedEngine, client: Client, project: Path) -> None:
    async with worker_run(project, engine, ZEEBE_GRPC_ADDRESS="127.0.0.1:1") as running:
        assert (await running.said("jobs.over_rest"))["rest"] == engine.rest_address
        assert (await answer(client, 21))["answer"] == 42


@pytest.mark.engine
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["mine"], "'mine' names no router: write module:router"),
        (["mine:nothing"], "it must be a Router, a worker, or a list of them"),
        (["other:router"], "there is no module 'other'"),
        (["mine:missing", "--processes", "2"], "has no 'missing'"),
    ],
)
async def test_a_slip_is_one_line_and_an_exit_code(engine: EmbeddedEngine, project: Path, arguments: list[str], text: str) -> None:
    async with worker_run(project, engine, *arguments) as running:
        async with asyncio.timeout(30):
            assert await running.process.wait() == 1
        await asyncio.sleep(0.1)
        assert text in "".join(running.lines)
        assert "Traceback" not in "".join(running.lines)


def test_metrics_of_processes_are_put_together() -> None:
    one = '# HELP a About.\n# TYPE a counter\na_total{x="1"} 2.0\n# HELP b About.\n# TYPE b gauge\nb 1.0\n'
    text = merged_metrics({0: one, 1: one}).decode()
    assert text == (
        '# HELP a About.\n# TYPE a counter\na_total{process="0",x="1"} 2.0\na_total{process="1",x="1"} 2.0\n'
        '# HELP b About.\n# TYPE b gauge\nb{process="0"} 1.0\nb{process="1"} 1.0\n'
    )


async def test_a_probe_that_breaks_or_is_asked_nonsense_answers_all_the_same() -> None:
    async def broken() -> Any:
        raise OSError("broken")

    async with Probes({"/broken": broken}, host="127.0.0.1", port=0) as probes:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as http:
            assert (await http.get("/broken")).status_code == 500
        for sent, expected in ((b"nonsense\r\n\r\n", b"HTTP/1.1 400"), (b"GET " + b"x" * 20_000 + b"\r\n\r\n", b"")):
            reader, writer = await asyncio.open_connection("127.0.0.1", probes.port)
            writer.write(sent)
            assert (await reader.read()).startswith(expected)
            writer.close()
