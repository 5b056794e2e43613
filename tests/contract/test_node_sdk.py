"""Camunda's Node SDKs against the embedded engine, with and without tokens.

They are not installed by us. To run this: ``npm install @camunda8/sdk@8.8.13 @camunda8/orchestration-cluster-api@8.8.4`` in a folder of its own,
and name that folder in ``CAMUNDA_NODE_SDK``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.auth.door import Door
from camunda_workers.engine.embedded.auth.tokens import TokenGuard
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.issuer_keys import KeyRing
from tests.support.diagrams import ONE_TASK
from tests.support.oidc_provider import AUDIENCE, OidcProvider, oidc_provider
from tests.support.processes import run_program, without_ours

_SDK = os.environ.get("CAMUNDA_NODE_SDK", "")
_SCRIPT = Path(__file__).parent.parent / "data" / "node_sdk.mjs"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not _SDK or shutil.which("node") is None, reason="no Node SDK: name its folder in CAMUNDA_NODE_SDK"),
]


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with oidc_provider() as running:
        running.add_client("workers", "a secret of workers")
        yield running


async def _run(engine: EmbeddedEngine, *credentials: str) -> None:
    folder = Path(_SDK)
    # Node looks for modules from where the script is.
    await asyncio.to_thread(shutil.copyfile, _SCRIPT, folder / "node_sdk.mjs")
    await asyncio.to_thread((folder / "one.bpmn").write_bytes, ONE_TASK)
    command = ["node", "node_sdk.mjs", engine.grpc_address, engine.rest_address, *credentials]
    said = await run_program(*command, folder=folder, environment=without_ours(os.environ), seconds=120)
    assert "everything was as expected" in said


async def test_on_loopback() -> None:
    async with EmbeddedEngine(rest_port=0) as engine:
        await _run(engine)


async def test_with_tokens(provider: OidcProvider) -> None:
    guard = TokenGuard(KeyRing(provider.issuer), issuer=provider.issuer, audiences=[AUDIENCE])
    async with EmbeddedEngine(rest_port=0, door=Door(guard=guard)) as engine:
        await _run(engine, provider.token_url, "workers", "a secret of workers")
