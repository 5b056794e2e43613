"""The client's document commands on the embedded engine's document store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from camunda_workers.client import Client
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import InvalidArgument, NotFound

pytestmark = pytest.mark.engine


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with EmbeddedEngine(rest_port=0) as engine, Client(engine.grpc_address, engine.rest_address) as opened:
        yield opened


async def test_a_document_is_kept_found_again_and_deleted(client: Client) -> None:
    content = "Die Scheibe ist gesprungen: 1.200 €\x00".encode()
    kept = await client.create_document(content, file_name="Brief.txt", content_type="text/plain", properties={"from": "the claimant"})
    assert kept.content_hash == hashlib.sha256(content).hexdigest()
    assert (kept.name, kept.metadata.size, kept.metadata.custom_properties) == ("Brief.txt", len(content), {"from": "the claimant"})
    assert await client.get_document(kept) == content
    await client.delete_document(kept)
    with pytest.raises(NotFound):
        await client.get_document(kept)


async def test_whoever_knows_another_hash_gets_nothing(client: Client) -> None:
    kept = await client.create_document(b"one", file_name="one.txt", content_type="text/plain")
    with pytest.raises(InvalidArgument):
        await client.get_document(kept.model_copy(update={"content_hash": hashlib.sha256(b"two").hexdigest()}))
    assert await client.get_document(kept) == b"one"
