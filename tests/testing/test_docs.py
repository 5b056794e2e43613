"""docs/testing.md, followed as a new user would: its blocks run."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

from camunda_workers.testing import expect
from camunda_workers.testing.expect import InstanceExpectations
from camunda_workers.testing.expect_task import TaskExpectations
from tests.testing.processes import ORDER

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_blocks_run(tmp_path: Path) -> None:
    (tmp_path / "order.bpmn").write_bytes(ORDER.content)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    runner = "\n\ndef test_any_runner() -> None:\n    import asyncio\n    asyncio.run(any_runner())\n"
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks("python")) + runner)
    (cases,) = blocks("json")
    (tmp_path / "order.test.json").write_text(cases)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=170, env=os.environ, check=False)
    assert "7 passed" in done.stdout, done.stdout


def test_the_page_names_every_expectation() -> None:
    assert callable(expect)
    for kind in (InstanceExpectations, TaskExpectations):
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            assert name.startswith("_") or f"`{name}(" in PAGE, f"docs/testing.md does not say {name}"
