"""Every engine version that was tried keeps the contract that the default one keeps, and goes on with its folders.

A process holds one version, so each is asked in a process of its own. A version whose jars are not on this machine is left out: nothing is
fetched here (``CAMUNDA_WORKERS_ENGINE_VERSION=8.9.0-rc2 camunda-workers setup`` fetches them, 67 MB).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.jars import DEFAULT_ENGINE_VERSION, jars_are_here, locked_versions
from camunda_workers.settings import Settings
from tests.support.version_move import WAITING

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=locked_versions()[1:])
def newer(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    if not jars_are_here(version, Settings().cache_dir):
        pytest.skip(f"engine {version} is not on this machine: CAMUNDA_WORKERS_ENGINE_VERSION={version} camunda-workers setup")
    return version


def run(version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CAMUNDA_WORKERS_ENGINE_VERSION": version}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=170
    )


def test_everything_that_our_code_names_is_there(newer: str) -> None:
    done = run(newer, "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "tests/contract/test_engine_surface.py")
    moved = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR", "E   "))]
    assert done.returncode == 0, "\n".join([f"engine {newer} has moved what our code uses:", *moved, done.stderr[-2000:]])


def test_a_folder_goes_on_with_a_newer_engine_and_never_back(newer: str, tmp_path: Path) -> None:
    move, data = "tests.support.version_move", str(tmp_path / "data")
    written = run(DEFAULT_ENGINE_VERSION, move, "write", data)
    assert written.returncode == 9, written.stderr
    gone_on = run(newer, move, "go_on", data)
    assert gone_on.returncode == 0, gone_on.stderr
    seen = json.loads(gone_on.stdout)
    assert seen["before"] == {name: ["ACTIVE", "ACTIVE"] for name in WAITING}
    assert seen["after"] == {name: ["COMPLETED"] * 3 for name in WAITING}
    assert {seen["rest"], *seen["grpc"]} == {newer}
    assert seen["records"] == sorted([DEFAULT_ENGINE_VERSION, newer.partition("-")[0]]), "the log holds what both wrote"
    assert "no way back" in gone_on.stderr
    again = run(newer, move, "go_on", data)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["after"] == {name: ["COMPLETED"] * 4 for name in WAITING}
    assert "no way back" not in again.stderr
    back = run(DEFAULT_ENGINE_VERSION, move, "backwards", data)
    refused = f"was written by engine {newer}: engine {DEFAULT_ENGINE_VERSION} is older and cannot read it"
    assert refused in back.stdout, back.stdout + back.stderr
