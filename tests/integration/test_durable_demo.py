"""``demo --keep``: the demonstration on a durable engine, to go on with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.durable.inspect import inspect_folder
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.events import EventLog

pytestmark = pytest.mark.engine


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command from the project's folder."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "camunda_workers", *words], capture_output=True, text=True, check=False, cwd=root, timeout=150
    )


async def test_a_kept_demo_can_be_looked_at_and_gone_on_with(tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    demo = command("demo", "--cases", "3", "--keep", kept, "--json")
    assert demo.returncode == 0, demo.stderr
    result = json.loads(demo.stdout)
    assert (result["started"], result["active"]) == (3, 0)
    found = inspect_folder(tmp_path / "kept", verify=True)
    assert (found["problems"], found["in_use"], found["log"]["last_position"]) == ([], False, result["records"])
    assert found["clock_ahead_seconds"] > 86_400
    async with EventLog.open(tmp_path / "kept" / "events.db") as log:
        example = (await log.business_ids())[0]
    shown = command("case", "show", example, "--data-dir", kept, "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["businessId"] == example
    async with EmbeddedEngine(data=tmp_path / "kept") as engine:
        model = await engine.read_model()
        states = {item["state"] for item in (await model.search_process_instances())["items"]}
        assert states <= {"COMPLETED", "TERMINATED"}
    again = command("demo", "--keep", kept)
    assert again.returncode == 1
    assert f"{kept} is not empty: choose another folder, or go on with it: camunda-workers engine start --data {kept}" in again.stderr
