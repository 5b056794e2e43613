"""The plugin in runs of its own: both asynchronous plugins, xdist, coverage, JSON test cases, failures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.processes import ORDER, REVIEW
from tests.testing.test_cases import of, start

TEST = """
from pathlib import Path
import pytest
from camunda_workers.testing import expect

ORDER = Path(__file__).with_name("order.bpmn")
{mark}
async def test_waits(camunda):
    await camunda.deploy(ORDER)
    camunda.mock_job("price", returns={{"amount": 1}})
    order = await camunda.start("order")
    await expect(order).to_be_waiting_at("approve")
{mark}
async def test_completes(camunda):
    await camunda.deploy(ORDER)
    camunda.mock_job("price")
    order = await camunda.start("order")
    await (await camunda.task(order)).complete()
    await camunda.advance(hours=48)
    await expect(order).to_be_completed()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "order.bpmn").write_bytes(ORDER.content)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170, env=os.environ, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("", ["--asyncio-mode=auto"]),
        ("@pytest.mark.asyncio", ["--asyncio-mode=strict"]),
        ("@pytest.mark.anyio", ["--asyncio-mode=strict", "-k", "asyncio"]),
        ("@pytest.mark.anyio", ["-p", "no:asyncio", "-k", "asyncio"]),
    ],
    ids=["asyncio auto", "asyncio strict", "anyio", "anyio alone"],
)
def test_asyncio_and_anyio_modes(folder: Path, mark: str, options: list[str]) -> None:
    (folder / "test_order.py").write_text(TEST.format(mark=mark))
    assert "2 passed" in run(folder, *options)


def test_coverage_of_a_parallel_run(folder: Path) -> None:
    (folder / "test_order.py").write_text(TEST.format(mark=""))
    printed = run(folder, "--asyncio-mode=auto", "-n", "2", "--camunda-coverage=out", "--camunda-coverage-min=100")
    assert "order (order.bpmn)        5/5        4/4        0/0     100 %  -" in printed
    facts = json.loads((folder / "out" / "coverage.json").read_text())
    assert facts["percent"] == 100
    assert facts["processes"][0]["instances"] == 2
    page = (folder / "out" / "index.html").read_text()
    assert "bpmn.io" in page
    assert not re.findall(r"(?:src|href)=|@import|url\((?!'?data:)", page.split("<script>")[0])  # nothing is loaded from elsewhere
    low = run(folder, "--asyncio-mode=auto", "-k", "waits", "--camunda-coverage-min=60", code=1)
    assert "process coverage is 44 %, below the required 60 %" in low


def test_json_test_cases_are_collected_and_failures_are_recorded(folder: Path) -> None:
    waits = {"type": "ASSERT_USER_TASK", "userTaskSelector": {"elementId": "approve"}, "state": "IS_CREATED"}
    mock = {"type": "MOCK_JOB_WORKER_COMPLETE_JOB", "jobType": "price"}
    done = {"type": "ASSERT_PROCESS_INSTANCE", **of("order"), "state": "IS_COMPLETED"}
    good = {"name": "good", "instructions": [mock, start("order"), waits]}
    bad = {"name": "bad", "instructions": [mock, start("order"), done]}
    (folder / "order.test.json").write_text(json.dumps({"testCases": [good, bad]}))
    printed = run(folder, "order.test.json", "--camunda-record=recordings", code=1)
    assert "1 failed, 1 passed" in printed
    assert "bad: instruction 3, ASSERT_PROCESS_INSTANCE: expected the process instance to be completed, but it is active" in printed
    (recording,) = (folder / "recordings").glob("*bad*")
    command = [sys.executable, "-m", "camunda_workers", "case", "show", "--from", str(recording), "--json"]
    story = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert story["waitsFor"][0]["elementId"] == "approve"


def test_json_test_cases_that_cannot_be_run_say_why(folder: Path) -> None:
    (folder / "refused.test.json").write_text('{"testCases": [{"name": "x", "instructions": [{"type": "NOPE"}]}]}')
    printed = run(folder, "refused.test.json", code=1)
    assert "unknown instruction NOPE" in printed
    assert "Unknown pytest.mark" not in printed
    (folder / "broken.test.json").write_text("{")
    assert "broken.test.json:1:2: not JSON" in run(folder, "broken.test.json", code=2)


def test_a_failing_test_shows_its_own_line_and_the_story(folder: Path) -> None:
    (folder / "test_order.py").write_text(TEST.format(mark="").replace('to_be_waiting_at("approve")', "to_be_completed()"))
    printed = run(folder, "--asyncio-mode=auto", "-k", "waits", code=1)
    assert ">       await expect(order).to_be_completed()" in printed or ">   await expect(order).to_be_completed()" in printed
    assert "waits for  approve: someone of boss to claim it" in printed
    assert "waiting.py" not in printed


def test_an_engine_that_is_not_known_is_refused(folder: Path) -> None:
    (folder / "test_order.py").write_text(TEST.format(mark=""))
    assert "--camunda-engine=magic" in run(folder, "--asyncio-mode=auto", "--camunda-engine=magic", code=1)


def test_the_command_tells_what_json_and_python_tests_cover_together(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (folder / "test_order.py").write_text(TEST.format(mark=""))
    waits = {"type": "ASSERT_ELEMENT_INSTANCE", **of("reviewing"), "elementSelector": {"elementId": "review"}, "state": "IS_ACTIVE"}
    (folder / "review.bpmn").write_bytes(REVIEW.content)
    (folder / "review.test.json").write_text(json.dumps({"testCases": [{"name": "a", "instructions": [start("reviewing"), waits]}]}))
    command = [sys.executable, "-m", "camunda_workers", "test", ".", "--coverage", "out", "--coverage-min", "50"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170, env=os.environ, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((folder / "out" / "coverage.json").read_text())
    assert {one["processId"] for one in facts["processes"]} == {"order", "reviewing"}
