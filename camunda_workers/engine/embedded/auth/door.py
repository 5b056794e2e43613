"""Where the gateway listens, and whom it lets in."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from camunda_workers.errors import ConfigurationError

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.auth.caller import Guard

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the gateway listens, and whom it lets in.

    Attributes:
        host: the address it listens on.
        guard: finds out who comes; None lets everybody in.
        certificate: PEM file of the gateway's certificate; without one it speaks in the clear.
        key: PEM file of its private key.
        anyone: said explicitly that everybody who reaches the address may do everything.
    """

    host: str = "127.0.0.1"
    guard: Guard | None = None
    certificate: Path | None = None
    key: Path | None = None
    anyone: bool = False

    def check(self) -> None:
        """Refuse what would leave the engine open by accident, and say loudly what leaves it open on purpose.

        Raises:
            ConfigurationError: it is open to the network and nobody said so, or its certificate is not whole.
        """
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError("TLS needs both the certificate and its key")
        for file in (self.certificate, self.key):
            if file is not None and not file.is_file():
                raise ConfigurationError(f"{file} is not there")
        if self.is_local:
            return
        if self.guard is None and not self.anyone:
            raise ConfigurationError(
                f"{self.host} can be reached from other machines, and nobody would be asked who they are: "
                "add --auth basic or --auth oidc, or say that this is meant with --allow-anyone"
            )
        if self.guard is None:
            _log.warning("everybody who reaches %s may do everything: this engine asks nobody who they are", self.host)
        if self.certificate is None and self.guard is not None:
            _log.warning("passwords and tokens are sent in the clear to %s: add --tls-certificate and --tls-key", self.host)

    @property
    def is_local(self) -> bool:
        """Whether only this machine gets there."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def grpc_address(self, port: int) -> str:
        """Where clients find the gRPC gateway, as this machine calls it."""
        return f"{'grpcs://' if self.certificate else ''}{self._shown_host()}:{port}"

    def rest_address(self, port: int) -> str:
        """Where clients find the REST API, as this machine calls it."""
        return f"{'https' if self.certificate else 'http'}://{self._shown_host()}:{port}"

    def _shown_host(self) -> str:
        # Where all addresses are listened on, one of them that can be called.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host
