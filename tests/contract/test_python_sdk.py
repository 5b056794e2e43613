"""Camunda's Python SDK, unchanged and in a process of its own, against ``camunda-workers engine start``, with and without tokens.

It runs in this environment's Python, or in the one that ``CAMUNDA_PYTHON_SDK`` names: an environment of its own with nothing but
``camunda-orchestration-sdk`` in it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tests.support.diagrams import process, sequence, service_task, user_task
from tests.support.oidc_provider import AUDIENCE, oidc_provider
from tests.support.processes import engine_process, run_program, without_ours
from tests.support.resources import table

_PYTHON = os.environ.get("CAMUNDA_PYTHON_SDK", "")
_SCRIPT = Path(__file__).parent.parent / "data" / "python_sdk.py"
_MESSAGE = (
    '<bpmn:message id="go-message" name="go"><bpmn:extensionElements><zeebe:subscription correlationKey="=order"/>'
    "</bpmn:extensionElements></bpmn:message>"
)
_CATCH = '<bpmn:intermediateCatchEvent id="go"><bpmn:messageEventDefinition messageRef="go-message"/></bpmn:intermediateCatchEvent>'
ORDER = process("order", sequence(service_task("work", "work"), _CATCH, user_task("approve", group="approvers")), _MESSAGE)

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not _PYTHON and importlib.util.find_spec("camunda_orchestration_sdk") is None,
        reason="no Python SDK of Camunda: install camunda-orchestration-sdk, or name a Python that has it in CAMUNDA_PYTHON_SDK",
    ),
]


async def _run(rest: str, folder: Path, *credentials: str) -> None:
    (folder / "order.bpmn").write_bytes(ORDER)
    (folder / "rate.dmn").write_bytes(table("rate"))
    command = [_PYTHON or sys.executable, str(_SCRIPT), rest, str(folder), *credentials]
    # Only the script and its own environment: nothing of ours is importable there.
    said = await run_program(*command, folder=folder, environment=without_ours(os.environ), seconds=120)
    assert "everything was as expected" in said


async def test_on_loopback(tmp_path: Path) -> None:
    async with engine_process() as ready:
        await _run(ready["rest"], tmp_path)


async def test_with_tokens(tmp_path: Path) -> None:
    async with oidc_provider() as provider:
        provider.add_client("workers", "a secret of workers")
        async with engine_process("--auth", "oidc", "--issuer", provider.issuer, "--audience", AUDIENCE) as ready:
            await _run(ready["rest"], tmp_path, provider.token_url, "workers", "a secret of workers")
