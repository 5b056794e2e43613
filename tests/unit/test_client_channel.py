"""Addresses and channels."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_workers.client.channel import channel_options, is_loopback, open_channel, parse_target
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import Settings


@pytest.mark.parametrize(
    ("address", "dialled", "tls"),
    [
        ("127.0.0.1:26500", "127.0.0.1:26500", False),
        ("gateway", "gateway:26500", False),
        ("grpc://h:1", "h:1", False),
        ("http://h:1/", "h:1", False),
        ("grpcs://h:1", "h:1", True),
        ("https://h", "h:443", True),
        ("h:443", "h:443", True),
        ("[::1]:5", "[::1]:5", False),
    ],
)
def test_addresses(address: str, dialled: str, tls: bool) -> None:
    target = parse_target(address)
    assert (target.address, target.tls) == (dialled, tls)


@pytest.mark.parametrize("address", ["", "ftp://h:1", "h:notaport", "h:99999", "://"])
def test_no_addresses(address: str) -> None:
    with pytest.raises(ConfigurationError, match="ZEEBE_GRPC_ADDRESS"):
        parse_target(address)


def test_loopback_needs_no_proxy() -> None:
    assert is_loopback("localhost")
    assert is_loopback("::1")
    assert not is_loopback("example.org")
    assert ("grpc.enable_http_proxy", 0) in channel_options(parse_target("127.0.0.1:1"))
    assert ("grpc.enable_http_proxy", 0) not in channel_options(parse_target("example.org:1"))


def test_messages_may_be_large() -> None:
    options = dict(channel_options(parse_target("h:1")))
    assert options["grpc.max_receive_message_length"] >= 32 * 1024 * 1024
    assert options["grpc.keepalive_time_ms"] >= 30_000


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "grpcs://h:1", "grpcs://11111111-2222-3333-4444-555555555555.bru-2.zeebe.camunda.io:443"]
)
@pytest.mark.parametrize("known", [True, False])
async def test_channels_open_without_asking_anybody(address: str, known: bool) -> None:
    credentials: dict[str, Any] = {"client_id": "me", "client_secret": "s", "oauth_url": "https://login.example.org/token"} if known else {}
    channel = open_channel(Settings(grpc_address=address, **credentials))
    await channel.close()
