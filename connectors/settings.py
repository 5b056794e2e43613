"""Where the systems of record are. The only place in ``connectors`` that reads the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConnectorSettings(BaseSettings):
    """Addresses of the four systems, each ``CLAIMS_<SYSTEM>_URL`` in the environment.

    The defaults are those of ``python -m connectors.sandbox``.
    """

    model_config = SettingsConfigDict(env_prefix="CLAIMS_", extra="ignore")

    policies_url: str = Field(default="http://127.0.0.1:8090/policies", description="base address of the policy administration")
    payments_url: str = Field(default="http://127.0.0.1:8090/payments", description="base address of the payments ledger")
    documents_url: str = Field(default="http://127.0.0.1:8090/documents", description="base address of the document store")
    notifications_url: str = Field(default="http://127.0.0.1:8090/notifications", description="base address of the notification service")
    timeout_seconds: float = Field(default=10.0, gt=0, description="how long one call to a system may take")

    @classmethod
    def at(cls, address: str, *, timeout_seconds: float = 10.0) -> ConnectorSettings:
        """Settings for a server that plays all four systems, such as the sandbox."""
        base = address.rstrip("/")
        return cls(
            policies_url=f"{base}/policies",
            payments_url=f"{base}/payments",
            documents_url=f"{base}/documents",
            notifications_url=f"{base}/notifications",
            timeout_seconds=timeout_seconds,
        )
