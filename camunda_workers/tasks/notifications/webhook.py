"""Notifications as webhooks: one POST of JSON per piece of news, signed, so that the receiver can tell it from a forged one."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from socket import inet_aton
from typing import Any, Final

import httpx

from camunda_workers.errors import ConfigurationError
from camunda_workers.tasks.notifications.mail import NotSent
from camunda_workers.tasks.notifications.outbox import Notice

SIGNATURE: Final = "X-Camunda-Workers-Signature"
"""``t=<seconds>,v1=<hex>``: HMAC-SHA256 with the shared secret over ``<seconds>.<body>``."""

DELIVERY: Final = "X-Camunda-Workers-Delivery"
"""The same for the same news, however often it is delivered."""


@dataclass(frozen=True)
class Webhook:
    """Where news is posted.

    Attributes:
        url: an ``https`` address; ``http`` only on this machine.
        secret: shared with the receiver.
    """

    url: str
    secret: bytes = field(repr=False)
    timeout: float = 10.0

    def __post_init__(self) -> None:
        address = httpx.URL(self.url)
        local = address.host in ("127.0.0.1", "::1", "localhost")
        if address.scheme != "https" and not (address.scheme == "http" and local):
            raise ConfigurationError(f"webhook: {self.url} is not https, so everybody on the way could read it")
        if _is_inside(address.host):
            raise ConfigurationError(f"webhook: {address.host} is where a cloud keeps its machines' secrets, and nobody's webhook")
        if len(self.secret) < 16:
            raise ConfigurationError("webhook: the secret has 16 bytes at least")


def _is_inside(host: str) -> bool:
    try:
        address = ip_address(host if ":" in host else inet_aton(host))
    except (ValueError, OSError):
        return host.rstrip(".").lower() in ("metadata", "metadata.google.internal", "instance-data")
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return str(address) == "fd00:ec2::254" or address.is_link_local or address.is_multicast or address.is_unspecified


def signature(secret: bytes, body: bytes, at: int) -> str:
    """The signature header's value."""
    return f"t={at},v1={hmac.new(secret, f'{at}.'.encode() + body, 'sha256').hexdigest()}"


def verified(secret: bytes, body: bytes, header: str, now: int, *, tolerance: int = 300) -> bool:
    """Whether a delivery is genuine and fresh; for receivers written in Python."""
    at = header.partition(",")[0].removeprefix("t=")
    if not at.isdecimal() or abs(now - int(at)) > tolerance:
        return False
    return hmac.compare_digest(signature(secret, body, int(at)), header)


async def post(notice: Notice, webhook: Webhook, now: datetime, *, link: str) -> None:
    """Post one piece of news. Redirects are not followed: news goes where it was meant to go.

    Raises:
        NotSent: nobody takes it.
    """
    shown: dict[str, Any] = {
        "id": notice.id,
        "kind": notice.kind,
        "taskKey": str(notice.task_key) if notice.task_key is not None else None,
        "recipient": notice.recipient,
        "since": notice.since.isoformat() if notice.since is not None else None,
        "data": dict(notice.data),
        "link": link,
    }
    body = json.dumps(shown, ensure_ascii=False).encode()
    at = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        SIGNATURE: signature(webhook.secret, body, at),
        DELIVERY: f"{notice.once}:{notice.recipient}",
    }
    try:
        async with httpx.AsyncClient(timeout=webhook.timeout, follow_redirects=False, trust_env=False) as client:
            response = await client.post(webhook.url, content=body, headers=headers)
    except httpx.HTTPError as error:
        raise NotSent(f"the webhook {httpx.URL(webhook.url).host} did not answer: {error!r}") from error
    if not response.is_success:
        gone = response.status_code in (410, 404)
        raise NotSent(f"the webhook answered {response.status_code}", final=gone)
