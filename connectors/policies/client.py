"""Client of the policy administration."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from connectors.claims import Holder, Policy
from connectors.errors import SystemRefused
from connectors.http_client import Answer, SystemClient


class HolderAnswer(Answer):
    """The policy holder, as the policy administration writes it."""

    name: str
    age: Annotated[int, Field(ge=16, le=120)]
    occupation: str
    education: str
    relationship: str
    hobbies: str
    zip_code: str


class PolicyAnswer(Answer):
    """``GET /policies/{number}``."""

    number: str
    state: str
    bind_date: date
    lapsed_on: date | None = None
    status: Literal["in_force", "lapsed"]
    csl: str
    deductible: Annotated[int, Field(ge=0)]
    annual_premium: Annotated[int, Field(ge=0)]
    umbrella_limit: Annotated[int, Field(ge=0)]
    months_as_customer: Annotated[int, Field(ge=0)]
    holder: HolderAnswer


class PoliciesClient(SystemClient):
    """Asks the policy administration."""

    system: ClassVar[str] = "policy administration"

    async def find(self, number: str) -> Policy | None:
        """The policy with this number, or ``None`` when the system says there is none.

        Raises:
            SystemUnavailable: nobody answered; worth trying again.
            SystemRefused: the request was refused.
            BadAnswer: the answer cannot be true (another policy's data, a lapse without its date, wrong types ...).
        """
        try:
            answer = await self._get(f"/{quote(number, safe='')}", PolicyAnswer)
        except SystemRefused as refusal:
            if refusal.status == 404:
                return None
            raise
        if answer.number != number:
            raise self._bad(f"asked for policy {number}, got policy {answer.number}")
        if (answer.status == "lapsed") != (answer.lapsed_on is not None):
            raise self._bad(f"policy {number} is '{answer.status}' but its lapse date is {answer.lapsed_on}")
        if answer.lapsed_on is not None and answer.lapsed_on < answer.bind_date:
            raise self._bad(f"policy {number} lapsed on {answer.lapsed_on}, before it began on {answer.bind_date}")
        return Policy(**answer.model_dump(exclude={"holder"}), holder=Holder(**answer.holder.model_dump()))
