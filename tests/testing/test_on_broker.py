"""The kit's own tests on a real broker, as far as the one that can be fetched (8.6) knows what they use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAME = "promised or real_workers or mocks_throw or messages or children or user_tasks or variables_can or function_of_the_job or a_function_becomes"


@pytest.mark.broker
def test_the_same_tests_pass_on_a_real_broker() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/testing/test_kit.py",
        "--camunda-engine=broker",
        "-k",
        SAME,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, env=os.environ, check=False)
    assert "9 passed" in done.stdout, done.stdout[-4000:]
