"""What the command modules share: the two ways to the engine and the defaults of a call."""

from __future__ import annotations

from abc import ABC, abstractmethod

from camunda_workers.client.calls import GatewayCalls
from camunda_workers.client.rest import RestCalls
from camunda_workers.settings import ConnectionSettings


class Commands(ABC):
    """A theme of the client's commands."""

    @property
    @abstractmethod
    def settings(self) -> ConnectionSettings:
        """Addresses, tenants and timeouts in use."""

    @abstractmethod
    def _gateway(self) -> GatewayCalls:
        """The gRPC side of an open client."""

    @abstractmethod
    def _rest(self) -> RestCalls:
        """The REST side of an open client."""

    def _tenant(self, tenant_id: str | None) -> str:
        # With exactly one tenant configured it is meant; the engine takes an empty one for its default.
        if tenant_id is not None:
            return tenant_id
        return self.settings.tenant_ids[0] if len(self.settings.tenant_ids) == 1 else ""
