"""Workers of the policy administration: ``check-policy``."""

from __future__ import annotations

from typing import Annotated

from camunda_workers import BpmnError, Provided, Router, worker
from connectors.claims import Claim, Policy
from connectors.jobs import refusals_are_final
from connectors.policies.client import PoliciesClient
from connectors.settings import ConnectorSettings


class NoCover(BpmnError):
    """There is no policy, or it does not cover the day of the incident."""

    code = "NO_COVER"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, variables={"no_cover_reason": reason})


@worker("check-policy", errors=[NoCover], result="policy")
async def check_policy(claim: Claim, policies: Annotated[PoliciesClient, Provided]) -> Policy:
    """Looks up the claim's policy and checks that it covers the day of the incident.

    Raises:
        NoCover: no such policy, not yet begun, or lapsed.
    """
    with refusals_are_final():
        policy = await policies.find(claim.policy_number)
    if policy is None:
        raise NoCover(f"there is no policy {claim.policy_number}")
    gap = policy.gap_in_cover(claim.incident_date)
    if gap is not None:
        raise NoCover(gap)
    return policy


def connect() -> PoliciesClient:
    """A client of the system whose address the environment names."""
    settings = ConnectorSettings()
    return PoliciesClient(settings.policies_url, timeout=settings.timeout_seconds)


router = Router(check_policy)
router.provide(PoliciesClient, connect)
