"""Multi-tenancy is off: there is one tenant."""

from __future__ import annotations

from camunda_workers.engine.embedded.commands import DEFAULT_TENANT
from camunda_workers.errors import InvalidArgument


def check_tenants(call: str, *tenants: str) -> None:
    """Refuse every tenant but the default one, as Camunda's gateway does; none given is the default one.

    Args:
        call: the RPC's name.
        tenants: the tenants that the caller named.

    Raises:
        InvalidArgument: it is another one.
    """
    for tenant in tenants:
        if tenant not in ("", DEFAULT_TENANT):
            raise InvalidArgument(
                f"Expected to handle gRPC request {call} with tenant identifier '{tenant}', but multi-tenancy is disabled"
            )
