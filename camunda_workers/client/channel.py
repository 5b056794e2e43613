"""The gRPC channel to the gateway, plain or TLS.

Who we are travels with each call (`camunda_workers.client.calls`), not with the channel: pyzeebe's channel credentials ask for a token before
every call when it lives for less than a minute, wait for a provider without end, keep a token that was refused, go by the wall clock, and serve gRPC
alone. A channel made by pyzeebe can be handed to `Client(channel=...)` all the same.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio

from camunda_workers.client.tls import grpc_credentials
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import ConnectionSettings

MAX_MESSAGE_SIZE = 64 * 1024 * 1024
"""Bytes a message may have: the engine's own default for one command is 4 MB, but one answer may carry many jobs."""

Options = tuple[tuple[str, Any], ...]

HELD_BACK: Options = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16 * 1024))
"""Options for a channel over which jobs are pushed. gRPC otherwise measures the connection and widens its receive window up to megabytes: tens
of thousands of jobs would lie in it, all of them activated, and time out there one after the other while a slow function holds the worker up. This
is the gateway's only sign that a worker takes no more."""

_TLS_SCHEMES = {"grpcs": True, "https": True, "grpc": False, "http": False}


@dataclass(frozen=True, slots=True)
class Target:
    """A gRPC address taken apart."""

    host: str
    port: int
    tls: bool

    @property
    def address(self) -> str:
        """What gRPC dials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether this machine itself is meant."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_target(address: str) -> Target:
    """Take a gRPC address apart.

    Args:
        address: ``host:port``, or with a scheme: ``grpc://`` and ``http://`` are plain, ``grpcs://`` and ``https://`` are TLS.
            Without a scheme port 443 means TLS.

    Raises:
        ConfigurationError: it is not an address.
    """
    scheme, separator, rest = address.strip().partition("://")
    if not separator:
        scheme, rest = "", address.strip()
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or (scheme and scheme not in _TLS_SCHEMES):
        raise ConfigurationError(f"ZEEBE_GRPC_ADDRESS '{address}' is not an address: write host:port, or grpcs://host:port for TLS")
    tls = _TLS_SCHEMES[scheme] if scheme else port == 443
    return Target(host, port or (443 if tls else 26500), tls)


def channel_options(target: Target) -> Options:
    """gRPC's channel options.

    Keep-alive follows Camunda's clients (a ping every 45 s, as gateways refuse more than one in 30 s). After a lost connection gRPC by
    itself waits up to two minutes before it dials again; a worker must be back within seconds. An own subchannel pool keeps that wait
    from being shared between clients.
    """
    options: list[tuple[str, Any]] = [
        ("grpc.keepalive_time_ms", 45_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Without this gRPC waits for a ping's answer for a minute, whatever the line above says (seen with grpcio 1.85).
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_SIZE),
        ("grpc.max_send_message_length", MAX_MESSAGE_SIZE),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if target.is_loopback:
        options.append(("grpc.enable_http_proxy", 0))
    return tuple(options)


def open_channel(settings: ConnectionSettings, more: Options = ()) -> grpc.aio.Channel:
    """Open the channel the settings describe; nothing is sent yet.

    Args:
        settings: address and certificates.
        more: options besides the usual ones.

    Raises:
        ConfigurationError: the address or a certificate cannot be used.
    """
    target = parse_target(settings.grpc_address)
    options = (*channel_options(target), *more)
    if not target.tls:
        return grpc.aio.insecure_channel(target.address, options=options)
    return grpc.aio.secure_channel(target.address, grpc_credentials(settings), options=options)
