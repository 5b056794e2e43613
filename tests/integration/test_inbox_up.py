"""``camunda-workers up``: everything in one process, with the project's own workers and people."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from camunda_workers.cli.up import run_up
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import Settings, load_project
from tests.support.inbox_ground import Browser, eventually
from tests.support.tasks_ground import ROOT

pytestmark = pytest.mark.engine


async def test_up_runs_everything_and_goes_on_where_it_was(tmp_path: Path) -> None:
    project, lines = load_project(ROOT), list[str]()
    async with run_up(project, Settings(), data=tmp_path / "office", tell=lines.append) as up:
        assert [line.split()[0] for line in lines] == ["engine", "systems", "workers", "monitor", "deployed", "24", "inbox", "sign"]
        (monitor,) = (line.split()[1].rstrip(":") for line in lines if line.startswith("monitor"))
        async with httpx.AsyncClient(base_url=monitor) as http:
            assert (await http.get("/readyz")).json() == {"status": "UP", "problems": {}}
            assert 'camunda_worker_ready{job_type="four-eyes"} 1.0' in (await http.get("/metrics")).text
        with pytest.raises(ConfigurationError, match="is taken: choose another one"):
            async with run_up(project, Settings(), port=urlsplit(up.address).port or 0):
                pytest.fail("it took a port that is taken")
        password = up.password
        async with Browser(up.address) as amelia:
            assert (await amelia.sign_in("amelia.hart", password)).status_code == 303

            async def waiting() -> bool:
                return "Assess claim" in (await amelia.get("/tasks?scope=team")).text

            assert await eventually(waiting, seconds=30)
    lines.clear()
    async with run_up(project, Settings(), data=tmp_path / "office", tell=lines.append) as up:
        assert up.password == password
        assert not any("claims are reported" in line for line in lines)
        async with Browser(up.address) as amelia:
            await amelia.sign_in("amelia.hart", password)
            assert "Assess claim" in (await amelia.get("/tasks?scope=team")).text
